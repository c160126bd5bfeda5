//! Pseudonyms for personal data. They are keyed hashes: without the secret, card numbers cannot be found by trying them out.

use compact_str::CompactString;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Makes pseudonyms: the first 16 bytes of HMAC-SHA256 under a secret, in hexadecimal. The same value has the same pseudonym
/// under the same secret, so counts, joins and lists work with pseudonyms.
#[derive(Clone)]
pub struct Pseudonymizer {
    keyed: Hmac<Sha256>,
}

impl Pseudonymizer {
    /// A pseudonymizer with a secret of any length; 32 random bytes are recommended.
    pub fn new(secret: &[u8]) -> Self {
        Pseudonymizer {
            keyed: Hmac::new_from_slice(secret).expect("HMAC takes keys of any length"),
        }
    }

    /// The pseudonym of `clear`: 32 hexadecimal digits.
    pub fn pseudonym(&self, clear: &[u8]) -> CompactString {
        CompactString::from_utf8_lossy(&hex32(&self.digest(clear)))
    }

    /// All of HMAC-SHA256 under the secret.
    pub(crate) fn digest(&self, clear: &[u8]) -> [u8; 32] {
        let mut keyed = self.keyed.clone();
        keyed.update(clear);
        keyed.finalize().into_bytes().into()
    }
}

/// Whether a text has the form of a pseudonym.
pub fn is_pseudonym(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

impl std::fmt::Debug for Pseudonymizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonymizer")
    }
}

/// The first 16 bytes of `digest` in hexadecimal digits.
pub(crate) fn hex32(digest: &[u8]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; 32];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(digest) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // RFC 4231, test cases 1, 2 and 6 (truncated to 16 bytes).
        for (secret, clear, expected) in [
            (vec![0x0b; 20], &b"Hi There"[..], "b0344c61d8db38535ca8afceaf0bf12b"),
            (
                b"Jefe".to_vec(),
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c7",
            ),
            (
                vec![0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f",
            ),
        ] {
            assert_eq!(Pseudonymizer::new(&secret).pseudonym(clear), expected);
            assert!(is_pseudonym(expected));
        }
    }

    #[test]
    fn debug_hides_the_secret() {
        assert_eq!(format!("{:?}", Pseudonymizer::new(b"secret")), "Pseudonymizer");
    }
}
