//! Decided transactions as Parquet: a row each, a column for each field, feature and expression.

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use riskstream_engine::plan::{EVENT_ID, EVENT_TIME, Plan};
use riskstream_engine::{Event, Judgement};
use riskstream_events::{Slot, Value, ValueType};
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

/// Writes a Parquet file. It has its name only once [`ParquetSink::finish`] is done: an interrupted run leaves
/// nothing half written under it.
pub struct ParquetSink {
    path: PathBuf,
    partial: PathBuf,
    schema: SchemaRef,
    columns: Vec<(Slot, ValueType)>,
    writer: Option<ArrowWriter<File>>,
}

impl ParquetSink {
    /// A file with the event's id and time, the slots in `columns`, score, outcome, rules and flags.
    pub fn create(path: &Path, plan: &Plan, columns: &[Slot]) -> Result<ParquetSink, WriteError> {
        let mut columns: Vec<(Slot, ValueType)> = [EVENT_ID, EVENT_TIME]
            .iter()
            .chain(columns)
            .map(|&slot| (slot, plan.slots[slot].value_type))
            .collect();
        // An input may call its own event time or id as the canonical slots are called; it is the same value.
        let mut names = HashSet::new();
        columns.retain(|&(slot, _)| names.insert(plan.slots[slot].name.as_str()));
        let mut fields: Vec<Field> = columns
            .iter()
            .map(|&(slot, value_type)| Field::new(&plan.slots[slot].name, data_type(value_type), true))
            .collect();
        fields.push(Field::new("score", DataType::Float64, true));
        for name in ["outcome", "rules", "flags"] {
            fields.push(Field::new(name, DataType::Utf8, false));
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let partial = path.with_extension("parquet.partial");
        let failed = |why: String| WriteError {
            path: path.to_owned(),
            why,
        };
        let file = File::create(&partial).map_err(|error| failed(error.to_string()))?;
        let level = ZstdLevel::try_new(3).expect("zstd has a level 3");
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .build();
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))
            .map_err(|error| failed(error.to_string()))?;
        Ok(ParquetSink {
            path: path.to_owned(),
            partial,
            schema,
            columns,
            writer: Some(writer),
        })
    }

    /// Adds a batch of decided transactions.
    pub fn write(&mut self, plan: &Plan, events: &[Event], judgements: &[Judgement]) -> Result<(), WriteError> {
        if events.is_empty() {
            return Ok(());
        }
        let mut arrays: Vec<ArrayRef> = self
            .columns
            .iter()
            .map(|&(slot, value_type)| column(events, slot, value_type))
            .collect();
        let mut scores = Float64Builder::with_capacity(events.len());
        let [mut outcomes, mut rules, mut flags] = std::array::from_fn(|_| StringBuilder::new());
        for (event, judgement) in events.iter().zip(judgements) {
            scores.append_option(judgement.score);
            outcomes.append_value(judgement.verdict.outcome.as_str());
            let fired = judgement
                .verdict
                .fired
                .iter()
                .filter_map(|&rule| plan.decide.policy.reason(rule));
            rules.append_value(fired.map(|reason| reason.name.as_str()).collect::<Vec<_>>().join(","));
            flags.append_value(event.flags.names().collect::<Vec<_>>().join(","));
        }
        arrays.push(Arc::new(scores.finish()));
        for mut texts in [outcomes, rules, flags] {
            arrays.push(Arc::new(texts.finish()));
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(|error| self.failed(&error))?;
        let writer = self.writer.as_mut().expect("the sink is open until it is finished");
        let written = writer.write(&batch);
        written.map_err(|error| self.failed(&error))
    }

    /// Completes the file and gives it its name.
    pub fn finish(mut self) -> Result<(), WriteError> {
        let writer = self.writer.take().expect("the sink is finished once");
        writer.close().map_err(|error| self.failed(&error))?;
        std::fs::rename(&self.partial, &self.path).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> WriteError {
        WriteError {
            path: self.path.clone(),
            why: error.to_string(),
        }
    }
}

impl Drop for ParquetSink {
    fn drop(&mut self) {
        // Gone if it was finished; an interrupted run leaves nothing behind.
        let _ = std::fs::remove_file(&self.partial);
    }
}

fn data_type(value_type: ValueType) -> DataType {
    match value_type {
        ValueType::Bool => DataType::Boolean,
        ValueType::Int => DataType::Int64,
        ValueType::Float => DataType::Float64,
        ValueType::Text | ValueType::List => DataType::Utf8,
        ValueType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

fn column(events: &[Event], slot: Slot, value_type: ValueType) -> ArrayRef {
    let values = events.iter().map(|event| &event.row[slot]);
    match value_type {
        ValueType::Bool => {
            let mut builder = BooleanBuilder::with_capacity(events.len());
            values.for_each(|value| builder.append_option(if let Value::Bool(b) = value { Some(*b) } else { None }));
            Arc::new(builder.finish())
        }
        ValueType::Int => {
            let mut builder = Int64Builder::with_capacity(events.len());
            values.for_each(|value| builder.append_option(if let Value::Int(i) = value { Some(*i) } else { None }));
            Arc::new(builder.finish())
        }
        ValueType::Float => {
            let mut builder = Float64Builder::with_capacity(events.len());
            values.for_each(|value| builder.append_option(value.as_number()));
            Arc::new(builder.finish())
        }
        ValueType::Timestamp => {
            let mut builder = TimestampMicrosecondBuilder::with_capacity(events.len()).with_timezone("UTC");
            values.for_each(|value| {
                builder.append_option(if let Value::Timestamp(t) = value {
                    Some(*t)
                } else {
                    None
                })
            });
            Arc::new(builder.finish())
        }
        ValueType::Text | ValueType::List => {
            let mut builder = StringBuilder::new();
            values.for_each(|value| builder.append_option(text(value)));
            debug_assert_eq!(builder.len(), events.len());
            Arc::new(builder.finish())
        }
    }
}

/// Text as it is; a list as JSON.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Text(text) => Some(text.to_string()),
        other => Some(json(other).to_string()),
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(b) => (*b).into(),
        Value::Int(i) | Value::Timestamp(i) => (*i).into(),
        Value::Float(f) => (*f).into(),
        Value::Text(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(json).collect(),
    }
}
