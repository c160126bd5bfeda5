//! Rows of a model's inputs from a file.

use crate::commands::error::CommandError;
use anyhow::anyhow;
use riskstream_definition::cards::{InputRow, InputValue};
use riskstream_definition::nearest;
use riskstream_events::{Field, InputFields, Row, Value, ValueType};
use riskstream_models::ColumnKind;
use riskstream_offline::read::{Next, Source};

/// A file with a column for each input of a model.
pub struct RowFile<'a> {
    /// The file.
    pub source: &'a Source,
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
    /// The file cannot be read, has no rows, a value of another kind, or no value of some column in any row; or `take`
    /// fails.
    pub fn read(&self, take: &mut dyn FnMut(InputRow, f64) -> Result<(), CommandError>) -> Result<(), CommandError> {
        let mut has_value = vec![false; self.inputs.len() + usize::from(self.score.is_some())];
        let mut count = 0usize;
        self.each(&mut |row| {
            count += 1;
            for (has_value, value) in has_value.iter_mut().zip(row) {
                *has_value |= !value.is_null();
            }
            let inputs = row.iter().take(self.inputs.len()).map(input_value).collect();
            let score = self.score.and_then(|_| row[self.inputs.len()].as_number());
            take(inputs, score.unwrap_or(f64::NAN))
        })?;
        self.check(count, &has_value)
    }

    /// Hands each row to `take`. Its columns have to be there; of their values any may be missing, in all rows too.
    ///
    /// # Errors
    /// The rows cannot be read, lack a column, or have a value of another kind; or `take` fails.
    pub fn read_present(&self, take: &mut dyn FnMut(InputRow) -> Result<(), CommandError>) -> Result<(), CommandError> {
        if let Some(names) = self.source.names().map_err(CommandError::configuration)?
            && let Some(absent) = self.inputs.iter().find(|input| !names.contains(input))
        {
            let nearest = nearest(absent, names.iter().map(String::as_str));
            let nearest = nearest.map_or(String::new(), |nearest| format!(" (did you mean `{nearest}`?)"));
            return Err(CommandError::configuration(anyhow!(
                "{}: there is no column `{absent}`{nearest}; it has {}",
                self.source,
                names.join(", ")
            )));
        }
        self.each(&mut |row| take(row.iter().map(input_value).collect()))
    }

    fn each(&self, take: &mut dyn FnMut(&Row) -> Result<(), CommandError>) -> Result<(), CommandError> {
        let mut rows = self.source.open(&self.fields()?).map_err(CommandError::configuration)?;
        let mut row = Row::default();
        loop {
            match rows.next(&mut row).map_err(CommandError::configuration)? {
                Next::End => return Ok(()),
                Next::Row => take(&row)?,
                Next::Rejected(record, rejection) => {
                    return Err(CommandError::configuration(anyhow!(
                        "{}, record {record}: {}",
                        self.source,
                        rejection.detail
                    )));
                }
            }
        }
    }

    /// A field for each input, then one for the score.
    fn fields(&self) -> Result<InputFields, CommandError> {
        let inputs = self.inputs.iter().zip(self.kinds).map(|(name, kind)| match kind {
            ColumnKind::Number => (name.as_str(), ValueType::Float),
            ColumnKind::Text => (name.as_str(), ValueType::Text),
        });
        let columns = inputs.chain(self.score.map(|name| (name, ValueType::Float)));
        let fields = columns.enumerate();
        let fields = fields.map(|(slot, (name, value_type))| Field::at(name, value_type, slot));
        InputFields::new(fields.collect(), None).map_err(CommandError::configuration)
    }

    /// Refuses a file in which no row has a value of some column: most likely the column has another name.
    fn check(&self, count: usize, has_value: &[bool]) -> Result<(), CommandError> {
        let path = self.source;
        if count == 0 {
            return Err(CommandError::configuration(anyhow!("{path} has no rows")));
        }
        let names = self.inputs.iter().map(String::as_str).chain(self.score);
        let absent: Vec<String> = names
            .zip(has_value)
            .filter(|(_, has_value)| !**has_value)
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        match absent.is_empty() {
            true => Ok(()),
            false => Err(CommandError::configuration(anyhow!(
                "no row of {path} has a value for {}: give each input a column of its name, and the scores one that \
                 `--score-column` names",
                absent.join(", ")
            ))),
        }
    }
}

fn input_value(value: &Value) -> Option<InputValue> {
    match value {
        Value::Text(text) => Some(InputValue::Text(text.to_string())),
        value => value.as_number().map(InputValue::Number),
    }
}
