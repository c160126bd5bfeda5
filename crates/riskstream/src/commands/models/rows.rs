//! Rows of a model's inputs from a file.

use crate::commands::error::CommandError;
use anyhow::anyhow;
use riskstream_definition::cards::{InputRow, InputValue};
use riskstream_events::{Field, InputFields, Row, Value, ValueType};
use riskstream_models::ColumnKind;
use riskstream_offline::read::{self, Next};
use std::path::Path;

/// A file with a column for each input of a model.
pub(super) struct RowFile<'a> {
    pub path: &'a Path,
    /// The columns, in the model's order.
    pub inputs: &'a [String],
    /// What each of them holds.
    pub kinds: &'a [ColumnKind],
    /// The column of known scores, if there is one.
    pub score: Option<&'a str>,
}

impl RowFile<'_> {
    /// Hands each row to `take`, with its score: NaN if it has none. A value is read as a field of its type in an input's file.
    ///
    /// # Errors
    /// The file cannot be read, has no rows, lacks a column, or has a value of another type; or `take` fails.
    pub fn read(&self, take: &mut dyn FnMut(InputRow, f64) -> Result<(), CommandError>) -> Result<(), CommandError> {
        self.check_columns()?;
        let fields = InputFields::new(self.fields(), None).map_err(CommandError::configuration)?;
        let mut rows = read::open(self.path, &fields).map_err(CommandError::configuration)?;
        let (mut row, mut count) = (Row::new(), 0);
        loop {
            match rows.next(&mut row).map_err(CommandError::configuration)? {
                Next::Row => count += 1,
                Next::Rejected(number, rejection) => {
                    let path = self.path.display();
                    return Err(CommandError::configuration(anyhow!(
                        "{path}, record {number}: {rejection}"
                    )));
                }
                Next::End if count == 0 => {
                    return Err(CommandError::configuration(anyhow!(
                        "{} has no rows",
                        self.path.display()
                    )));
                }
                Next::End => return Ok(()),
            }
            let score = match (self.score, row.get(self.inputs.len())) {
                (Some(_), Some(Value::Float(score))) => *score,
                _ => f64::NAN,
            };
            take(row[..self.inputs.len()].iter().map(input).collect(), score)?;
        }
    }

    /// The columns: the inputs, then the score.
    fn fields(&self) -> Vec<Field> {
        let kind = |kind: &ColumnKind| match kind {
            ColumnKind::Number => ValueType::Float,
            ColumnKind::Text => ValueType::Text,
        };
        let inputs = self.inputs.iter().map(String::as_str).zip(self.kinds.iter().map(kind));
        let score = self.score.map(|score| (score, ValueType::Float));
        let field = |(slot, (name, value_type)): (usize, (&str, ValueType))| Field {
            name: name.to_owned(),
            path: name.split('.').map(str::to_owned).collect(),
            value_type,
            slot,
            required: false,
            personal: false,
            timestamp_unit: None,
            zone: None,
            decimal_scale: None,
        };
        inputs.chain(score).enumerate().map(field).collect()
    }

    /// Refuses a file that lacks a column: its name is most likely another.
    fn check_columns(&self) -> Result<(), CommandError> {
        let Some(present) = read::names(self.path).map_err(CommandError::configuration)? else {
            return Ok(());
        };
        let wanted = self.inputs.iter().map(String::as_str).chain(self.score);
        let absent: Vec<&str> = wanted
            .filter(|name| !present.iter().any(|column| column == name))
            .collect();
        if absent.is_empty() {
            return Ok(());
        }
        Err(CommandError::configuration(anyhow!(
            "{} has no column {}; its columns are {}",
            self.path.display(),
            absent.join(", "),
            present.join(", ")
        )))
    }
}

fn input(value: &Value) -> Option<InputValue> {
    match value {
        Value::Float(number) => Some(InputValue::Number(*number)),
        Value::Text(text) => Some(InputValue::Text(text.to_string())),
        _ => None,
    }
}
