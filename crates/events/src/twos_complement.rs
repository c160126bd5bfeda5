//! The integers of Avro's decimals: big-endian two's complement.

/// The integer in `bytes`, or none if it has more than 128 bits or there are no bytes.
pub fn integer(bytes: &[u8]) -> Option<i128> {
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

    proptest! {
        #[test]
        fn any_integer_survives(number: i128, sign_bytes in 0_usize..20) {
            let mut bytes = vec![if number < 0 { 0xff } else { 0 }; sign_bytes];
            bytes.extend_from_slice(&number.to_be_bytes());
            prop_assert_eq!(integer(&bytes), Some(number));
        }
    }
}
