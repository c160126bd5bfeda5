//! From an event's values to the row that a model takes.

use crate::lineup::ModelPlan;
use riskstream_events::{Row, Value};
use riskstream_models::ColumnKind;

/// Appends the inputs of `model` to `matrix`, in its order.
pub fn append_row(model: &ModelPlan, row: &Row, matrix: &mut Vec<f32>) {
    let columns = model.inputs.iter().zip(model.model.columns());
    matrix.extend(columns.map(|(&slot, kind)| match kind {
        ColumnKind::Number => number(&row[slot]),
        ColumnKind::Text => model.model.text_code(text(&row[slot])),
    }));
}

/// Models take float32; what is absent is NaN, as XGBoost and LightGBM expect it.
fn number(value: &Value) -> f32 {
    value.as_number().map_or(f32::NAN, |number| number as f32)
}

/// A text that is absent is empty: ONNX has no missing strings.
fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}
