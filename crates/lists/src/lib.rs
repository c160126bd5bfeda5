//! Lists that change while the pipeline runs: blocked cards, trusted merchants. What an entry's record says, the entries in
//! memory, and which version of each list is in force. And reference tables: rows of typed values, found by a value, a range
//! of numbers or an IP network ([`RowTable`]). Depends on `riskstream-events` (times, pseudonyms), on `serde_json`
//! (records) and on `sha2` (digests of keys). Knows no Kafka, no files and no clock.
//!
//! A list is a compacted topic of one partition. A **version** of it holds what the records before an offset say. Versions
//! are immutable and share what is equal: [`Table`] consists of shards, and a new version copies those that change.

#![forbid(unsafe_code)]

mod columns;
mod content;
mod entry;
mod history;
mod offsets;
mod record;
mod row_index;
mod row_key;
mod row_record;
mod row_table;
mod row_values;
mod shard;
mod table;
mod version;

pub use columns::{Columns, MAX_COLUMNS};
pub use content::{Change, Content, Records};
pub use entry::{Entry, EntryField, EntryRef};
pub use history::History;
pub use offsets::{Offsets, OffsetsError};
pub use record::{EntryChange, Keys, MAX_TEXT, Unusable, read_change, write_entry};
pub use row_key::{RowKey, RowKeyError, RowKeys, exact_key, network_key, overlapping, range_key, repeated};
pub use row_table::{Found, RowChange, RowRef, RowTable};
pub use table::Table;
pub use version::{ListSet, ListVersion};
