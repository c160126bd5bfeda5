//! Rows of a model's inputs, as cards and files hold them.

use riskstream_models::{Cell, ColumnKind, Model, ModelError};
use serde::Deserialize;

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum InputValue {
    /// For a column of numbers.
    Number(f64),
    /// For a column of numbers: 1 or 0.
    Truth(bool),
    /// For a column of texts.
    Text(String),
}

/// A number or text for each column of a model, `None` for a missing value.
pub type InputRow = Vec<Option<InputValue>>;

/// Why a row does not fit a model.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The row has the wrong number of values.
    #[error("has {found} values, the model takes {expected}")]
    Width {
        /// The number of its values.
        found: usize,
        /// The number of the model's columns.
        expected: usize,
    },
    /// The row has a text in a column of numbers, or a number in a column of texts.
    #[error("has a {found} for {input}, the model takes a {expected}")]
    Kind {
        /// The name of the input; of a model with sequences, the number of the value.
        input: String,
        /// What the row has.
        found: ColumnKind,
        /// What the column takes.
        expected: ColumnKind,
    },
}

/// Appends a row to `encoded` in the form that the model's scorers take. `inputs` names the columns in errors.
///
/// # Errors
/// When the row does not fit the model.
pub fn encode_row(
    model: &Model,
    inputs: &[String],
    row: &[Option<InputValue>],
    encoded: &mut Vec<f64>,
) -> Result<(), RowError> {
    let width = RowError::Width {
        found: row.len(),
        expected: model.input_width(),
    };
    if row.len() != model.input_width() {
        return Err(width);
    }
    let cells: Vec<Cell<'_>> = row.iter().map(|value| cell(value.as_ref())).collect();
    model.encode(&cells, encoded).map_err(|error| match error {
        ModelError::Cell { column, expected } => RowError::Kind {
            input: match inputs.get(column).filter(|_| inputs.len() == row.len()) {
                Some(name) => format!("`{name}`"),
                None => format!("value {}", column + 1),
            },
            found: match expected {
                ColumnKind::Number => ColumnKind::Text,
                ColumnKind::Text => ColumnKind::Number,
            },
            expected,
        },
        _ => width,
    })
}

fn cell(value: Option<&InputValue>) -> Cell<'_> {
    match value {
        Some(InputValue::Number(number)) => Cell::Number(*number),
        Some(InputValue::Truth(truth)) => Cell::Number(f64::from(u8::from(*truth))),
        Some(InputValue::Text(text)) => Cell::Text(text),
        None => Cell::Missing,
    }
}
