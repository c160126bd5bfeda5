//! Avro's decimals: big-endian two's complement integers, divided by a power of ten.

use std::io::Write;

/// The integer in `bytes`, or none if it has more than 128 bits or there are no bytes.
pub(super) fn integer(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first()? & 0x80 != 0;
    let fill = if negative { 0xff } else { 0 };
    let mut number = [fill; 16];
    let significant = match bytes.len().checked_sub(16) {
        None => bytes,
        Some(excess) => {
            let (leading, significant) = bytes.split_at(excess);
            let kept_sign = significant[0] & 0x80 != 0;
            if kept_sign != negative || leading.iter().any(|&byte| byte != fill) {
                return None;
            }
            significant
        }
    };
    number[16 - significant.len()..].copy_from_slice(significant);
    Some(i128::from_be_bytes(number))
}

/// The float nearest to `integer` / 10^`scale`.
pub(super) fn to_float(integer: i128, scale: usize) -> f64 {
    // Both are exact as floats up to these bounds, so the one division rounds correctly.
    const EXACT_INTEGER: u128 = 1 << 53;
    const POWERS: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ];
    if integer.unsigned_abs() <= EXACT_INTEGER
        && let Some(power) = POWERS.get(scale)
    {
        return integer as f64 / power;
    }
    // 40 characters for the integer, 2 for `e-`, 20 for the scale.
    let mut text = [0; 64];
    let mut rest = &mut text[..];
    write!(rest, "{integer}e-{scale}").expect("it fits");
    let length = 64 - rest.len();
    let text = std::str::from_utf8(&text[..length]).expect("digits are ASCII");
    text.parse().expect("digits and an exponent are a number")
}

/// `integer` / 10^`scale` if that is an integer of 64 bits.
pub(super) fn to_int(integer: i128, scale: usize) -> Option<i64> {
    if integer == 0 {
        return Some(0);
    }
    let power = 10_i128.checked_pow(u32::try_from(scale).ok()?)?;
    if integer % power != 0 {
        return None;
    }
    i64::try_from(integer / power).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers() {
        for (bytes, expected) in [
            (&[][..], None),
            (&[0], Some(0)),
            (&[0x7f], Some(127)),
            (&[0x80], Some(-128)),
            (&[0x00, 0x80], Some(128)),
            (&[0xff, 0x80], Some(-128)),
            (&[0xff; 40], Some(-1)),
            (&[0; 40], Some(0)),
            (&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], None),
            (&[0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], None),
            (&[0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], None),
        ] {
            assert_eq!(integer(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn as_integers() {
        for (number, scale, expected) in [
            (0, usize::MAX, Some(0)),
            (1200, 2, Some(12)),
            (-1200, 2, Some(-12)),
            (1201, 2, None),
            (i128::MAX, 0, None),
            (1, 39, None),
            (1, usize::MAX, None),
        ] {
            assert_eq!(to_int(number, scale), expected, "{number} / 10^{scale}");
        }
    }

    proptest! {
        #[test]
        fn any_integer_survives(number: i128, sign_bytes in 0_usize..20) {
            let mut bytes = vec![if number < 0 { 0xff } else { 0 }; sign_bytes];
            bytes.extend_from_slice(&number.to_be_bytes());
            prop_assert_eq!(integer(&bytes), Some(number));
        }

        #[test]
        fn floats_are_the_nearest(number: i128, shift in 0_u32..127, scale in 0_usize..400) {
            let number = number >> shift;
            // The standard library's parser rounds correctly whatever the length.
            let expected: f64 = format!("{number}e-{scale}").parse().unwrap();
            prop_assert_eq!(to_float(number, scale).to_bits(), expected.to_bits());
        }

        #[test]
        fn short_floats_are_the_nearest(number in -10_000_000_000_i128..10_000_000_000, scale in 0_usize..8) {
            let expected: f64 = format!("{number}e-{scale}").parse().unwrap();
            prop_assert_eq!(to_float(number, scale).to_bits(), expected.to_bits());
        }
    }
}
