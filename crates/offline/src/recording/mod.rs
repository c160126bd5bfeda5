//! A recording: the records of topics in Parquet files, and a manifest that lists the complete files
//! (docs/adr/0030-recordings.md).
//!
//! ```text
//! DIR/manifest.json
//! DIR/TOPIC/PARTITION/BEGIN-END.parquet    all records of the partition at offsets from BEGIN to before END
//! ```
//!
//! A file counts once the manifest names it, with its offsets and its SHA-256. The manifest is replaced after each file.

mod error;
mod files;
mod manifest;
mod period;
mod read;
mod write;

pub use error::RecordingError;
pub use files::sha256;
pub use manifest::{File, Manifest, Model, Partition, Pipeline, RecordedTopic, Stage, TopicEpoch};
pub use period::Period;
pub use read::Records;
pub use write::{PartitionWriter, RecordingWriter};

/// A record, with all that its topic holds of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: i64,
    /// The log's timestamp in milliseconds since the epoch, if it has one.
    pub timestamp: Option<i64>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; a tombstone has none.
    pub value: Option<Vec<u8>>,
    /// Names and values of its headers, in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// Bytes of key, value and headers.
    pub fn size(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter().map(|(name, value)| name.len() + length(value));
        length(&self.key) + length(&self.value) + headers.sum::<usize>()
    }

    /// The value of the last header with this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut headers = self.headers.iter().rev();
        let (_, value) = headers.find(|(header, _)| header == name)?;
        value.as_deref()
    }
}
