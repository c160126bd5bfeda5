//! The output and column that hold the score.

use std::fmt;
use std::str::FromStr;

/// The output and column of a model that hold the score, written `output` or `output[column]`.
///
/// ```
/// use riskstream_models::ScoreOutput;
/// let score: ScoreOutput = "probabilities[1]".parse().unwrap();
/// assert_eq!((score.output.as_str(), score.column), ("probabilities", Some(1)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreOutput {
    /// Name of the graph output.
    pub output: String,
    /// Column of that output, from 0. `None`: its only column, or the second of two.
    pub column: Option<usize>,
}

/// The text is not a score output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a score output; write the output's name, or name[column] with columns counted from 0, such as probabilities[1]"
)]
pub struct ParseScoreOutputError {
    text: String,
}

impl FromStr for ScoreOutput {
    type Err = ParseScoreOutputError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseScoreOutputError { text: text.to_owned() };
        let trimmed = text.trim();
        let Some(without_bracket) = trimmed.strip_suffix(']') else {
            let plain = !trimmed.is_empty() && !trimmed.contains('[');
            return plain
                .then(|| ScoreOutput {
                    output: trimmed.to_owned(),
                    column: None,
                })
                .ok_or_else(error);
        };
        let (output, column) = without_bracket.rsplit_once('[').ok_or_else(error)?;
        if output.is_empty() {
            return Err(error());
        }
        let column = column.trim().parse().map_err(|_| error())?;
        Ok(ScoreOutput {
            output: output.to_owned(),
            column: Some(column),
        })
    }
}

impl fmt::Display for ScoreOutput {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(formatter, "{}[{column}]", self.output),
            None => formatter.write_str(&self.output),
        }
    }
}
