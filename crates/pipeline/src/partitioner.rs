//! Which partition a key belongs to: the same as Kafka's Java clients choose by default, so that other
//! programs can write to or join with our topics.

use riskstream_engine::{Engine, Event};

/// The partition of the topic in front of `stage` that an event goes to: by the stage's key, or by the event's id if it has
/// none. `buffer` is for the key's text.
pub fn stage_partition(engine: &Engine, stage: usize, event: &Event, partitions: i32, buffer: &mut String) -> i32 {
    let key = engine.key(stage, event, buffer).unwrap_or(event.id());
    partition(key.as_bytes(), partitions)
}

/// The partition of `key` among `partitions`: murmur2, made positive, modulo (Kafka's `DefaultPartitioner`).
pub fn partition(key: &[u8], partitions: i32) -> i32 {
    assert!(partitions > 0, "a topic has at least one partition");
    ((murmur2(key) & 0x7fff_ffff) % partitions as u32) as i32
}

/// Murmur2 with Kafka's seed (org.apache.kafka.common.utils.Utils.murmur2).
pub fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes(word.try_into().expect("four bytes")).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::murmur2;

    /// The values of Kafka's own UtilsTest.testMurmur2.
    #[test]
    fn murmur2_equals_kafkas() {
        let cases: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in cases {
            assert_eq!(murmur2(key) as i32, hash, "{key:?}");
        }
    }
}
