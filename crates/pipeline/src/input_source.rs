//! One partition of an input topic: bytes become admitted events, in the order of the topic.

use crate::context::TaskContext;
use crate::identity;
use crate::key_rule::KeyRule;
use crate::log::RecordRef;
use crate::progress::SourceProgress;
use crate::record_result::{RecordResult, Sequenced};
use riskstream_engine::plan::InputPlan;
use riskstream_engine::{Engine, Event};
use riskstream_events::header::header_text;
use riskstream_events::{DecodeError, Flags, InputDecoder, ReasonCode, Rejection, Row, Value};

const NO_KEY: &str = "the record has no key, but the pipeline file's `key:` says that the topic is keyed by the first \
                      entity; without `key:` every record is written to its entity's partition";

/// What becomes of a decoded row.
#[derive(Debug)]
pub enum Admitted {
    /// It is an event.
    Event(Event),
    /// The input's filter leaves it out.
    Filtered(Row),
    /// It cannot be used, for this reason.
    Rejected(Row, Rejection),
}

/// Makes events of the decoded rows of one source and keeps its watermark.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    input: u8,
    watermark: i64,
}

impl Admission {
    /// For a source of the input with this index in the plan, of which nothing was read yet.
    pub fn new(input: u8) -> Admission {
        Admission {
            input,
            watermark: i64::MIN,
        }
    }

    /// The largest event time read; `i64::MIN` at first.
    pub fn watermark(&self) -> i64 {
        self.watermark
    }

    /// What becomes of a decoded row. `written_at` is the log's timestamp in milliseconds, if there is one.
    pub fn admit(&mut self, engine: &Engine, written_at: Option<i64>, mut row: Row) -> Admitted {
        if !engine.takes(self.input, &row) {
            return Admitted::Filtered(row);
        }
        if engine.deletes(self.input, &row) {
            return self.admit_deletion(engine, written_at, row);
        }
        match engine.admit(self.input, written_at, &mut row) {
            Ok(()) => self.admitted(row),
            Err(rejection) => Admitted::Rejected(row, rejection),
        }
    }

    /// What becomes of a row of a table that deletes the one of its key.
    fn admit_deletion(&mut self, engine: &Engine, written_at: Option<i64>, mut row: Row) -> Admitted {
        match engine.admit_deletion(self.input, written_at, &mut row) {
            Ok(()) => self.admitted(row),
            Err(rejection) => Admitted::Rejected(row, rejection),
        }
    }

    fn admitted(&mut self, row: Row) -> Admitted {
        let mut event = Event {
            input: self.input,
            watermark: 0,
            flags: Flags::default(),
            row,
        };
        self.watermark = self.watermark.max(event.event_time());
        event.watermark = self.watermark;
        Admitted::Event(event)
    }
}

/// See the module.
pub struct InputSource {
    admission: Admission,
    decoder: InputDecoder,
    needs_key: bool,
    key_rule: Option<KeyRule>,
    /// Whether the record taken last has another key than the rule says.
    has_other_key: bool,
    /// For the texts of keys.
    key: String,
    /// The event time up to which the log was written when all of it had been read; `i64::MIN` if it does not say.
    read_until: i64,
    /// The epoch of the topic: see [`identity::sequence`].
    epoch: u32,
    /// The number of the last record's event, so that one written twice is recognised.
    sequence: i64,
    /// The event of the last record, until it is handed out.
    admitted: Option<Event>,
}

impl InputSource {
    /// A partition of the input with this index in the plan. `epoch`: that of its topic.
    pub fn new(input: u8, decoder: InputDecoder, epoch: u32) -> InputSource {
        InputSource {
            admission: Admission::new(input),
            decoder,
            needs_key: false,
            key_rule: None,
            has_other_key: false,
            key: String::new(),
            epoch,
            read_until: i64::MIN,
            sequence: 0,
            admitted: None,
        }
    }

    /// The same for a topic whose partitions are those of the state: a record without a key may lie in any of them, and
    /// its entity's state in another. `key_rule`: none if all records lie in one partition, whatever their keys are.
    pub fn of_keyed_topic(input: u8, decoder: InputDecoder, epoch: u32, key_rule: Option<KeyRule>) -> InputSource {
        InputSource {
            needs_key: true,
            key_rule,
            ..InputSource::new(input, decoder, epoch)
        }
    }

    /// The largest event time read.
    pub fn watermark(&self) -> i64 {
        self.admission.watermark
    }

    /// All that the log holds up to this event time has been read.
    pub fn set_read_until(&mut self, time: i64) {
        self.read_until = time;
    }

    /// No event to come has a smaller watermark.
    pub fn read_until(&self) -> i64 {
        self.read_until.max(self.admission.watermark)
    }

    /// Decodes and admits a record.
    pub fn take(&mut self, record: RecordRef<'_>, context: &mut TaskContext<'_>) -> RecordResult<'static> {
        self.has_other_key = false;
        let Some(bytes) = record.value else {
            return self.take_tombstone(record, context);
        };
        let mut row = context.row();
        let decoded = self.decoder.decode_with_header(record.schema_id, bytes, &mut row);
        let (row, rejection) = match decoded {
            Ok(()) if self.lacks_key(record, &row, context.engine) => {
                (row, Rejection::new(ReasonCode::MissingKey, NO_KEY))
            }
            Ok(()) => {
                let admitted = self.admit(record, row, context.engine);
                return self.note(record, admitted, context);
            }
            Err(DecodeError::Unavailable(why)) => {
                context.recycle(row);
                return RecordResult::NotReady(why);
            }
            Err(DecodeError::Rejected(rejection)) => (row, rejection),
        };
        context.recycle(row);
        RecordResult::Rejected(rejection)
    }

    /// Notes what became of a record.
    fn note(
        &mut self,
        record: RecordRef<'_>,
        admitted: Admitted,
        context: &mut TaskContext<'_>,
    ) -> RecordResult<'static> {
        match admitted {
            Admitted::Event(event) => {
                self.sequence = identity::sequence(self.epoch, record.offset);
                self.has_other_key = self.breaks_rule(record, &event.row);
                self.admitted = Some(event);
                RecordResult::Rows
            }
            Admitted::Filtered(row) => {
                context.recycle(row);
                pass_over(context)
            }
            Admitted::Rejected(row, rejection) => {
                context.recycle(row);
                RecordResult::Rejected(rejection)
            }
        }
    }

    fn admit(&mut self, record: RecordRef<'_>, mut row: Row, engine: &Engine) -> Admitted {
        let input = self.admission.input;
        if engine.deletes(input, &row) && row[self.plan(engine).id].is_null() {
            // The row that is gone is not in the record, but its key is.
            let mut deleted = Row::new();
            deleted.resize(row.len(), Value::Null);
            if let Err(rejection) = self.decoder.decode_key(record.key, &mut deleted) {
                return Admitted::Rejected(row, rejection);
            }
            let time = self.plan(engine).event_time;
            deleted[time] = std::mem::take(&mut row[time]);
            return self.admission.admit_deletion(engine, record.timestamp, deleted);
        }
        for (slot, value) in self.plan(engine).headers.iter().zip(record.headers) {
            row[*slot] = value
                .as_deref()
                .map_or(Value::Null, |bytes| Value::Text(header_text(bytes)));
        }
        self.admission.admit(engine, record.timestamp, row)
    }

    /// Whether an event lacks the key that its topic needs.
    fn lacks_key(&self, record: RecordRef<'_>, row: &Row, engine: &Engine) -> bool {
        self.needs_key && record.key.is_none() && engine.takes(self.admission.input, row)
    }

    fn breaks_rule(&mut self, record: RecordRef<'_>, row: &Row) -> bool {
        let (Some(rule), Some(key)) = (&self.key_rule, record.key) else {
            return false;
        };
        !rule.holds(key, row, &mut self.key)
    }

    fn take_tombstone(&mut self, record: RecordRef<'_>, context: &mut TaskContext<'_>) -> RecordResult<'static> {
        let rows = self.plan(context.engine).rows.as_ref();
        if rows.is_some_and(|rows| rows.deletes_by_tombstones) {
            let mut row = context.row();
            let admitted = match self.decoder.decode_key(record.key, &mut row) {
                Ok(()) => self.admission.admit_deletion(context.engine, record.timestamp, row),
                Err(rejection) => Admitted::Rejected(row, rejection),
            };
            return self.note(record, admitted, context);
        }
        if self.plan(context.engine).ignores_tombstones {
            return pass_over(context);
        }
        let detail = "the record has no value; `tombstones: ignore` passes over such records";
        RecordResult::Rejected(Rejection::new(ReasonCode::Tombstone, detail))
    }

    fn plan<'e>(&self, engine: &'e Engine) -> &'e InputPlan {
        &engine.plan().inputs[usize::from(self.admission.input)]
    }

    /// Whether the record taken last is an event whose time is doubtful.
    pub fn has_doubtful_time(&self, engine: &Engine) -> bool {
        let admitted = self.admitted.as_ref();
        admitted.is_some_and(|event| self.plan(engine).is_implausible(event.event_time()))
    }

    /// The rule that the record taken last breaks by its key.
    pub fn broken_rule(&self) -> Option<&KeyRule> {
        self.key_rule.as_ref().filter(|_| self.has_other_key)
    }

    /// The event of the record taken last, once.
    pub fn next_event(&mut self) -> Option<Sequenced> {
        let event = self.admitted.take()?;
        Some(Sequenced {
            sequence: self.sequence,
            event,
        })
    }

    /// How far the source is.
    pub fn progress(&self) -> SourceProgress {
        SourceProgress {
            watermark: self.admission.watermark,
            sequence: self.sequence,
            ..SourceProgress::default()
        }
    }

    /// Goes back to where the source was.
    pub fn resume(&mut self, progress: &SourceProgress) {
        self.admission.watermark = progress.watermark;
        self.read_until = i64::MIN;
        self.sequence = progress.sequence;
        self.admitted = None;
    }
}

/// The record is read and is no event.
fn pass_over(context: &mut TaskContext<'_>) -> RecordResult<'static> {
    context.tally.filtered += 1;
    RecordResult::Rows
}
