//! Rows of a model's inputs from a file.

use crate::commands::error::CommandError;
use anyhow::anyhow;
use riskstream_definition::cards::{InputRow, InputValue};
use riskstream_models::ColumnKind;
use riskstream_offline::read::json_objects;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
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
    /// Hands each row to `take`, with its score: NaN if it has none.
    ///
    /// # Errors
    /// The file cannot be read, has no rows, has no value of some column in any row, or a value of the wrong kind; or
    /// `take` fails.
    pub fn read(&self, take: &mut dyn FnMut(InputRow, f64) -> Result<(), CommandError>) -> Result<(), CommandError> {
        let mut seen = Seen::default();
        let mut failure = None;
        json_objects(self.path, &mut |object| {
            let taken = self.row(object, &mut seen).and_then(|(row, score)| take(row, score));
            failure = taken.err();
            failure.is_none()
        })
        .map_err(CommandError::configuration)?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        self.check(&seen)
    }

    fn row(&self, object: &Map<String, Value>, seen: &mut Seen) -> Result<(InputRow, f64), CommandError> {
        seen.rows += 1;
        let number = seen.rows;
        seen.columns.extend(
            object
                .keys()
                .filter(|name| !seen.columns.contains(*name))
                .cloned()
                .collect::<Vec<_>>(),
        );
        let mut row = Vec::with_capacity(self.inputs.len());
        for (name, &kind) in self.inputs.iter().zip(self.kinds) {
            let found = find(object, name);
            if found.is_some() {
                seen.found.insert(name.clone());
            }
            row.push(value(found, kind).ok_or_else(|| self.wrong(number, name))?);
        }
        let Some(name) = self.score else {
            return Ok((row, f64::NAN));
        };
        let found = find(object, name);
        if found.is_some() {
            seen.found.insert(name.to_owned());
        }
        match value(found, ColumnKind::Number) {
            Some(None) => Ok((row, f64::NAN)),
            Some(Some(InputValue::Number(score))) => Ok((row, score)),
            _ => Err(self.wrong(number, name)),
        }
    }

    fn wrong(&self, number: usize, name: &str) -> CommandError {
        CommandError::configuration(anyhow!(
            "{}, row {number}: `{name}` is neither a number nor a text",
            self.path.display()
        ))
    }

    /// Refuses a file in which no row has a value of some column: its name is most likely another.
    fn check(&self, seen: &Seen) -> Result<(), CommandError> {
        let path = self.path.display();
        if seen.rows == 0 {
            return Err(CommandError::configuration(anyhow!("{path} has no rows")));
        }
        let wanted = self.inputs.iter().map(String::as_str).chain(self.score);
        let absent: Vec<&str> = wanted.filter(|name| !seen.found.contains(*name)).collect();
        if absent.is_empty() {
            return Ok(());
        }
        let present: Vec<&str> = seen.columns.iter().map(String::as_str).collect();
        Err(CommandError::configuration(anyhow!(
            "no row of {path} has a value for {}; its columns are {}",
            absent.join(", "),
            present.join(", ")
        )))
    }
}

/// What a file was found to hold.
#[derive(Default)]
struct Seen {
    rows: usize,
    /// All its columns.
    columns: BTreeSet<String>,
    /// The wanted columns of which some row has a value.
    found: BTreeSet<String>,
}

/// A column of a record. The parts of a name with dots may be nested objects.
fn find<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    object.get(name).or_else(|| {
        let (outer, inner) = name.split_once('.')?;
        find(object.get(outer)?.as_object()?, inner)
    })
}

/// The value of a column: for a column of numbers, texts are parsed, as CSV has no others. `None` for lists and objects.
fn value(found: Option<&Value>, kind: ColumnKind) -> Option<Option<InputValue>> {
    Some(match (found, kind) {
        (None | Some(Value::Null), _) => None,
        (Some(Value::Bool(truth)), _) => Some(InputValue::Truth(*truth)),
        (Some(Value::Number(number)), _) => number.as_f64().map(InputValue::Number),
        (Some(Value::String(text)), ColumnKind::Number) => number(text),
        (Some(Value::String(text)), ColumnKind::Text) => Some(InputValue::Text(text.clone())),
        (Some(Value::Array(_) | Value::Object(_)), _) => return None,
    })
}

/// What the text of a number stands for: NaN is a missing value. Any other text stays one, which the model refuses.
fn number(text: &str) -> Option<InputValue> {
    match text.trim() {
        "" | "null" | "NULL" => None,
        "true" | "True" => Some(InputValue::Truth(true)),
        "false" | "False" => Some(InputValue::Truth(false)),
        trimmed => match trimmed.parse::<f64>() {
            Ok(number) if number.is_nan() => None,
            Ok(number) => Some(InputValue::Number(number)),
            Err(_) => Some(InputValue::Text(text.to_owned())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_numbers_are_numbers() {
        let read = |json: &str, kind| value(Some(&serde_json::from_str(json).unwrap()), kind);
        let number = |number| Some(Some(InputValue::Number(number)));
        for (json, expected) in [
            ("1700000061.5", number(1_700_000_061.5)),
            ("\"-1e3\"", number(-1000.0)),
            ("\" 7 \"", number(7.0)),
            ("\"NaN\"", Some(None)),
            ("\"\"", Some(None)),
            ("null", Some(None)),
            ("\"True\"", Some(Some(InputValue::Truth(true)))),
            ("false", Some(Some(InputValue::Truth(false)))),
            ("\"x\"", Some(Some(InputValue::Text("x".to_owned())))),
            ("[1]", None),
        ] {
            assert_eq!(read(json, ColumnKind::Number), expected, "{json}");
        }
        let text = Some(Some(InputValue::Text("007".to_owned())));
        assert_eq!(read("\"007\"", ColumnKind::Text), text);
    }
}
