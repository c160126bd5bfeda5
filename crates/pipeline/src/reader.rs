//! From an input record's bytes to an admitted event.

use crate::log::RecordRef;
use crate::task::{TaskContext, TaskError};
use riskstream_engine::Event;
use riskstream_events::{DecodeError, Flags, InputDecoder, ReasonCode, Rejection};

/// What became of a record.
pub enum Read {
    /// An event.
    Event(Event),
    /// Something for the dead letters.
    Rejected(Rejection),
    /// Nothing yet: the schema registry cannot be asked. The record is to be read again later.
    Unavailable(String),
}

const NO_KEY: &str = "the record has no key, but the pipeline file's `key:` says that the topic is keyed by the first \
                      entity; without `key:` every record is written to its entity's partition";

/// Reads one partition of an input topic.
pub struct InputReader {
    input: u8,
    decoder: InputDecoder,
    needs_key: bool,
    watermark: i64,
}

impl InputReader {
    /// A reader of the input with this index in the plan.
    pub fn new(input: u8, decoder: InputDecoder) -> InputReader {
        InputReader {
            input,
            decoder,
            needs_key: false,
            watermark: i64::MIN,
        }
    }

    /// The same for a topic whose partitions are those of the state: a record without a key may lie in any of them, and
    /// its entity's state in another.
    pub fn of_keyed_topic(input: u8, decoder: InputDecoder) -> InputReader {
        InputReader {
            needs_key: true,
            ..InputReader::new(input, decoder)
        }
    }

    /// The largest event time read.
    pub fn watermark(&self) -> i64 {
        self.watermark
    }

    /// Goes back to an earlier watermark: after an abort, or to that of a state just opened.
    pub fn set_watermark(&mut self, watermark: i64) {
        self.watermark = watermark;
    }

    /// Decodes and admits a record.
    pub fn read(&mut self, record: RecordRef<'_>, context: &mut TaskContext<'_>) -> Result<Read, TaskError> {
        let mut row = context.row();
        let decoded = match record.value {
            None => Err(Rejection::new(ReasonCode::Tombstone, "the record has no value").into()),
            Some(bytes) => self.decoder.decode(bytes, &mut row),
        };
        let rejection = match decoded {
            Ok(()) if self.needs_key && record.key.is_none() => Rejection::new(ReasonCode::MissingKey, NO_KEY),
            Ok(()) => match context.engine.admit(self.input, record.timestamp, &mut row) {
                Ok(()) => {
                    let mut event = Event {
                        input: self.input,
                        watermark: 0,
                        flags: Flags::default(),
                        row,
                    };
                    self.watermark = self.watermark.max(event.event_time());
                    event.watermark = self.watermark;
                    return Ok(Read::Event(event));
                }
                Err(rejection) => rejection,
            },
            Err(DecodeError::Unavailable(why)) => {
                context.recycle(row);
                return Ok(Read::Unavailable(why));
            }
            Err(DecodeError::Rejected(rejection)) => rejection,
        };
        context.recycle(row);
        Ok(Read::Rejected(rejection))
    }
}
