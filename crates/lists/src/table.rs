//! The entries of a list in memory, found by their key. Keys themselves are not kept: the first 16 bytes of their SHA-256
//! stand for them, which nobody can make equal for two keys.

use crate::entry::EntryRef;
use crate::record::EntryChange;
use crate::shard::{Digest, Shard, ShardChange};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Bits of a digest that choose its shard.
const SHARD_BITS: u32 = 12;

/// The entries of a list at one time. Immutable; cloning is cheap. A table that was made from another one shares the shards
/// in which nothing changed.
#[derive(Clone, Debug)]
pub struct Table {
    shards: Arc<[Arc<Shard>]>,
    len: usize,
}

impl Default for Table {
    fn default() -> Self {
        let empty = Arc::new(Shard::default());
        Table {
            shards: vec![empty; 1 << SHARD_BITS].into(),
            len: 0,
        }
    }
}

impl Table {
    /// The entry of a key.
    #[inline]
    pub fn get(&self, key: &str) -> Option<EntryRef<'_>> {
        let digest = digest(key);
        self.shards[shard_of(digest)].get(digest, place_in_shard(digest))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes in memory, shared ones too.
    pub fn memory(&self) -> usize {
        let pointers = self.shards.len() * size_of::<Arc<Shard>>();
        pointers + self.shards.iter().map(|shard| shard.memory()).sum::<usize>()
    }

    /// This table after these changes, in their order.
    pub fn with<'c>(&self, changes: impl IntoIterator<Item = &'c EntryChange>) -> Table {
        let mut changes: Vec<ShardChange<'c>> = changes
            .into_iter()
            .map(|change| (digest(&change.key), change.entry.as_ref().map(|entry| entry.as_ref())))
            .collect();
        if changes.is_empty() {
            return self.clone();
        }
        // Stable: of two changes of one key the later stays behind.
        changes.sort_by_key(|(digest, _)| *digest);
        let mut shards = self.shards.to_vec();
        let mut len = self.len;
        for of_shard in changes.chunk_by(|a, b| shard_of(a.0) == shard_of(b.0)) {
            let shard = &mut shards[shard_of(of_shard[0].0)];
            let changed = shard.with(of_shard);
            len = len - shard.len() + changed.len();
            *shard = Arc::new(changed);
        }
        Table {
            shards: shards.into(),
            len,
        }
    }
}

fn digest(key: &str) -> Digest {
    let digest = Sha256::digest(key);
    let first = digest.first_chunk().expect("SHA-256 has 32 bytes");
    Digest::from_be_bytes(*first)
}

#[inline]
fn shard_of(digest: Digest) -> usize {
    (digest >> (Digest::BITS - SHARD_BITS)) as usize
}

/// The bits that follow those that choose the shard.
#[inline]
fn place_in_shard(digest: Digest) -> u64 {
    ((digest << SHARD_BITS) >> 64) as u64
}
