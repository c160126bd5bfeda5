//! The decision record: a view that the engine assembles without copying, and its two encodings.

use crate::flags::Flags;
use crate::outcome::Outcome;
use crate::pseudonym::hex32;
use crate::time;
use crate::value::{Row, Slot, Value};
use crate::varint::write_signed;
use sha2::{Digest, Sha256};
use std::io::Write;

/// The model that gave the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelRef<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The file's SHA-256 in hexadecimal digits.
    pub sha256: &'a str,
}

/// Why a decision is what it is: a rule or threshold, or a feature that moved the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reason<'a> {
    /// The reason code, such as R101.
    pub code: &'a str,
    /// The rule's or feature's name.
    pub name: &'a str,
    /// The outcome that it calls for.
    pub outcome: Outcome,
    /// What an analyst reads.
    pub description: Option<&'a str>,
    /// By how much it moved the score.
    pub contribution: Option<f64>,
}

/// When a decision was made, by the wall clock: all that may differ when the same input is decided again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// The log's timestamp of the event, in microseconds since the epoch.
    pub ingested_at: i64,
    /// When the decision was encoded, in microseconds since the epoch.
    pub decided_at: i64,
}

/// A decision, borrowed from the plan, the row and the step that made it.
#[derive(Clone, Copy, Debug)]
pub struct DecisionRecord<'a> {
    /// See [`DecisionId`].
    pub decision_id: &'a str,
    /// The transaction's id.
    pub event_id: &'a str,
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// The version of the pipeline file.
    pub pipeline_version: &'a str,
    /// The version of this program.
    pub binary_version: &'a str,
    /// The model, if there is one.
    pub model: Option<ModelRef<'a>>,
    /// In microseconds since the epoch.
    pub event_time: i64,
    /// The row that `entities` and `features` point into.
    pub row: &'a Row,
    /// Entities and the slots of their keys. A null key is left out.
    pub entities: &'a [(String, Slot)],
    /// The score, if a model gave one.
    pub score: Option<f64>,
    /// What happens to the transaction.
    pub outcome: Outcome,
    /// Why.
    pub reasons: &'a [Reason<'a>],
    /// Features and their slots, in the order of the plan.
    pub features: &'a [(String, Slot)],
    /// Circumstances.
    pub flags: Flags,
    /// By how much the event came after a later one, in milliseconds of event time.
    pub late_by_ms: Option<i64>,
    /// Scores of models that only watch.
    pub shadow_scores: &'a [(&'a str, f64)],
    /// The revision of the roll-out that chose the models; 0 for the pipeline file's own.
    pub rollout: u64,
    /// None where there is no clock: files.
    pub latency: Option<Latency>,
}

/// Names a decision: the first 16 bytes of SHA-256 over the length of the pipeline's name (8 bytes, big
/// endian), the name and the event's id, in hexadecimal digits. The same event has the same decision id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecisionId([u8; 32]);

impl DecisionId {
    /// The id of the decision on `event_id`.
    pub fn new(pipeline: &str, event_id: &str) -> Self {
        let digest = Sha256::new()
            .chain_update((pipeline.len() as u64).to_be_bytes())
            .chain_update(pipeline)
            .chain_update(event_id)
            .finalize();
        DecisionId(hex32(&digest))
    }

    /// 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }
}

/// schemas/decision.avsc, to be registered.
pub const DECISION_AVRO_SCHEMA: &str = include_str!("../../../schemas/decision.avsc");
/// schemas/decision.schema.json.
pub const DECISION_JSON_SCHEMA: &str = include_str!("../../../schemas/decision.schema.json");

/// Appends the decision as one JSON object without line breaks. NaN and infinities become null, times RFC 3339.
pub fn encode_json(decision: &DecisionRecord<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"decision_id\":");
    json_text(decision.decision_id, out);
    json_member("event_id", decision.event_id, out);
    json_member("pipeline", decision.pipeline, out);
    json_member("pipeline_version", decision.pipeline_version, out);
    json_member("binary_version", decision.binary_version, out);
    out.extend_from_slice(b",\"model\":");
    match &decision.model {
        None => out.extend_from_slice(b"null"),
        Some(model) => {
            out.extend_from_slice(b"{\"name\":");
            json_text(model.name, out);
            json_member("version", model.version, out);
            json_member("sha256", model.sha256, out);
            out.push(b'}');
        }
    }
    out.extend_from_slice(b",\"event_time\":");
    json_time(decision.event_time, out);
    out.extend_from_slice(b",\"entities\":{");
    let mut first = true;
    for (name, slot) in decision.entities {
        let key = &decision.row[*slot];
        if key.is_null() {
            continue;
        }
        json_separator(&mut first, out);
        json_text(name, out);
        out.push(b':');
        with_key_text(key, |text| json_text(text, out));
    }
    out.extend_from_slice(b"},\"score\":");
    json_optional_float(decision.score, out);
    json_member("outcome", decision.outcome.as_str(), out);
    out.extend_from_slice(b",\"reasons\":[");
    let mut first = true;
    for reason in decision.reasons {
        json_separator(&mut first, out);
        json_reason(reason, out);
    }
    out.extend_from_slice(b"],\"features\":{");
    let mut first = true;
    for (name, slot) in decision.features {
        json_separator(&mut first, out);
        json_text(name, out);
        out.push(b':');
        json_value(&decision.row[*slot], out);
    }
    out.extend_from_slice(b"},\"flags\":[");
    let mut first = true;
    for flag in decision.flags.names() {
        json_separator(&mut first, out);
        json_text(flag, out);
    }
    out.extend_from_slice(b"],\"late_by_ms\":");
    match decision.late_by_ms {
        None => out.extend_from_slice(b"null"),
        Some(millis) => json_display(millis, out),
    }
    out.extend_from_slice(b",\"shadow_scores\":{");
    let mut first = true;
    for (name, score) in decision.shadow_scores {
        json_separator(&mut first, out);
        json_text(name, out);
        out.push(b':');
        json_optional_float(Some(*score), out);
    }
    out.extend_from_slice(b"},\"rollout\":");
    json_display(decision.rollout, out);
    out.extend_from_slice(b",\"latency\":");
    match decision.latency {
        None => out.extend_from_slice(b"null"),
        Some(latency) => {
            out.extend_from_slice(b"{\"ingested_at\":");
            json_time(latency.ingested_at, out);
            out.extend_from_slice(b",\"decided_at\":");
            json_time(latency.decided_at, out);
            out.push(b'}');
        }
    }
    out.push(b'}');
}

fn json_reason(reason: &Reason<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"code\":");
    json_text(reason.code, out);
    json_member("name", reason.name, out);
    json_member("outcome", reason.outcome.as_str(), out);
    out.extend_from_slice(b",\"description\":");
    match reason.description {
        None => out.extend_from_slice(b"null"),
        Some(description) => json_text(description, out),
    }
    out.extend_from_slice(b",\"contribution\":");
    json_optional_float(reason.contribution, out);
    out.push(b'}');
}

fn json_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(bool) => json_display(bool, out),
        Value::Int(int) => json_display(int, out),
        Value::Float(float) => json_optional_float(Some(*float), out),
        Value::Text(text) => json_text(text, out),
        Value::Timestamp(micros) => json_time(*micros, out),
        Value::List(values) => {
            out.push(b'[');
            let mut first = true;
            for value in &**values {
                json_separator(&mut first, out);
                json_value(value, out);
            }
            out.push(b']');
        }
    }
}

fn json_separator(first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::take(first) {
        out.push(b',');
    }
}

fn json_member(name: &'static str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    json_text(value, out);
}

fn json_text(text: &str, out: &mut Vec<u8>) {
    // Names and keys hardly ever need an escape; then they are copied whole.
    let needs_escape = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    if !text.bytes().fold(false, |found, byte| found | needs_escape(byte)) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    serde_json::to_writer(out, text).expect("text can be written to memory");
}

fn json_optional_float(float: Option<f64>, out: &mut Vec<u8>) {
    // serde_json writes the shortest text that reads back as the same float, and null if it is not finite.
    serde_json::to_writer(out, &float).expect("a number can be written to memory");
}

fn json_display(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    write!(out, "{value}").expect("a number can be written to memory");
}

fn json_time(micros: i64, out: &mut Vec<u8>) {
    out.push(b'"');
    time::write(micros, out);
    out.push(b'"');
}

/// An entity's key as text; what is no key has none.
fn with_key_text(key: &Value, use_text: impl FnOnce(&str)) {
    match key {
        Value::Text(text) => use_text(text),
        Value::Int(int) => use_text(&compact_str::ToCompactString::to_compact_string(int)),
        _ => use_text(""),
    }
}

/// Appends the decision as Avro with [`DECISION_AVRO_SCHEMA`], without a prefix.
pub fn encode_avro(decision: &DecisionRecord<'_>, out: &mut Vec<u8>) {
    avro_text(decision.decision_id, out);
    avro_text(decision.event_id, out);
    avro_text(decision.pipeline, out);
    avro_text(decision.pipeline_version, out);
    avro_text(decision.binary_version, out);
    avro_optional(decision.model.as_ref(), out, |model, out| {
        avro_text(model.name, out);
        avro_text(model.version, out);
        avro_text(model.sha256, out);
    });
    write_signed(decision.event_time, out);
    let keys = || {
        decision
            .entities
            .iter()
            .filter(|(_, slot)| !decision.row[*slot].is_null())
    };
    avro_block(keys().count(), out);
    for (name, slot) in keys() {
        avro_text(name, out);
        with_key_text(&decision.row[*slot], |text| avro_text(text, out));
    }
    avro_end(keys().count(), out);
    avro_optional(decision.score, out, avro_float);
    write_signed(decision.outcome as i64, out);
    avro_block(decision.reasons.len(), out);
    for reason in decision.reasons {
        avro_text(reason.code, out);
        avro_text(reason.name, out);
        write_signed(reason.outcome as i64, out);
        avro_optional(reason.description, out, avro_text);
        avro_optional(reason.contribution, out, avro_float);
    }
    avro_end(decision.reasons.len(), out);
    avro_block(decision.features.len(), out);
    for (name, slot) in decision.features {
        avro_text(name, out);
        avro_value(&decision.row[*slot], out);
    }
    avro_end(decision.features.len(), out);
    let flags = decision.flags.names().count();
    avro_block(flags, out);
    for flag in decision.flags.names() {
        avro_text(flag, out);
    }
    avro_end(flags, out);
    avro_optional(decision.late_by_ms, out, write_signed);
    avro_block(decision.shadow_scores.len(), out);
    for (name, score) in decision.shadow_scores {
        avro_text(name, out);
        avro_float(*score, out);
    }
    avro_end(decision.shadow_scores.len(), out);
    write_signed(i64::try_from(decision.rollout).unwrap_or(i64::MAX), out);
    avro_optional(decision.latency, out, |latency, out| {
        write_signed(latency.ingested_at, out);
        write_signed(latency.decided_at, out);
    });
}

/// The union `[null, double, long, boolean, string, array]`; the array's items are the same without the array.
fn avro_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => write_signed(0, out),
        Value::Float(float) => {
            write_signed(1, out);
            avro_float(*float, out);
        }
        Value::Int(int) => {
            write_signed(2, out);
            write_signed(*int, out);
        }
        Value::Bool(bool) => {
            write_signed(3, out);
            out.push(u8::from(*bool));
        }
        Value::Text(text) => {
            write_signed(4, out);
            avro_text(text, out);
        }
        Value::Timestamp(micros) => {
            let mut text = Vec::with_capacity(32);
            time::write(*micros, &mut text);
            write_signed(4, out);
            write_signed(text.len() as i64, out);
            out.extend_from_slice(&text);
        }
        Value::List(values) => {
            write_signed(5, out);
            avro_block(values.len(), out);
            for value in &**values {
                assert!(
                    !matches!(value, Value::List(_)),
                    "lists of lists are not values of any feature"
                );
                avro_value(value, out);
            }
            avro_end(values.len(), out);
        }
    }
}

fn avro_text(text: &str, out: &mut Vec<u8>) {
    write_signed(text.len() as i64, out);
    out.extend_from_slice(text.as_bytes());
}

fn avro_float(float: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&float.to_le_bytes());
}

fn avro_optional<T>(value: Option<T>, out: &mut Vec<u8>, write: impl FnOnce(T, &mut Vec<u8>)) {
    write_signed(i64::from(value.is_some()), out);
    if let Some(value) = value {
        write(value, out);
    }
}

/// Begins an array or map with its one block.
fn avro_block(count: usize, out: &mut Vec<u8>) {
    write_signed(count as i64, out);
}

/// Ends an array or map: the empty block, which an empty one has begun with already.
fn avro_end(count: usize, out: &mut Vec<u8>) {
    if count > 0 {
        write_signed(0, out);
    }
}
