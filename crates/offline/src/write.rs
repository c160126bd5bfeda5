//! Decided transactions as Arrow columns, and as Parquet: a row each, a column for each field, feature and expression.

use crate::partial_file::PartialFile;
use arrow_array::builder::{Float64Builder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use riskstream_engine::Event;
use riskstream_engine::plan::{EVENT_ID, EVENT_TIME, Plan, SlotInfo};
use riskstream_events::{Slot, Value, ValueType};
use riskstream_scoring::Decision;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the results cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong.
    pub why: String,
}

/// Takes decided transactions.
pub trait DecidedSink {
    /// Adds a batch of them.
    ///
    /// # Errors
    /// They cannot be written.
    fn write(&mut self, plan: &Plan, events: &[Event], decisions: &[Decision]) -> Result<(), WriteError>;
}

/// Decided transactions as Arrow columns: the event's id and time, chosen slots, score, outcome, rules, shadow rules and flags.
pub struct DecidedColumns {
    schema: SchemaRef,
    columns: Vec<(Slot, SlotInfo)>,
}

impl DecidedColumns {
    /// With the slots in `columns`.
    pub fn new(plan: &Plan, columns: &[Slot]) -> DecidedColumns {
        let mut columns: Vec<(Slot, SlotInfo)> = [EVENT_ID, EVENT_TIME]
            .iter()
            .chain(columns)
            .map(|&slot| (slot, plan.slots[slot].clone()))
            .collect();
        // An input may call its own event time or id as the canonical slots are called; it is the same value.
        let mut names = HashSet::new();
        columns.retain(|(slot, _)| names.insert(plan.slots[*slot].name.as_str()));
        let mut fields: Vec<Field> = columns
            .iter()
            .map(|(_, info)| Field::new(&info.name, data_type(info.value_type, info.element), true))
            .collect();
        fields.push(Field::new("score", DataType::Float64, true));
        for name in ["outcome", "rules", "shadow_rules", "flags"] {
            fields.push(Field::new(name, DataType::Utf8, false));
        }
        DecidedColumns {
            schema: Arc::new(Schema::new(fields)),
            columns,
        }
    }

    /// Names and types of the columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// A row for each transaction.
    ///
    /// # Errors
    /// Two columns have the same name, or Arrow refuses them for another reason.
    pub fn batch(&self, plan: &Plan, events: &[Event], decisions: &[Decision]) -> Result<RecordBatch, ArrowError> {
        let shown: Vec<Cow<'_, Event>> = events.iter().map(|event| plan.published(&plan.slots, event)).collect();
        let mut arrays: Vec<ArrayRef> = self
            .columns
            .iter()
            .map(|(slot, info)| {
                let values = shown.iter().map(|event| &event.row[*slot]);
                array(values, info.value_type, info.element)
            })
            .collect();
        let words = plan.decide.policy.outcomes();
        let mut scores = Float64Builder::with_capacity(events.len());
        let [mut outcomes, mut rules, mut shadows, mut flags] = std::array::from_fn(|_| StringBuilder::new());
        for (event, decision) in events.iter().zip(decisions) {
            scores.append_option(decision.answer.score);
            outcomes.append_value(words.word(decision.policy.outcome));
            rules.append_value(names(plan, &decision.policy.fired));
            shadows.append_value(names(plan, &decision.policy.shadows));
            flags.append_value(event.flags.names().collect::<Vec<_>>().join(","));
        }
        arrays.push(Arc::new(scores.finish()));
        for mut texts in [outcomes, rules, shadows, flags] {
            arrays.push(Arc::new(texts.finish()));
        }
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
    }
}

/// Writes a Parquet file. It has its name only once [`ParquetSink::finish`] is done: an interrupted run leaves
/// nothing half written under it.
pub struct ParquetSink {
    file: PartialFile,
    columns: DecidedColumns,
    writer: Option<ArrowWriter<File>>,
}

impl ParquetSink {
    /// A file with these columns.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn create(path: &Path, columns: DecidedColumns) -> Result<ParquetSink, WriteError> {
        let failed = |why: String| WriteError {
            path: path.to_owned(),
            why,
        };
        let (file, handle) = PartialFile::create(path).map_err(|error| failed(error.to_string()))?;
        let level = ZstdLevel::try_new(3).expect("zstd has a level 3");
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .build();
        let writer = ArrowWriter::try_new(handle, Arc::clone(columns.schema()), Some(properties))
            .map_err(|error| failed(error.to_string()))?;
        Ok(ParquetSink {
            file,
            columns,
            writer: Some(writer),
        })
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> Result<(), WriteError> {
        let writer = self.writer.take().expect("the sink is finished once");
        writer.close().map_err(|error| self.failed(&error))?;
        let path = self.file.path().to_owned();
        let finished = self.file.finish();
        finished.map_err(|error| WriteError {
            path,
            why: error.to_string(),
        })
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> WriteError {
        WriteError {
            path: self.file.path().to_owned(),
            why: error.to_string(),
        }
    }
}

impl DecidedSink for ParquetSink {
    fn write(&mut self, plan: &Plan, events: &[Event], decisions: &[Decision]) -> Result<(), WriteError> {
        if events.is_empty() {
            return Ok(());
        }
        let batch = self.columns.batch(plan, events, decisions);
        let batch = batch.map_err(|error| self.failed(&error))?;
        let writer = self.writer.as_mut().expect("the sink is open until it is finished");
        let written = writer.write(&batch);
        written.map_err(|error| self.failed(&error))
    }
}

/// The names of rules and thresholds, separated by commas.
fn names(plan: &Plan, rules: &[usize]) -> String {
    let reasons = rules.iter().filter_map(|rule| plan.decide.policy.reason(*rule));
    reasons.map(|reason| reason.name.as_str()).collect::<Vec<_>>().join(",")
}

fn data_type(value_type: ValueType, element: ValueType) -> DataType {
    match value_type {
        ValueType::List => DataType::List(item(element)),
        _ => scalar_type(value_type),
    }
}

fn scalar_type(value_type: ValueType) -> DataType {
    match value_type {
        ValueType::Bool => DataType::Boolean,
        ValueType::Int => DataType::Int64,
        ValueType::Float => DataType::Float64,
        ValueType::Text | ValueType::List => DataType::Utf8,
        ValueType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// The values as an array. `element` is what lists hold; there are no lists of lists.
fn array<'v>(values: impl ExactSizeIterator<Item = &'v Value>, value_type: ValueType, element: ValueType) -> ArrayRef {
    match value_type {
        ValueType::List => Arc::new(lists(values, element)),
        _ => scalars(values, value_type),
    }
}

fn scalars<'v>(values: impl ExactSizeIterator<Item = &'v Value>, value_type: ValueType) -> ArrayRef {
    match value_type {
        ValueType::Bool => Arc::new(BooleanArray::from_iter(values.map(|value| match value {
            Value::Bool(bool) => Some(*bool),
            _ => None,
        }))),
        ValueType::Int => Arc::new(Int64Array::from_iter(values.map(|value| match value {
            Value::Int(int) => Some(*int),
            _ => None,
        }))),
        ValueType::Float => Arc::new(Float64Array::from_iter(values.map(Value::as_number))),
        ValueType::Timestamp => {
            let times = TimestampMicrosecondArray::from_iter(values.map(|value| match value {
                Value::Timestamp(time) => Some(*time),
                _ => None,
            }));
            Arc::new(times.with_timezone("UTC"))
        }
        ValueType::Text | ValueType::List => Arc::new(StringArray::from_iter(values.map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        }))),
    }
}

fn lists<'v>(values: impl ExactSizeIterator<Item = &'v Value>, element: ValueType) -> ListArray {
    let lists: Vec<Option<&[Value]>> = values
        .map(|value| match value {
            Value::List(values) => Some(&**values),
            _ => None,
        })
        .collect();
    let lengths = lists.iter().map(|list| list.map_or(0, <[Value]>::len));
    let offsets = OffsetBuffer::from_lengths(lengths);
    let items: Vec<&Value> = lists.iter().flatten().flat_map(|list| list.iter()).collect();
    let present = lists.iter().map(Option::is_some).collect::<Vec<bool>>().into();
    let items = scalars(items.into_iter(), element);
    ListArray::new(item(element), offsets, items, Some(present))
}

/// The field of a list's values.
fn item(element: ValueType) -> FieldRef {
    Arc::new(Field::new_list_field(scalar_type(element), true))
}
