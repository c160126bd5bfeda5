//! Model cards: what whoever trained a model says of it, in a YAML file beside it.
//!
//! `fraud.onnx` has its card in `fraud.card.yaml`. docs/models.md is the reference of its keys.

mod golden;
mod reasons;

pub use golden::{Mismatch, Verified, verify};
pub use reasons::{Part, ReasonSection};

use riskstream_models::Model;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longer than any card.
const MOST_BYTES: u64 = 16 << 20;

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
    /// The names of the model's inputs, in its order: a column each, but for those that are sequences.
    pub inputs: Vec<String>,
    /// The inputs that are sequences, and how many events each holds.
    #[serde(default)]
    pub sequences: BTreeMap<String, usize>,
    /// Which output is the score, and what it means.
    pub score: ScoreSection,
    /// What the golden rows' scores may differ by.
    #[serde(default = "default_tolerance")]
    pub tolerance: f64,
    /// Rows and the scores that the exporting library gives them.
    #[serde(default)]
    pub golden_rows: Vec<GoldenRow>,
    /// Ordinary rows that explanations compare another with: numbers in the order of `inputs`, null where missing.
    #[serde(default)]
    pub background: Vec<Vec<Option<f32>>>,
    /// For inputs by name: what is told where they raised the score.
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
    /// The SHA-256 of the card itself, in hexadecimal: explanations depend on what it says.
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

/// A row and the score that it must get.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenRow {
    /// A number or text for each input, null for a missing value.
    pub inputs: Vec<Option<GoldenValue>>,
    /// The score.
    pub score: f64,
}

/// A value of a golden row.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum GoldenValue {
    /// For a column of numbers.
    Number(f64),
    /// For a column of numbers too: 1 or 0.
    Truth(bool),
    /// For a column of texts.
    Text(String),
}

fn default_tolerance() -> f64 {
    1e-5
}

/// What is wrong with a card, or between it and its model.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// The file could not be read.
    #[error("cannot read the model card {path}: {source}")]
    Read {
        /// The card.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It is no model card.
    #[error("{path} is no model card: {reason}")]
    Invalid {
        /// The card.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// It belongs to another file.
    #[error("the model's SHA-256 is {found}, its card says {expected}")]
    Hash {
        /// What the file has.
        found: String,
        /// What the card says.
        expected: String,
    },
    /// A background row is of another length.
    #[error("row {row} of `background` has {values} values, the model takes {inputs}")]
    Background {
        /// The row, counted from 1.
        row: usize,
        /// How many values it has.
        values: usize,
        /// How many it should have.
        inputs: usize,
    },
    /// What it says of an input that raised the score is of no use.
    #[error("line {line} of the card, the reason of `{input}`: {problem}")]
    Reason {
        /// The line, counted from 1.
        line: u64,
        /// The name of the input.
        input: String,
        /// What is wrong.
        problem: String,
    },
    /// A sequence is none of the inputs.
    #[error("`sequences` of the card has `{0}`, `inputs` has not")]
    Sequence(String),
    /// It lists another number of inputs than the model has.
    #[error("the model takes {model} inputs, its card lists {card}")]
    Width {
        /// How many columns the model takes.
        model: usize,
        /// How many the card's inputs fill.
        card: usize,
    },
}

impl Card {
    /// Where the card of a model file is.
    pub fn path(model: &Path) -> PathBuf {
        model.with_extension("card.yaml")
    }

    /// Reads the card of a model file; `None` if it has none.
    ///
    /// # Errors
    /// The file is there but cannot be read or is no card.
    pub fn of(model: &Path) -> Result<Option<Card>, CardError> {
        let path = Card::path(model);
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CardError::Read { path, source }),
        };
        match serde_saphyr::from_str::<Card>(&text) {
            Ok(card) => Ok(Some(Card {
                digest: Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect(),
                ..card
            })),
            Err(error) => Err(CardError::Invalid {
                path,
                reason: first_line(&error.to_string()),
            }),
        }
    }

    /// Refuses a card that belongs to another file, or names another number of inputs, or whose background rows do not
    /// have as many, or whose reasons are not well formed.
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
        if let Some((row, values)) = (1..).zip(&self.background).find(|(_, row)| row.len() != width) {
            return Err(CardError::Background {
                row,
                values: values.len(),
                inputs: width,
            });
        }
        let mut reasons = self.reasons.iter();
        reasons.try_for_each(|(input, reason)| reason.check(input, &self.inputs))
    }
}

impl Card {
    /// How many columns the inputs fill.
    fn width(&self) -> usize {
        let columns = |input| self.sequences.get(input).copied().unwrap_or(1);
        self.inputs.iter().map(columns).fold(0, usize::saturating_add)
    }
}

/// The place and what is wrong there; the reader goes on to quote the file.
fn first_line(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    match text.len() as u64 > MOST_BYTES {
        true => Err(std::io::Error::other(format!("it is longer than {MOST_BYTES} bytes"))),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "{name: a, version: '1', sha256: 00, inputs: [x], score: {output: y}}";

    fn parse(text: &str) -> Result<Card, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_card_must_say_and_what_it_may() {
        let card = parse(SMALLEST).unwrap();
        assert_eq!((card.tolerance, card.golden_rows.len()), (1e-5, 0));
        for key in ["name", "version", "sha256", "inputs", "score"] {
            let error = parse(&SMALLEST.replacen(key, "notes", 1)).unwrap_err();
            assert!(error.contains(key), "{error}");
        }
        let error = parse(&SMALLEST.replace("version", "golden_row: [], version")).unwrap_err();
        assert!(error.contains("golden_row"), "{error}");
    }

    #[test]
    fn golden_values_are_numbers_texts_or_missing() {
        let rows = "golden_rows: [{inputs: [1, -2.5e-3, null, DE, \"1\", 'NO', ''], score: 0.5}], version";
        let card = parse(&SMALLEST.replace("version", rows)).unwrap();
        assert!(
            parse(&SMALLEST.replace("version", &rows.replace("null", ".nan"))).is_err(),
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
