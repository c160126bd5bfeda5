//! Decision records as Avro, written without building values.

use super::record::{DecisionReason, DecisionRecord, with_key_text};
use crate::time;
use crate::value::Value;
use crate::varint::write_signed;

/// Appends the decision as Avro with the [schema](super::decision_avro_schema) of its pipeline, without a prefix.
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
    write_signed(decision.outcome.severity() as i64, out);
    avro_reasons(decision.reasons, out);
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
    avro_reasons(decision.shadow_rules, out);
    avro_block(decision.attributes.len(), out);
    for (name, value) in decision.attributes {
        avro_text(name, out);
        avro_text(value, out);
    }
    avro_end(decision.attributes.len(), out);
    write_signed(i64::try_from(decision.rollout).unwrap_or(i64::MAX), out);
    avro_block(decision.lists.len(), out);
    for (name, offset) in decision.lists {
        avro_text(name, out);
        write_signed(*offset, out);
    }
    avro_end(decision.lists.len(), out);
    avro_optional(decision.latency, out, |latency, out| {
        write_signed(latency.ingested_at, out);
        write_signed(latency.decided_at, out);
    });
}

fn avro_reasons(reasons: &[DecisionReason<'_>], out: &mut Vec<u8>) {
    avro_block(reasons.len(), out);
    for reason in reasons {
        avro_text(reason.code, out);
        avro_text(reason.name, out);
        write_signed(reason.outcome.severity() as i64, out);
        avro_optional(reason.description, out, avro_text);
        avro_optional(reason.contribution, out, avro_float);
    }
    avro_end(reasons.len(), out);
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
