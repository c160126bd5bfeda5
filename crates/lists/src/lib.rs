//! Lists that change while the pipeline runs: blocked cards, trusted merchants. What an entry's record says, the entries in
//! memory, and which version of each list is in force. Depends on `riskstream-events` (times, pseudonyms), on `serde_json`
//! (records) and on `sha2` (digests of keys). Knows no Kafka, no files and no clock.
//!
//! A list is a compacted topic of one partition. A **version** of it holds what the records before an offset say. Versions
//! are immutable and share what is equal: [`Table`] consists of shards, and a new version copies those that change.

#![forbid(unsafe_code)]

mod entry;
mod history;
mod offsets;
mod record;
mod shard;
mod table;
mod version;

pub use entry::{Entry, EntryRef};
pub use history::History;
pub use offsets::{Offsets, OffsetsError};
pub use record::{EntryChange, Keys, MAX_TEXT, Unusable, read_change, write_entry};
pub use table::Table;
pub use version::{ListSet, ListVersion};
