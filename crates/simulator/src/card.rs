//! Card numbers that pass the Luhn check and belong to nobody, and the life of a customer's card.

/// Account numbers run over eleven digits.
const ACCOUNTS: u64 = 100_000_000_000;
/// Cards that a customer can be issued before numbers come round again. Every `u32` customer has room for them.
const CARDS_EACH: u64 = 20;

/// The 16-digit number of a customer's n-th card.
///
/// It begins with 9999: ISO/IEC 7812 leaves the leading 9 to national bodies and no card scheme issues it.
pub(crate) fn card_number(customer: u32, generation: u32) -> String {
    let account = u64::from(customer) * CARDS_EACH + u64::from(generation) % CARDS_EACH;
    // A multiplier coprime to ten permutes the account numbers: neighbours look unrelated, none collide.
    let scattered = (u128::from(account) * 61_803_398_877 + 57_721_566_490) % u128::from(ACCOUNTS);
    let body = 9_999 * ACCOUNTS + scattered as u64;
    format!("{body}{}", luhn_digit(body))
}

/// The digit that, appended to the number, makes its Luhn sum a multiple of ten.
fn luhn_digit(number: u64) -> u64 {
    let mut sum = 0;
    let mut rest = number;
    let mut doubled = true;
    while rest > 0 {
        let digit = rest % 10;
        sum += match (doubled, digit) {
            (false, _) => digit,
            (true, 0..=4) => 2 * digit,
            (true, _) => 2 * digit - 9,
        };
        doubled = !doubled;
        rest /= 10;
    }
    (10 - sum % 10) % 10
}

/// The card that a customer holds: lost at some time, blocked a little later, replaced some days after that.
/// Times are epoch microseconds; `i64::MAX` means not in sight.
#[derive(Clone, Copy)]
pub(crate) struct Card {
    generation: u32,
    lost: i64,
    blocked: i64,
    replaced: i64,
}

impl Card {
    pub(crate) fn first() -> Card {
        Card {
            generation: 0,
            lost: i64::MAX,
            blocked: i64::MAX,
            replaced: i64::MAX,
        }
    }

    /// The generation of the card that its owner can pay with at `time`, if any.
    pub(crate) fn in_owners_hand(&self, time: i64) -> Option<u32> {
        self.generation_at(time, self.lost)
    }

    /// The generation of the card that is accepted at `time`, whoever presents it, if any.
    pub(crate) fn accepted(&self, time: i64) -> Option<u32> {
        self.generation_at(time, self.blocked)
    }

    fn generation_at(&self, time: i64, end: i64) -> Option<u32> {
        if time < end {
            Some(self.generation)
        } else if time < self.replaced {
            None
        } else {
            Some(self.generation + 1)
        }
    }

    /// Whether nothing is wrong with the card from `time` on, so that it can be stolen.
    pub(crate) fn is_sound(&self, time: i64) -> bool {
        self.lost == i64::MAX || self.replaced <= time
    }

    /// Lets the card be stolen. Its owner misses it from `lost`, the bank blocks it at `blocked`, and sends another
    /// by `replaced`. The card must be sound.
    pub(crate) fn steal(&mut self, lost: i64, blocked: i64, replaced: i64) {
        let generation = if self.lost == i64::MAX {
            self.generation
        } else {
            self.generation + 1
        };
        *self = Card {
            generation,
            lost,
            blocked,
            replaced,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The Luhn check over the digits as text, from the right, written independently of `luhn_digit`.
    fn passes_luhn(number: &str) -> bool {
        let sum: u32 = number
            .bytes()
            .rev()
            .enumerate()
            .map(|(place, byte)| {
                let digit = u32::from(byte - b'0') * (1 + place as u32 % 2);
                digit / 10 + digit % 10
            })
            .sum();
        sum.is_multiple_of(10)
    }

    #[test]
    fn the_oracle_knows_published_test_numbers() {
        assert!(passes_luhn("4111111111111111"));
        assert!(passes_luhn("5555555555554444"));
        assert!(!passes_luhn("4111111111111112"));
    }

    proptest! {
        #[test]
        fn card_numbers_pass_luhn_and_do_not_collide(a in any::<u32>(), b in any::<u32>(), g in 0u32..20, h in 0u32..20) {
            let number = card_number(a, g);
            prop_assert_eq!(number.len(), 16);
            prop_assert!(number.starts_with("9999"));
            prop_assert!(passes_luhn(&number), "{}", number);
            prop_assert_eq!((a, g) == (b, h), number == card_number(b, h));
        }
    }

    #[test]
    fn a_stolen_card_is_replaced() {
        let mut card = Card::first();
        card.steal(10, 20, 30);
        #[rustfmt::skip]
        let cases = [
            (9, Some(0), Some(0)),
            (10, None, Some(0)),
            (19, None, Some(0)),
            (20, None, None),
            (29, None, None),
            (30, Some(1), Some(1)),
        ];
        for (time, owner, shop) in cases {
            assert_eq!(
                (card.in_owners_hand(time), card.accepted(time)),
                (owner, shop),
                "at {time}"
            );
        }
        assert!(!card.is_sound(29) && card.is_sound(30));
        card.steal(40, 50, 60);
        assert_eq!((card.accepted(35), card.accepted(60)), (Some(1), Some(2)));
    }
}
