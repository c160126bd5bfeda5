//! Decimal numbers, exactly: digits and a power of ten, as texts, JSON and decimal columns have them.

use compact_str::{CompactString, ToCompactString};

/// Exponents beyond this are out of every range. It keeps sums of exponents and lengths within 64 bits.
const MAX_EXPONENT: i64 = 1_000_000_000;

/// Digits of the largest number that becomes a text: more than any decimal type has.
const MAX_TEXT_DIGITS: i64 = 400;

/// A decimal number: its digits times a power of ten.
#[derive(Clone, Copy, Debug)]
pub struct Decimal<'a> {
    negative: bool,
    /// The digits before and after the point, without the number's leading and trailing zeros.
    whole: &'a [u8],
    fraction: &'a [u8],
    /// The number is `whole.fraction` times ten to this power.
    exponent: i64,
}

/// Why a decimal is not an integer of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAnInteger {
    /// It has digits after the point.
    Fraction,
    /// It is too large.
    OutOfRange,
}

impl<'a> Decimal<'a> {
    /// Reads `12`, `-1.50`, `.5`, `5.` or `1e-3`. `None` for anything else.
    pub fn parse(text: &'a str) -> Option<Decimal<'a>> {
        let (negative, rest) = sign(text.as_bytes());
        let (whole, rest) = digits(rest);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => digits(rest),
            rest => (&[][..], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return None,
        };
        Some(Decimal::stripped(negative, whole, fraction, exponent))
    }

    /// The number with these decimal digits, divided by 10^`scale`. `None` if a byte is no digit.
    pub fn scaled(negative: bool, digits: &'a [u8], scale: i64) -> Option<Decimal<'a>> {
        let exponent = scale.checked_neg()?.clamp(-MAX_EXPONENT, MAX_EXPONENT);
        let is_number = digits.iter().all(u8::is_ascii_digit);
        is_number.then(|| Decimal::stripped(negative, digits, &[], exponent))
    }

    fn stripped(negative: bool, mut whole: &'a [u8], mut fraction: &'a [u8], mut exponent: i64) -> Decimal<'a> {
        whole = &whole[leading_zeros(whole)..];
        fraction = &fraction[..fraction.len() - trailing_zeros(fraction)];
        if whole.is_empty() {
            let zeros = leading_zeros(fraction);
            fraction = &fraction[zeros..];
            exponent -= zeros as i64;
        }
        if fraction.is_empty() {
            let zeros = trailing_zeros(whole);
            whole = &whole[..whole.len() - zeros];
            exponent += zeros as i64;
        }
        Decimal {
            negative,
            whole,
            fraction,
            exponent,
        }
    }

    fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }

    /// How many digits follow the point; negative if so many zeros precede it.
    fn scale(&self) -> i64 {
        self.fraction.len() as i64 - self.exponent
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole.iter().chain(self.fraction).copied()
    }

    /// The number as an integer.
    pub fn to_int(self) -> Result<i64, NotAnInteger> {
        if self.is_zero() {
            return Ok(0);
        }
        if self.scale() > 0 {
            return Err(NotAnInteger::Fraction);
        }
        self.signed(self.digits(), -self.scale())
    }

    /// The integer nearest to the number times 10^`power`; halves are rounded away from zero.
    pub fn rounded(self, power: i64) -> Option<i64> {
        let dropped = self.scale() - power;
        if self.is_zero() || dropped <= 0 {
            return self.signed(self.digits(), -dropped).ok();
        }
        let count = (self.whole.len() + self.fraction.len()) as i64;
        if dropped > count {
            return Some(0);
        }
        let kept = (count - dropped) as usize;
        let whole = self.signed(self.digits().take(kept), 0).ok()?;
        let is_up = self.digits().nth(kept).is_some_and(|digit| digit >= b'5');
        match (is_up, self.negative) {
            (false, _) => Some(whole),
            (true, false) => whole.checked_add(1),
            (true, true) => whole.checked_sub(1),
        }
    }

    /// The integer of these digits and so many zeros.
    fn signed(&self, digits: impl Iterator<Item = u8>, zeros: i64) -> Result<i64, NotAnInteger> {
        // Summed up as a negative number: there is one more of those.
        let mut sum = 0_i64;
        for digit in digits {
            let next = sum
                .checked_mul(10)
                .and_then(|sum| sum.checked_sub(i64::from(digit - b'0')));
            sum = next.ok_or(NotAnInteger::OutOfRange)?;
        }
        if sum != 0 {
            let power = u32::try_from(zeros).ok().and_then(|zeros| 10_i64.checked_pow(zeros));
            sum = power
                .and_then(|power| sum.checked_mul(power))
                .ok_or(NotAnInteger::OutOfRange)?;
        }
        match self.negative {
            true => Ok(sum),
            false => sum.checked_neg().ok_or(NotAnInteger::OutOfRange),
        }
    }

    /// The digits of a whole number, however large.
    pub fn to_text(self) -> Result<CompactString, NotAnInteger> {
        if self.is_zero() {
            return Ok(CompactString::const_new("0"));
        }
        let zeros = -self.scale();
        if zeros < 0 {
            return Err(NotAnInteger::Fraction);
        }
        let count = (self.whole.len() + self.fraction.len()) as i64;
        if count + zeros > MAX_TEXT_DIGITS {
            return Err(NotAnInteger::OutOfRange);
        }
        let mut text = CompactString::with_capacity((count + zeros) as usize + 1);
        if self.negative {
            text.push('-');
        }
        text.extend(self.digits().map(char::from));
        text.extend(std::iter::repeat_n('0', zeros as usize));
        Ok(text)
    }

    /// The nearest float; infinite if there is none.
    pub fn to_float(self) -> f64 {
        let digits = self.digits().map(char::from);
        let mut text: CompactString = if self.negative { "-0" } else { "0" }.into();
        text.extend(digits);
        text.push('e');
        text.push_str(&(-self.scale()).to_compact_string());
        text.parse().expect("digits and an exponent are a number")
    }
}

/// The float nearest to `unscaled` / 10^`scale`.
pub fn nearest_float(unscaled: i128, scale: i64) -> f64 {
    // Both are exact as floats up to these bounds, so the one division rounds correctly.
    const EXACT_INTEGER: u128 = 1 << 53;
    const POWERS: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ];
    if unscaled.unsigned_abs() <= EXACT_INTEGER
        && let Some(power) = usize::try_from(scale).ok().and_then(|scale| POWERS.get(scale))
    {
        return unscaled as f64 / power;
    }
    let digits = unscaled.unsigned_abs().to_compact_string();
    let decimal = Decimal::scaled(unscaled < 0, digits.as_bytes(), scale);
    decimal.expect("an integer has digits").to_float()
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

fn leading_zeros(digits: &[u8]) -> usize {
    digits.iter().take_while(|digit| **digit == b'0').count()
}

fn trailing_zeros(digits: &[u8]) -> usize {
    digits.iter().rev().take_while(|digit| **digit == b'0').count()
}

/// An exponent, cut to what is out of every range.
fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, rest) = sign(text);
    let (digits, rest) = digits(rest);
    if digits.is_empty() || !rest.is_empty() {
        return None;
    }
    let add = |sum: i64, digit: &u8| (sum * 10 + i64::from(digit - b'0')).min(MAX_EXPONENT);
    let size = digits.iter().fold(0, add);
    Some(if negative { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::NotAnInteger::{Fraction, OutOfRange};
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Decimal<'_> {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn as_integers() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("-0.0", Ok(0)),
            ("0e999999999999999999999", Ok(0)),
            ("42", Ok(42)),
            ("+42.", Ok(42)),
            ("-42.000", Ok(-42)),
            ("0042", Ok(42)),
            ("4.2e1", Ok(42)),
            ("420e-1", Ok(42)),
            ("0.0042e4", Ok(42)),
            (".5", Err(Fraction)),
            ("42.5", Err(Fraction)),
            ("1e-400000", Err(Fraction)),
            ("9007199254740993.0", Ok(9_007_199_254_740_993)),
            ("9223372036854775807.0", Ok(i64::MAX)),
            ("-9223372036854775808.00", Ok(i64::MIN)),
            ("9223372036854775808", Err(OutOfRange)),
            ("-9223372036854775809", Err(OutOfRange)),
            ("1e19", Err(OutOfRange)),
            ("1e99999999999999999999", Err(OutOfRange)),
        ] {
            assert_eq!(parse(text).to_int(), expected, "{text}");
        }
    }

    #[test]
    fn as_texts() {
        let long = "9".repeat(76);
        for (text, expected) in [
            ("1", Ok("1")),
            ("-0", Ok("0")),
            ("42.0", Ok("42")),
            ("1e3", Ok("1000")),
            ("18446744073709551616", Ok("18446744073709551616")),
            ("-100000000000000000000", Ok("-100000000000000000000")),
            (&long, Ok(long.as_str())),
            ("12.5", Err(Fraction)),
            ("1e400", Err(OutOfRange)),
        ] {
            assert_eq!(parse(text).to_text().as_deref(), expected.as_ref().copied(), "{text}");
        }
    }

    #[test]
    fn rounded_to_a_power_of_ten() {
        for (text, power, expected) in [
            ("1526601600.25", 6, Some(1_526_601_600_250_000)),
            ("1526601600000.5", 3, Some(1_526_601_600_000_500)),
            ("0.0000014", 6, Some(1)),
            ("0.0000015", 6, Some(2)),
            ("-0.0000015", 6, Some(-2)),
            ("0.00000004", 6, Some(0)),
            ("1999.5", -3, Some(2)),
            ("7", -3, Some(0)),
            ("500", -3, Some(1)),
            ("1e30", 3, None),
            ("0", -30, Some(0)),
        ] {
            assert_eq!(parse(text).rounded(power), expected, "{text} times 10^{power}");
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in [
            "", "-", ".", "e5", "1e", "1e+", "1e5.", "1 ", " 1", "1,5", "0x10", "1_000", "inf", "NaN", "١",
        ] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
        assert!(Decimal::scaled(false, b"1a", 0).is_none());
    }

    proptest! {
        #[test]
        fn floats_are_the_nearest(number: i128, shift in 0_u32..127, scale in -50_i64..400) {
            let number = number >> shift;
            // The standard library's parser rounds correctly whatever the length.
            let expected: f64 = format!("{number}e{}", -scale).parse().unwrap();
            // An integer has one zero.
            let expected = if number == 0 { 0.0 } else { expected };
            prop_assert_eq!(nearest_float(number, scale).to_bits(), expected.to_bits());
        }

        #[test]
        fn short_floats_are_the_nearest(number in -10_000_000_000_i128..10_000_000_000, scale in 0_i64..8) {
            let expected: f64 = format!("{number}e{}", -scale).parse().unwrap();
            prop_assert_eq!(nearest_float(number, scale).to_bits(), expected.to_bits());
        }

        #[test]
        fn any_numeral_is_the_integer_that_its_digits_say(number: i64, zeros in 0_usize..5, shift in 0_usize..5) {
            let (sign, digits) = (if number < 0 { "-" } else { "" }, number.unsigned_abs().to_string());
            let text = format!("{sign}{digits}{}e-{shift}", "0".repeat(shift));
            prop_assert_eq!(parse(&text).to_int(), Ok(number));
            let text = format!("{sign}{digits}.{}", "0".repeat(zeros));
            prop_assert_eq!(parse(&text).to_int(), Ok(number));
            prop_assert_eq!(parse(&text).to_text().unwrap(), number.to_string());
        }

        #[test]
        fn any_text_is_a_number_where_the_standard_library_says_so(text in "[+-]?[0-9]{0,4}[.]?[0-9]{0,4}([eE][+-]?[0-9]{0,3})?") {
            prop_assert_eq!(Decimal::parse(&text).map(Decimal::to_float), text.parse::<f64>().ok());
        }
    }
}
