//! The first version of a card, from a model and rows of a file. Its author completes it.

use super::row::{InputRow, InputValue};
use riskstream_models::Model;
use std::fmt::{self, Write};

/// How many rows a draft has for explanations, and how many with their scores.
const BACKGROUND_ROWS: usize = 16;
const GOLDEN_ROWS: usize = 10;

/// The data of a draft.
pub struct CardDraft<'a> {
    /// The model.
    pub model: &'a Model,
    /// The name of the model file.
    pub file: &'a str,
    /// The names of the model's columns.
    pub inputs: &'a [String],
    /// Rows of the file, in its order.
    pub rows: &'a [InputRow],
    /// The scores of these rows by the exporting library, if the file has them.
    pub scores: Option<&'a [f64]>,
}

impl fmt::Display for CardDraft<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file.strip_suffix(".onnx").unwrap_or(self.file);
        let score = self.model.description().score.as_deref().unwrap_or_default();
        writeln!(
            out,
            "# The first version, written by `riskstream models card`. Complete it; docs/models.md has the keys."
        )?;
        writeln!(out, "name: {}", quoted(name))?;
        writeln!(out, "version: \"1\"")?;
        writeln!(out, "file: {}", quoted(self.file))?;
        writeln!(out, "# description: what the model is for")?;
        writeln!(out, "sha256: {}", quoted(self.model.sha256()))?;
        writeln!(out, "inputs:")?;
        self.inputs
            .iter()
            .try_for_each(|input| writeln!(out, "  - {}", quoted(input)))?;
        writeln!(out, "score:")?;
        writeln!(out, "  output: {}", quoted(score))?;
        writeln!(out, "  # meaning: what the score means, in words")?;
        writeln!(out, "# reasons: codes and texts for decisions")?;
        writeln!(
            out,
            "# Rows of the file at equal distances. Explanations compare a row with them: keep ordinary ones."
        )?;
        writeln!(out, "background:")?;
        let rows = self.writable();
        for place in evenly(rows.len(), BACKGROUND_ROWS) {
            writeln!(out, "  - {}", list(&self.rows[rows[place]]))?;
        }
        let Some(scores) = self.scores else {
            return writeln!(
                out,
                "# golden_rows: give the file a column of the exporting library's scores, then `--score-column NAME`"
            );
        };
        writeln!(
            out,
            "# Rows and their scores by the exporting library, from the lowest score to the highest."
        )?;
        writeln!(out, "golden_rows:")?;
        for row in self.golden(scores) {
            writeln!(
                out,
                "  - {{inputs: {}, score: {:?}}}",
                list(&self.rows[row]),
                scores[row]
            )?;
        }
        Ok(())
    }
}

impl CardDraft<'_> {
    /// The rows without infinite numbers, which a card cannot hold.
    fn writable(&self) -> Vec<usize> {
        let is_infinite = |value: &Option<InputValue>| matches!(value, Some(InputValue::Number(n)) if n.is_infinite());
        let rows = self.rows.iter().enumerate();
        rows.filter(|(_, row)| !row.iter().any(is_infinite))
            .map(|(place, _)| place)
            .collect()
    }

    /// Rows from low to high scores, a third of them from those with missing values.
    fn golden(&self, scores: &[f64]) -> Vec<usize> {
        let mut order = self.writable();
        order.retain(|&row| scores[row].is_finite());
        order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        let (missing, complete): (Vec<usize>, Vec<usize>) =
            order.into_iter().partition(|&row| self.rows[row].contains(&None));
        let incomplete = evenly(missing.len(), GOLDEN_ROWS / 3).map(|place| missing[place]);
        let mut golden: Vec<usize> = incomplete.collect();
        golden.extend(evenly(complete.len(), GOLDEN_ROWS - golden.len()).map(|place| complete[place]));
        golden.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        golden
    }
}

/// Up to `wanted` of `count` places at equal distances, the first and the last among them.
fn evenly(count: usize, wanted: usize) -> impl Iterator<Item = usize> {
    let taken = wanted.min(count);
    (0..taken).map(move |place| place * (count - 1) / (taken - 1).max(1))
}

fn list(row: &InputRow) -> String {
    let mut text = String::from("[");
    for (place, value) in row.iter().enumerate() {
        let separator = if place == 0 { "" } else { ", " };
        let _ = match value {
            None => write!(text, "{separator}null"),
            Some(InputValue::Number(value)) => write!(text, "{separator}{value:?}"),
            Some(InputValue::Truth(truth)) => write!(text, "{separator}{truth}"),
            Some(InputValue::Text(value)) => write!(text, "{separator}{}", quoted(value)),
        };
    }
    text + "]"
}

/// A text in double quotes, as YAML and JSON write it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_spread_from_the_first_to_the_last() {
        assert_eq!(evenly(5, 3).collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(evenly(100, 4).collect::<Vec<_>>(), [0, 33, 66, 99]);
        assert_eq!(evenly(2, 16).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(evenly(1, 16).collect::<Vec<_>>(), [0]);
        assert_eq!(evenly(0, 16).count(), 0);
    }

    #[test]
    fn values_are_written_as_yaml_reads_them() {
        let row = vec![
            Some(InputValue::Number(1_700_000_061.5)),
            Some(InputValue::Number(1e-7)),
            Some(InputValue::Truth(true)),
            Some(InputValue::Text("no: \"1\"\\\n#".to_owned())),
            None,
        ];
        let read: InputRow = serde_saphyr::from_str(&list(&row)).unwrap();
        assert_eq!(read, row);
    }
}
