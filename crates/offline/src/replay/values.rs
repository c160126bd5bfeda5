//! Values of rows as decisions carry them.

use riskstream_events::{Value, time};
use serde_json::Value as Json;

/// A time in microseconds as RFC 3339 text.
pub(crate) fn time_text(micros: i64) -> String {
    let mut text = Vec::new();
    time::write(micros, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// A value as JSON.
pub(crate) fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Timestamp(micros) => time_text(*micros).into(),
        Value::List(values) => values.iter().map(json).collect(),
    }
}
