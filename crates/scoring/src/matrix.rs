//! From an event's values to the row of numbers that a model takes, and from the model's columns back to its inputs.

use crate::model_plan::ModelPlan;
use riskstream_engine::Event;
use riskstream_events::Value;
use riskstream_models::ColumnKind;

const ABSENT: &Value = &Value::Null;

/// Appends the event's row for `model` to `matrix`: a number for each column, in the model's order.
pub fn append_row(model: &ModelPlan, event: &Event, matrix: &mut Vec<f64>) {
    let columns = model.columns.iter().zip(model.model.columns());
    matrix.extend(columns.map(|(column, kind)| {
        let value = &event.row[model.inputs[column.input]];
        match (kind, column.back) {
            (ColumnKind::Number, None) => value.as_number().unwrap_or(f64::NAN),
            (ColumnKind::Number, Some(back)) => match element(value, back) {
                Value::Timestamp(time) => seconds(event.event_time(), *time),
                value => value.as_number().unwrap_or(model.pad),
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
        Value::List(values) => values.get(back).unwrap_or(ABSENT),
        _ => ABSENT,
    }
}

/// How long before the event, in seconds. Points in time have more digits than a float32, their distances have not.
fn seconds(event_time: i64, time: i64) -> f64 {
    event_time.saturating_sub(time) as f64 / 1e6
}

/// The text; an absent one is empty, since ONNX has no missing strings.
fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}
