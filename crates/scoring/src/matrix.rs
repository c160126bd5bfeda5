//! From an event's values to the row that a model takes, and from its columns back to inputs.

use crate::lineup::ModelPlan;
use riskstream_engine::Event;
use riskstream_events::Value;
use riskstream_models::ColumnKind;

/// Where the value of one column of a model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its place among the model's listed inputs.
    pub input: usize,
    /// Of an input that is a list which value, counted from the newest, 0; `None` for one that is a single value.
    pub back: Option<usize>,
}

const NOTHING: &Value = &Value::Null;

/// Appends the event's row for `model` to `matrix`: a number for each column, in the model's order.
pub fn append_row(model: &ModelPlan, event: &Event, matrix: &mut Vec<f32>) {
    let columns = model.columns.iter().zip(model.model.columns());
    matrix.extend(columns.map(|(column, kind)| {
        let value = &event.row[model.inputs[column.input]];
        match (kind, column.back) {
            (ColumnKind::Number, None) => number(value).unwrap_or(f32::NAN),
            (ColumnKind::Number, Some(back)) => match element(value, back) {
                Value::Timestamp(time) => seconds(event.event_time(), *time),
                value => number(value).unwrap_or(model.pad),
            },
            (ColumnKind::Text, None) => model.model.text_code(text(value)),
            (ColumnKind::Text, Some(back)) => model.model.text_code(text(element(value, back))),
        }
    }));
}

/// Sums what the columns of each listed input moved a score by.
pub fn sum_by_input(model: &ModelPlan, of_columns: &[f64], of_inputs: &mut Vec<f64>) {
    of_inputs.clear();
    of_inputs.resize(model.inputs.len(), 0.0);
    for (column, contribution) in model.columns.iter().zip(of_columns) {
        of_inputs[column.input] += contribution;
    }
}

fn element(value: &Value, back: usize) -> &Value {
    match value {
        Value::List(values) => values.get(back).unwrap_or(NOTHING),
        _ => NOTHING,
    }
}

/// How long before the event, in seconds: a point in time itself has more digits than float32.
fn seconds(event_time: i64, time: i64) -> f32 {
    (event_time.saturating_sub(time) as f64 / 1e6) as f32
}

/// Models take float32; of what is absent there is none.
fn number(value: &Value) -> Option<f32> {
    value.as_number().map(|number| number as f32)
}

/// A text that is absent is empty: ONNX has no missing strings.
fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}
