//! Models exported by XGBoost, LightGBM, CatBoost, scikit-learn and PyTorch, against the outputs of ONNX Runtime.
//!
//! scripts/exports-reference writes them: a few into tests/data/exports, all of them into the directory that
//! `RISKSTREAM_EXPORTS` names.

mod support;

use std::path::{Path, PathBuf};

use riskstream_models::{Cell, LoadOptions, Model, ModelError, Values};
use serde_json::Value;

/// Of cases that name none. Relative for numbers above one, otherwise absolute.
const TOLERANCE: f64 = 1e-5;

/// A model and the outputs of ONNX Runtime.
struct Case {
    model: PathBuf,
    score: Option<String>,
    /// The error for a model that is refused.
    refused: Option<String>,
    tolerance: f64,
    /// Numbers, texts, and null for a missing number.
    rows: Vec<Vec<Value>>,
    /// For each output its elements: numbers, texts, null for NaN, and infinities as texts.
    outputs: Vec<(String, Vec<Value>)>,
}

fn cases(directory: &Path) -> Vec<Case> {
    let files = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let paths = files.map(|file| file.unwrap().path());
    let mut answers: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    answers.sort();
    answers.iter().map(|path| case(path)).collect()
}

fn case(path: &Path) -> Case {
    let mut case: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let outputs = case["outputs"].as_object().unwrap().iter();
    Case {
        model: path.with_extension("onnx"),
        score: text(&case["score"]),
        refused: text(&case["refused"]),
        tolerance: case["tolerance"].as_f64().unwrap_or(TOLERANCE),
        outputs: outputs.map(|(name, values)| (name.clone(), elements(values))).collect(),
        rows: serde_json::from_value(case["rows"].take()).unwrap(),
    }
}

/// The elements of nested lists.
fn elements(values: &Value) -> Vec<Value> {
    match values {
        Value::Array(values) => values.iter().flat_map(elements).collect(),
        other => vec![other.clone()],
    }
}

impl Case {
    fn load(&self) -> Result<Model, ModelError> {
        let score = self.score.as_ref().map(|score| score.parse().unwrap());
        Model::load(
            &self.model,
            &LoadOptions {
                score,
                ..LoadOptions::default()
            },
        )
    }

    /// The first difference from the expected outputs or error.
    fn problem(&self) -> Option<String> {
        let model = match (self.load(), &self.refused) {
            (Ok(model), None) => model,
            (Ok(_), Some(refused)) => return Some(format!("was accepted, expected: {refused}")),
            (Err(error), Some(refused)) if error.to_string().contains(refused) => return None,
            (Err(error), _) => return Some(error.to_string()),
        };
        self.compare(&model).unwrap_or_else(|error| Some(error.to_string()))
    }

    fn compare(&self, model: &Model) -> Result<Option<String>, ModelError> {
        let mut rows = Vec::new();
        for row in &self.rows {
            let cells: Vec<Cell<'_>> = row.iter().map(cell).collect();
            model.encode(&cells, &mut rows)?;
        }
        let mut scorer = model.scorer();
        let answers = scorer.outputs(&rows)?;
        for (name, expected) in &self.outputs {
            let answer = answers.iter().find(|answer| answer.name == *name);
            let difference = answer.map_or(Some("is missing".to_owned()), |answer| {
                self.difference(&answer.values, expected)
            });
            if let Some(difference) = difference {
                return Ok(Some(format!("output {name}: {difference}")));
            }
        }
        let (mut together, mut alone) = (Vec::new(), Vec::new());
        scorer.score(&rows, &mut together)?;
        for (row, &score) in rows.chunks(model.input_width()).zip(&together) {
            scorer.score(row, &mut alone)?;
            if !self.is_near(f64::from(alone[0]), f64::from(score)) {
                return Ok(Some(format!("alone a row scores {}, among others {score}", alone[0])));
            }
        }
        let score = model.description().score.clone().expect("a loaded model has a score");
        let (name, column) = score.trim_end_matches(']').split_once('[').expect("a column is named");
        let values = answers
            .into_iter()
            .find(|answer| answer.name == name)
            .map(|answer| answer.values);
        let Some(Values::Numbers(values)) = values else {
            return Ok(Some(format!("the score {score} is no number")));
        };
        let columns = values.len() / together.len();
        let column = values.iter().skip(column.parse().unwrap()).step_by(columns);
        let differs = column
            .zip(&together)
            .any(|(&value, &score)| !self.is_near(value, f64::from(score)));
        Ok(differs.then(|| "the scores are not those of the output".to_owned()))
    }

    fn is_near(&self, a: f64, b: f64) -> bool {
        (a - b).abs() <= self.tolerance * b.abs().max(1.0) || a == b || a.is_nan() && b.is_nan()
    }

    fn difference(&self, values: &Values, expected: &[Value]) -> Option<String> {
        let found: Vec<Value> = match values {
            Values::Numbers(numbers) => numbers.iter().map(|&number| as_json(number)).collect(),
            Values::Strings(strings) => strings.iter().map(|string| Value::from(string.as_str())).collect(),
        };
        if found.len() != expected.len() {
            return Some(format!("{} values, expected {}", found.len(), expected.len()));
        }
        let is_same = |(found, expected): (&Value, &Value)| match (found.as_f64(), expected.as_f64()) {
            // Integers are labels.
            (Some(found), Some(whole)) if expected.is_i64() => found == whole,
            (Some(found), Some(expected)) => self.is_near(found, expected),
            _ => found == expected,
        };
        let differs = |&index: &usize| !is_same((&found[index], &expected[index]));
        let first = (0..found.len()).find(differs)?;
        let count = (0..found.len()).filter(differs).count();
        Some(format!(
            "{count} of {} differ, the first at {first}: {}, expected {}",
            found.len(),
            found[first],
            expected[first]
        ))
    }
}

fn cell(value: &Value) -> Cell<'_> {
    match value {
        Value::String(text) => Cell::Text(text),
        Value::Null => Cell::Missing,
        number => Cell::Number(number.as_f64().unwrap()),
    }
}

/// A number as JSON, where NaN is null and infinities are "inf" and "-inf".
fn as_json(number: f64) -> Value {
    if number.is_infinite() {
        Value::from(number.to_string())
    } else {
        Value::from(number)
    }
}

#[test]
fn exports_answer_as_in_onnx_runtime() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/exports");
    let directory = std::env::var_os("RISKSTREAM_EXPORTS").map_or_else(|| default.into(), PathBuf::from);
    let cases = cases(&directory);
    assert!(!cases.is_empty(), "there are no models in {}", directory.display());
    let mut problems = Vec::new();
    for case in &cases {
        let name = case.model.file_stem().unwrap().to_string_lossy();
        problems.extend(case.problem().map(|problem| format!("{name}: {problem}")));
    }
    println!("{} models of {} agree", cases.len() - problems.len(), cases.len());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
