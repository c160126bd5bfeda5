//! UUIDs as text.

use crate::pseudonym::hex32;

/// The usual notation of a UUID: 8-4-4-4-12 hexadecimal digits.
pub fn uuid_text<'t>(bytes: &[u8; 16], text: &'t mut [u8; 36]) -> &'t str {
    let hex = hex32(bytes);
    let mut from = 0;
    for (index, char) in text.iter_mut().enumerate() {
        if matches!(index, 8 | 13 | 18 | 23) {
            *char = b'-';
        } else {
            *char = hex[from];
            from += 1;
        }
    }
    std::str::from_utf8(text).expect("digits are ASCII")
}
