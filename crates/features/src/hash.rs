//! Hashes that never change: ids are kept in state as hashes, and nothing may depend on a process's seed.

use std::hash::{BuildHasherDefault, Hasher};

const A: u64 = 0x9e37_79b9_7f4a_7c15;
const B: u64 = 0xd1b5_4a32_d192_ed03;
const C: u64 = 0x8cb9_2ba7_2f3d_8dd7;

/// High and low half of the 128-bit product, folded: every input bit reaches every output bit.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// A 64-bit hash of bytes. Part of the state format.
#[inline]
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut state = C ^ bytes.len() as u64;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        state = fold(state ^ word, A).rotate_left(29) ^ B;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        state = fold(state ^ u64::from_le_bytes(last), A).rotate_left(29) ^ B;
    }
    fold(state, C) ^ state
}

/// Builds [`FixedHasher`]s.
pub(crate) type FixedState = BuildHasherDefault<FixedHasher>;

/// A fast hasher with a fixed seed, for maps whose order of iteration nothing depends on.
#[derive(Default)]
pub(crate) struct FixedHasher(u64);

impl Hasher for FixedHasher {
    #[inline]
    fn finish(&self) -> u64 {
        fold(self.0, C)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.write_u64(hash_bytes(bytes));
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = fold(self.0 ^ number, A).rotate_left(29) ^ B;
    }

    #[inline]
    fn write_i64(&mut self, number: i64) {
        self.write_u64(number as u64);
    }

    #[inline]
    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::hash_bytes;
    use std::collections::HashSet;

    #[test]
    fn similar_ids_have_different_hashes() {
        let mut seen = HashSet::new();
        for number in 0..200_000u32 {
            assert!(seen.insert(hash_bytes(number.to_string().as_bytes())));
            assert!(seen.insert(hash_bytes(format!("tx-2018-08-{number:012}").as_bytes())));
        }
    }

    #[test]
    fn trailing_zeros_count() {
        assert_ne!(hash_bytes(b"a"), hash_bytes(b"a\0"));
        assert_ne!(hash_bytes(b""), hash_bytes(b"\0"));
    }

    /// State on disk holds these.
    #[test]
    fn the_hash_never_changes() {
        assert_eq!(hash_bytes(b""), 4_650_203_465_737_188_961);
        assert_eq!(hash_bytes(b"tx-0000000001"), 935_998_158_899_694_852);
    }
}
