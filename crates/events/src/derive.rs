//! Derived fields of a personal text, computed before the text becomes a pseudonym.

use crate::value::{Slot, Value, ValueType};
use compact_str::CompactString;

/// With fewer characters than this, a part of a text would be most of it.
const LEAST_FOR_PARTS: usize = 12;
/// Payment cards with fewer digits have issuer identification numbers of six (ISO/IEC 7812).
const LEAST_FOR_EIGHT: usize = 16;

/// A field that is derived from a personal one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DerivedField {
    /// The slot of the personal field.
    pub from: Slot,
    /// The slot of this field.
    pub to: Slot,
    /// What it holds.
    pub derivation: Derivation,
}

/// A derivation of a personal text. Blanks and hyphens do not count: `4929 1234-…` is the same as without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derivation {
    /// The first six characters; null for a text of fewer than twelve.
    Bin,
    /// The first eight characters; null for a text of fewer than sixteen.
    Bin8,
    /// The last four characters; null for a text of fewer than twelve.
    LastFour,
    /// Whether the text is digits of which the last is right by the Luhn formula (ISO/IEC 7812-1, annex B).
    Luhn,
    /// The number of characters.
    Length,
}

impl Derivation {
    /// The type of its values.
    pub fn value_type(self) -> ValueType {
        match self {
            Derivation::Bin | Derivation::Bin8 | Derivation::LastFour => ValueType::Text,
            Derivation::Luhn => ValueType::Bool,
            Derivation::Length => ValueType::Int,
        }
    }

    /// What is derived from a text; null from null.
    pub(crate) fn of(self, clear: &Value) -> Value {
        let Value::Text(clear) = clear else { return Value::Null };
        let characters: Vec<char> = clear.chars().filter(|c| !is_filler(*c)).collect();
        let length = characters.len();
        let part = |part: &[char]| Value::Text(part.iter().collect::<CompactString>());
        match self {
            Derivation::Bin if length >= LEAST_FOR_PARTS => part(&characters[..6]),
            Derivation::Bin8 if length >= LEAST_FOR_EIGHT => part(&characters[..8]),
            Derivation::LastFour if length >= LEAST_FOR_PARTS => part(&characters[length - 4..]),
            Derivation::Bin | Derivation::Bin8 | Derivation::LastFour => Value::Null,
            Derivation::Luhn => Value::Bool(has_check_digit(clear)),
            Derivation::Length => Value::Int(length as i64),
        }
    }
}

/// The Luhn formula: every second digit from the right is doubled, and the sum of all digits is a multiple of ten. Blanks and
/// hyphens do not count; a text with other characters, or with fewer than two digits, has no check digit.
pub fn has_check_digit(text: &str) -> bool {
    let digits = text.chars().rev().filter(|c| !is_filler(*c)).map(|c| c.to_digit(10));
    let mut sum = 0;
    let mut count: u32 = 0;
    for digit in digits {
        let Some(digit) = digit else { return false };
        sum += match count % 2 {
            0 => digit,
            _ => digit * 2 / 10 + digit * 2 % 10,
        };
        count += 1;
    }
    count > 1 && sum % 10 == 0
}

fn is_filler(character: char) -> bool {
    character.is_whitespace() || character == '-'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(derivation: Derivation, clear: &str) -> Value {
        derivation.of(&Value::Text(clear.into()))
    }

    #[test]
    fn parts_of_a_card_number() {
        let text = |text: &str| Value::Text(text.into());
        for number in [
            "4929123456781236",
            "4929 1234 5678 1236",
            "4929-1234-5678-1236",
            " 4929123456781236",
        ] {
            assert_eq!(derived(Derivation::Bin, number), text("492912"), "{number}");
            assert_eq!(derived(Derivation::Bin8, number), text("49291234"), "{number}");
            assert_eq!(derived(Derivation::LastFour, number), text("1236"), "{number}");
            assert_eq!(derived(Derivation::Length, number), Value::Int(16), "{number}");
        }
        assert_eq!(Derivation::Bin.of(&Value::Null), Value::Null);
    }

    #[test]
    fn short_texts_have_no_parts() {
        for short in ["", "1", "49291234567"] {
            for part in [Derivation::Bin, Derivation::Bin8, Derivation::LastFour] {
                assert_eq!(derived(part, short), Value::Null, "{short}");
            }
        }
        assert_eq!(
            derived(Derivation::Bin8, "378282246310005"),
            Value::Null,
            "fifteen digits"
        );
        assert_eq!(
            derived(Derivation::LastFour, "é12345678901"),
            Value::Text("8901".into())
        );
    }

    #[test]
    fn check_digits() {
        // Published test numbers of Visa, Mastercard, American Express, Diners Club and Maestro, and ISO/IEC 7812's example.
        for right in [
            "4111111111111111",
            "5555555555554444",
            "378282246310005",
            "30569309025904",
            "6759649826438453",
            "17893729974",
        ] {
            assert_eq!(derived(Derivation::Luhn, right), Value::Bool(true), "{right}");
            // The formula finds each single wrong digit.
            for at in 0..right.len() {
                let digit = right.as_bytes()[at] - b'0';
                let wrong = format!("{}{}{}", &right[..at], (digit + 1) % 10, &right[at + 1..]);
                assert_eq!(derived(Derivation::Luhn, &wrong), Value::Bool(false), "{wrong}");
            }
        }
        for none in ["", "0", "4111x11111111111", "٤١١١١١١١١١١١١١١١"] {
            assert_eq!(derived(Derivation::Luhn, none), Value::Bool(false), "{none}");
        }
    }
}
