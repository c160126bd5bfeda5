//! Decision records as JSON, written without building values.

use super::record::{DecisionReason, DecisionRecord, Latency, ModelRef, with_key_text};
use crate::outcome::Outcomes;
use crate::time;
use crate::value::Value;
use std::io::Write;

/// Appends the decision as one JSON object without line breaks. NaN and infinities become null, times RFC 3339.
pub fn encode_json(decision: &DecisionRecord<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"decision_id\":");
    json_text(decision.decision_id, out);
    json_member("event_id", decision.event_id, out);
    json_member("pipeline", decision.pipeline, out);
    json_member("pipeline_version", decision.pipeline_version, out);
    json_member("binary_version", decision.binary_version, out);
    out.extend_from_slice(b",\"model\":");
    json_optional(decision.model, out, json_model);
    out.extend_from_slice(b",\"event_time\":");
    json_time(decision.event_time, out);
    out.extend_from_slice(b",\"entities\":{");
    json_entities(decision, out);
    out.extend_from_slice(b"},\"score\":");
    json_optional_float(decision.score, out);
    json_member("outcome", decision.outcomes.word(decision.outcome), out);
    out.extend_from_slice(b",\"reasons\":[");
    json_reasons(decision.reasons, decision.outcomes, out);
    out.extend_from_slice(b"],\"features\":{");
    json_list(decision.features, out, |(name, slot), out| {
        json_name(name, out);
        json_value(&decision.row[*slot], out);
    });
    out.extend_from_slice(b"},\"flags\":[");
    json_list(decision.flags.names(), out, json_text);
    out.extend_from_slice(b"],\"late_by_ms\":");
    json_optional(decision.late_by_ms, out, json_display);
    out.extend_from_slice(b",\"shadow_scores\":{");
    json_list(decision.shadow_scores, out, |(name, score), out| {
        json_name(name, out);
        json_optional_float(Some(*score), out);
    });
    out.extend_from_slice(b"},\"shadow_rules\":[");
    json_reasons(decision.shadow_rules, decision.outcomes, out);
    out.extend_from_slice(b"],\"attributes\":{");
    json_list(decision.attributes, out, |(name, value), out| {
        json_name(name, out);
        json_text(value, out);
    });
    out.extend_from_slice(b"},\"rollout\":");
    json_display(decision.rollout, out);
    out.extend_from_slice(b",\"lists\":{");
    json_list(decision.lists, out, |(name, offset), out| {
        json_name(name, out);
        json_display(offset, out);
    });
    out.push(b'}');
    out.extend_from_slice(b",\"latency\":");
    json_optional(decision.latency, out, json_latency);
    out.push(b'}');
}

fn json_model(model: ModelRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"name\":");
    json_text(model.name, out);
    json_member("version", model.version, out);
    json_member("sha256", model.sha256, out);
    out.push(b'}');
}

fn json_entities(decision: &DecisionRecord<'_>, out: &mut Vec<u8>) {
    let keys = decision
        .entities
        .iter()
        .map(|(name, slot)| (name, &decision.row[*slot]));
    let present = keys.filter(|(_, key)| !key.is_null());
    json_list(present, out, |(name, key), out| {
        json_name(name, out);
        with_key_text(key, |text| json_text(text, out));
    });
}

fn json_reasons(reasons: &[DecisionReason<'_>], outcomes: &Outcomes, out: &mut Vec<u8>) {
    json_list(reasons, out, |reason, out| {
        out.extend_from_slice(b"{\"code\":");
        json_text(reason.code, out);
        json_member("name", reason.name, out);
        json_member("outcome", outcomes.word(reason.outcome), out);
        out.extend_from_slice(b",\"description\":");
        json_optional(reason.description, out, json_text);
        out.extend_from_slice(b",\"contribution\":");
        json_optional_float(reason.contribution, out);
        out.push(b'}');
    });
}

fn json_latency(latency: Latency, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"ingested_at\":");
    json_time(latency.ingested_at, out);
    out.extend_from_slice(b",\"decided_at\":");
    json_time(latency.decided_at, out);
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
            json_list(&**values, out, json_value);
            out.push(b']');
        }
    }
}

/// Items or members, separated by commas.
fn json_list<T>(items: impl IntoIterator<Item = T>, out: &mut Vec<u8>, write: impl Fn(T, &mut Vec<u8>)) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
}

fn json_optional<T>(value: Option<T>, out: &mut Vec<u8>, write: impl FnOnce(T, &mut Vec<u8>)) {
    match value {
        None => out.extend_from_slice(b"null"),
        Some(value) => write(value, out),
    }
}

fn json_member(name: &'static str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    json_text(value, out);
}

fn json_name(name: &str, out: &mut Vec<u8>) {
    json_text(name, out);
    out.push(b':');
}

fn json_text(text: &str, out: &mut Vec<u8>) {
    // Names and keys rarely need an escape. Without one they are copied whole.
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
