//! Variable-length integers as in Avro and Protocol Buffers: seven bits a byte, least significant first, signed numbers in
//! zigzag encoding.

/// Appends an unsigned number.
pub fn write_unsigned(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a signed number.
pub fn write_signed(number: i64, out: &mut Vec<u8>) {
    write_unsigned(zigzag(number), out);
}

/// Maps numbers of small magnitude to small unsigned numbers.
pub fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Why bytes are not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VarintError {
    /// They end before the last byte of the number.
    Truncated,
    /// The number has more than 64 bits.
    TooLong,
}

/// Reads an unsigned number at `*at` and moves `*at` behind it.
#[inline]
pub fn read_unsigned(bytes: &[u8], at: &mut usize) -> Result<u64, VarintError> {
    let first = *bytes.get(*at).ok_or(VarintError::Truncated)?;
    if first < 0x80 {
        *at += 1;
        return Ok(u64::from(first));
    }
    read_long(bytes, at)
}

fn read_long(bytes: &[u8], at: &mut usize) -> Result<u64, VarintError> {
    let mut number = 0;
    for (index, &byte) in bytes[*at..].iter().enumerate().take(10) {
        // The tenth byte holds the 64th bit only.
        if index == 9 && byte > 1 {
            return Err(VarintError::TooLong);
        }
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *at += index + 1;
            return Ok(number);
        }
    }
    Err(VarintError::Truncated)
}

/// Reads a signed number at `*at` and moves `*at` behind it.
#[inline]
pub fn read_signed(bytes: &[u8], at: &mut usize) -> Result<i64, VarintError> {
    read_unsigned(bytes, at).map(unzigzag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn not_numbers() {
        for (bytes, expected) in [
            (&[][..], VarintError::Truncated),
            (&[0x80], VarintError::Truncated),
            (&[0xff; 9], VarintError::Truncated),
            (&[0xff; 10], VarintError::TooLong),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
                VarintError::TooLong,
            ),
        ] {
            let mut at = 0;
            assert_eq!(read_unsigned(bytes, &mut at), Err(expected), "{bytes:?}");
            assert_eq!(at, 0);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number: i64, unsigned: u64, shift in 0_u32..64) {
            let (number, unsigned) = (number >> shift, unsigned >> shift);
            let mut bytes = vec![7];
            write_signed(number, &mut bytes);
            write_unsigned(unsigned, &mut bytes);
            let mut at = 1;
            prop_assert_eq!(read_signed(&bytes, &mut at), Ok(number));
            prop_assert_eq!(read_unsigned(&bytes, &mut at), Ok(unsigned));
            prop_assert_eq!(at, bytes.len());
        }
    }
}
