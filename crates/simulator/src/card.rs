//! Fake card numbers that pass the Luhn check, and the states of a customer's card.

/// The number of account numbers, which have eleven digits.
const ACCOUNTS: u64 = 100_000_000_000;
/// The number of card numbers for each customer; later cards reuse them. There are enough for all `u32` customers.
const CARDS_PER_CUSTOMER: u64 = 20;

/// The 16-digit number of a customer's n-th card.
///
/// It begins with 9999: ISO/IEC 7812 leaves the leading 9 to national bodies and no card scheme issues it.
pub(crate) fn card_number(customer: u32, generation: u32) -> String {
    let account = u64::from(customer) * CARDS_PER_CUSTOMER + u64::from(generation) % CARDS_PER_CUSTOMER;
    // A multiplier coprime to ten permutes the account numbers: they are distinct, and those of neighbours look
    // unrelated.
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

/// The card of a customer: it can be lost, is blocked some time later, and replaced some days after that. Times are
/// microseconds since 1970-01-01T00:00:00Z; `i64::MAX` means never.
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

    /// The generation of the card with which its owner can pay at `time`, if any.
    pub(crate) fn held_by_owner(&self, time: i64) -> Option<u32> {
        self.generation_at(time, self.lost)
    }

    /// The generation of the card that terminals accept at `time`, from its owner or a thief, if any.
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

    /// Whether the card can be stolen at `time`: it is neither lost nor blocked.
    pub(crate) fn can_be_stolen(&self, time: i64) -> bool {
        self.lost == i64::MAX || self.replaced <= time
    }

    /// Records a theft: the owner cannot pay from `lost` on, the bank blocks the card at `blocked`, and its
    /// replacement is valid from `replaced` on. Requires [`Card::can_be_stolen`].
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
                (card.held_by_owner(time), card.accepted(time)),
                (owner, shop),
                "at {time}"
            );
        }
        assert!(!card.can_be_stolen(29) && card.can_be_stolen(30));
        card.steal(40, 50, 60);
        assert_eq!((card.accepted(35), card.accepted(60)), (Some(1), Some(2)));
    }
}
