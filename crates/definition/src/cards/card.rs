//! The keys of a card, and how it is read and checked.

use super::error::CardError;
use super::reasons::ReasonSection;
use super::row::{InputRow, encode_row};
use crate::files::read_text;
use riskstream_models::Model;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A model card.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The model's name in decisions.
    pub name: String,
    /// The model's version in decisions.
    pub version: String,
    /// The SHA-256 of the model file, in hexadecimal.
    pub sha256: String,
    /// The names of the model's inputs, in its order. Each is one column, or `sequences[name]` columns.
    pub inputs: Vec<String>,
    /// The inputs that are sequences, each with its number of events.
    #[serde(default)]
    pub sequences: BTreeMap<String, usize>,
    /// The output that is the score.
    pub score: ScoreSection,
    /// The largest difference allowed between a score and that of its golden row.
    #[serde(default = "default_tolerance")]
    pub tolerance: f64,
    /// Rows, and their scores by the library that exported the model.
    #[serde(default)]
    pub golden_rows: Vec<GoldenRow>,
    /// Typical rows, with which explanations compare a row: a number or text for each column, null where missing.
    #[serde(default)]
    pub background: Vec<InputRow>,
    /// The reasons by input: what a decision says if the input raised the score.
    #[serde(default)]
    pub reasons: BTreeMap<String, ReasonSection>,
    #[serde(default, rename = "file")]
    _file: Option<String>,
    #[serde(default, rename = "description")]
    _description: Option<String>,
    #[serde(default, rename = "training")]
    _training: IgnoredAny,
    #[serde(default, rename = "validation")]
    _validation: IgnoredAny,
    #[serde(default, rename = "thresholds")]
    _thresholds: BTreeMap<String, f64>,
    #[serde(default, rename = "missing_values")]
    _missing_values: Option<String>,
    #[serde(default, rename = "limits")]
    _limits: IgnoredAny,
    #[serde(default, rename = "notes")]
    _notes: IgnoredAny,
    /// The SHA-256 of the card itself, in hexadecimal: explanations depend on its background rows and reasons.
    #[serde(skip)]
    pub digest: String,
}

/// The section `score:` of a card.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreSection {
    /// The output and its column, such as `probabilities[1]`.
    pub output: String,
    #[serde(default, rename = "meaning")]
    _meaning: Option<String>,
    #[serde(default, rename = "distribution")]
    _distribution: BTreeMap<String, f64>,
}

/// A row and its score.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenRow {
    /// A number or text for each column, null for a missing value.
    pub inputs: InputRow,
    /// The score.
    pub score: f64,
}

fn default_tolerance() -> f64 {
    1e-5
}

impl Card {
    /// The path of a model file's card: `fraud.card.yaml` for `fraud.onnx`.
    pub fn path(model: &Path) -> PathBuf {
        model.with_extension("card.yaml")
    }

    /// Reads the card of a model file; `None` if it has none.
    ///
    /// # Errors
    /// The file exists, but cannot be read or is not a card.
    pub fn of(model: &Path) -> Result<Option<Card>, CardError> {
        let path = Card::path(model);
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CardError::Read { path, source }),
        };
        Card::parse(&text)
            .map(Some)
            .map_err(|reason| CardError::Invalid { path, reason })
    }

    /// Parses the text of a card. The error is the first line of the reader's.
    fn parse(text: &str) -> Result<Card, String> {
        let card: Card = serde_saphyr::from_str(text).map_err(|error| first_line(&error.to_string()))?;
        let digest = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Card { digest, ..card })
    }

    /// Compares the card with its model file: the hash, the number of columns and the background rows. Checks the form
    /// of reasons.
    ///
    /// # Errors
    /// [`CardError::Hash`], [`CardError::Sequence`], [`CardError::Width`], [`CardError::Background`] and
    /// [`CardError::Reason`].
    pub fn check(&self, model: &Model) -> Result<(), CardError> {
        if !self.sha256.eq_ignore_ascii_case(model.sha256()) {
            return Err(CardError::Hash {
                found: model.sha256().to_owned(),
                expected: self.sha256.clone(),
            });
        }
        if let Some(name) = self.sequences.keys().find(|name| !self.inputs.contains(name)) {
            return Err(CardError::Sequence(name.clone()));
        }
        let width = self.width();
        if width != model.input_width() {
            return Err(CardError::Width {
                model: model.input_width(),
                card: width,
            });
        }
        self.background_rows(model)?;
        let mut reasons = self.reasons.iter();
        reasons.try_for_each(|(input, reason)| reason.check(input, &self.inputs))
    }

    /// The background rows one after another, in the form that the model's scorers take.
    ///
    /// # Errors
    /// [`CardError::Background`].
    pub fn background_rows(&self, model: &Model) -> Result<Vec<f64>, CardError> {
        let mut encoded = Vec::new();
        for (row, values) in (1..).zip(&self.background) {
            encode_row(model, &self.inputs, values, &mut encoded)
                .map_err(|error| CardError::Background { row, error })?;
        }
        Ok(encoded)
    }

    /// The number of columns that the inputs fill.
    fn width(&self) -> usize {
        let columns = |input| self.sequences.get(input).copied().unwrap_or(1);
        self.inputs.iter().map(columns).fold(0, usize::saturating_add)
    }
}

/// The place and the problem. Further lines of the reader's error quote the file.
fn first_line(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "{name: a, version: '1', sha256: 00, inputs: [x], score: {output: y}}";

    #[test]
    fn required_and_optional_keys() {
        let card = Card::parse(SMALLEST).unwrap();
        assert_eq!((card.tolerance, card.golden_rows.len()), (1e-5, 0));
        for key in ["name", "version", "sha256", "inputs", "score"] {
            let error = Card::parse(&SMALLEST.replacen(key, "notes", 1)).unwrap_err();
            assert!(error.contains(key), "{error}");
        }
        let error = Card::parse(&SMALLEST.replace("version", "golden_row: [], version")).unwrap_err();
        assert!(error.contains("golden_row"), "{error}");
    }

    #[test]
    fn golden_values_are_numbers_texts_or_missing() {
        let rows = "golden_rows: [{inputs: [1, -2.5e-3, null, DE, \"1\", 'NO', ''], score: 0.5}], version";
        let card = Card::parse(&SMALLEST.replace("version", rows)).unwrap();
        assert!(
            Card::parse(&SMALLEST.replace("version", &rows.replace("null", ".nan"))).is_err(),
            "null is missing"
        );
        let written: Vec<String> = card.golden_rows[0]
            .inputs
            .iter()
            .map(|value| format!("{value:?}"))
            .collect();
        assert_eq!(
            written,
            [
                "Some(Number(1.0))",
                "Some(Number(-0.0025))",
                "None",
                "Some(Text(\"DE\"))",
                "Some(Text(\"1\"))",
                "Some(Text(\"NO\"))",
                "Some(Text(\"\"))",
            ]
        );
    }
}
