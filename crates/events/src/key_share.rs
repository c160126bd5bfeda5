//! A share of an entity's keys, for what applies to some entities only.

use crate::key::write_key;
use crate::value::{Slot, Value};
use sha2::{Digest, Sha256};
use std::ops::Range;

/// A share of the keys of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyShare {
    /// The entity's name.
    pub entity: String,
    /// The slot of its key.
    pub slot: Slot,
    /// The places of the keys, a range within 0 to 1; see [`place_of_key`].
    pub places: Range<f64>,
}

impl KeyShare {
    /// Whether the key of a row is among them. A row without a key is not. `key` is a buffer.
    pub fn contains(&self, row: &[Value], key: &mut String) -> bool {
        let key = write_key(&row[self.slot], key);
        key.is_some_and(|key| self.places.contains(&place_of_key(&self.entity, key)))
    }
}

/// The place of a key among all keys of its entity, from 0 to below 1: the first 8 bytes of SHA-256 over the entity's name, a
/// zero byte and the key, read as a big-endian number, divided by 2^64. It depends on nothing else: a customer whom a
/// challenger takes at a share of 5 % stays with it at 10 %.
pub fn place_of_key(entity: &str, key: &str) -> f64 {
    let digest = Sha256::new()
        .chain_update(entity)
        .chain_update([0])
        .chain_update(key)
        .finalize();
    let first = digest.first_chunk().expect("SHA-256 has 32 bytes");
    // The highest 53 bits are exact as a float: the quotient is below 1.
    (u64::from_be_bytes(*first) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spread_evenly_and_stay_where_they_are() {
        // python3: int.from_bytes(hashlib.sha256(b"customer\0" + b"4711").digest()[:8], "big") / 2**64
        assert!((place_of_key("customer", "4711") - 0.21894943667041952).abs() < 1e-15);
        let mut counts = [0; 10];
        for key in 0..100_000 {
            counts[(place_of_key("customer", &key.to_string()) * 10.0) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
        assert_ne!(place_of_key("card", "4711"), place_of_key("customer", "4711"));
    }
}
