//! `riskstream.load_model` and `riskstream.write_card`.

use crate::columns::Columns;
use crate::errors;
use crate::explain::{Contributions, contributions};
use crate::host::Interrupt;
use crate::table::Input;
use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use pyo3::prelude::*;
use riskstream::commands::error::CommandError;
use riskstream::commands::models::card::{NewCard, inputs, write_card as write};
use riskstream::commands::models::rows::RowFile;
use riskstream::commands::models::verify::{load_with_card, verify_golden, verify_scores, without_card};
use riskstream_definition::cards::{Card, encode_row};
use riskstream_models::ScoreOutput;
use riskstream_offline::read::Source;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What messages call rows from Python.
pub const ROWS: &str = "the table";
/// Rows scored at once.
const BATCH: usize = 1024;

/// A model file, as the service loads it.
#[pyclass(frozen, module = "riskstream._riskstream")]
pub struct Model {
    file: PathBuf,
    model: riskstream_models::Model,
    card: Option<Card>,
    inputs: Vec<String>,
}

#[pymethods]
impl Model {
    /// Loads a model file and its card.
    #[new]
    fn new(py: Python<'_>, file: PathBuf, names: Option<Vec<String>>) -> PyResult<Model> {
        errors::run(py, || {
            let (model, card) = load_with_card(&file).map_err(|error| of_file(&file, error))?;
            if let Some(card) = &card {
                card.check(&model).map_err(|error| of_file(&file, failed(error)))?;
            }
            let inputs = match (&card, names) {
                (Some(card), None) => card.inputs.clone(),
                (_, names) => inputs(&model, names.as_deref())?,
            };
            Ok(Model {
                file,
                model,
                card,
                inputs,
            })
        })
    }

    /// The names of the model's inputs, in its order.
    #[getter]
    fn inputs(&self) -> Vec<String> {
        self.inputs.clone()
    }

    /// The SHA-256 of the file.
    #[getter]
    fn sha256(&self) -> &str {
        self.model.sha256()
    }

    /// The name that its card gives it.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.card.as_ref().map(|card| card.name.as_str())
    }

    /// The version that its card gives it.
    #[getter]
    fn version(&self) -> Option<&str> {
        self.card.as_ref().map(|card| card.version.as_str())
    }

    /// The output that is the score.
    #[getter]
    fn score_output(&self) -> Option<&str> {
        self.model.description().score.as_deref()
    }

    /// The scores of rows.
    fn score(&self, py: Python<'_>, rows: &Bound<'_, PyAny>) -> PyResult<Columns> {
        let source = Input::of(ROWS, rows)?.source();
        let mut interrupt = Interrupt::default();
        let scores = errors::run(py, || self.scores(&source, &mut interrupt));
        let scores = interrupt.finish(scores)?;
        let schema = Arc::new(Schema::new(vec![Field::new("score", DataType::Float64, true)]));
        let column: ArrayRef = Arc::new(Float64Array::from(scores));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]);
        let batch = batch.map_err(CommandError::failed);
        errors::run(py, || Ok(Columns::new(schema, vec![batch?])))
    }

    /// What moved the scores of rows.
    fn explain(&self, py: Python<'_>, rows: &Bound<'_, PyAny>) -> PyResult<Contributions> {
        let source = Input::of(ROWS, rows)?.source();
        let mut interrupt = Interrupt::default();
        let found = errors::run(py, || {
            let card = self.card.as_ref().ok_or_else(|| without_card(&self.file))?;
            self.refuse_sequences()?;
            let background = card.background_rows(&self.model).map_err(failed)?;
            let attribution = self.model.attribution(&background).map_err(failed)?;
            contributions(&self.model, &attribution, &self.inputs, &source, &mut interrupt)
        });
        interrupt.finish(found)
    }

    /// Compares scores with those of the card's golden rows, or of a column of `rows`.
    fn verify(
        &self,
        py: Python<'_>,
        rows: Option<Bound<'_, PyAny>>,
        score_column: String,
    ) -> PyResult<(usize, f64, String)> {
        let source = rows.map(|rows| Input::of(ROWS, &rows)).transpose()?.map(Input::source);
        let verified = errors::run(py, || {
            let card = self.card.as_ref().ok_or_else(|| without_card(&self.file))?;
            match &source {
                None => verify_golden(&self.model, card),
                Some(source) => verify_scores(&self.model, card, source, &score_column),
            }
        })?;
        Ok((verified.rows, verified.largest_difference, verified.text))
    }
}

impl Model {
    fn scores(&self, source: &Source, interrupt: &mut Interrupt) -> Result<Vec<Option<f64>>, CommandError> {
        self.refuse_sequences()?;
        let rows = RowFile {
            source,
            inputs: &self.inputs,
            kinds: self.model.columns(),
            score: None,
        };
        let mut scorer = self.model.scorer();
        let (mut matrix, mut in_batch) = (Vec::new(), 0);
        let (mut batch, mut scores) = (Vec::new(), Vec::new());
        let mut score = |matrix: &mut Vec<f64>, scores: &mut Vec<Option<f64>>| {
            scorer.score_each(matrix, &mut batch).map_err(failed)?;
            scores.extend(batch.iter().map(|score| score.map(f64::from)));
            matrix.clear();
            Ok::<(), CommandError>(())
        };
        rows.read_present(&mut |row| {
            encode_row(&self.model, &self.inputs, &row, &mut matrix).map_err(failed)?;
            in_batch += 1;
            if in_batch == BATCH {
                in_batch = 0;
                interrupt.check()?;
                score(&mut matrix, &mut scores)?;
            }
            Ok(())
        })?;
        score(&mut matrix, &mut scores)?;
        Ok(scores)
    }

    fn refuse_sequences(&self) -> Result<(), CommandError> {
        match self.inputs.len() == self.model.input_width() {
            true => Ok(()),
            false => Err(failed("a table cannot hold the sequences of this model")),
        }
    }
}

/// A failure with the name of the file, as `riskstream models verify` prints it.
fn of_file(file: &Path, error: CommandError) -> CommandError {
    match error {
        CommandError::Failed(error) => failed(format!("{}: {error:#}", file.display())),
        error => error,
    }
}

/// A failure, in words.
pub fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::failed(anyhow::anyhow!("{error}"))
}

/// Writes the first version of a model's card; its path.
#[pyfunction]
pub fn write_card(
    py: Python<'_>,
    model: PathBuf,
    data: &Bound<'_, PyAny>,
    inputs: Option<Vec<String>>,
    score_column: Option<String>,
    score: Option<String>,
) -> PyResult<PathBuf> {
    let data = Input::of(ROWS, data)?.source();
    errors::run(py, || {
        let score = score.map(|score| score.parse::<ScoreOutput>()).transpose();
        write(&NewCard {
            model: &model,
            data: &data,
            inputs: inputs.as_deref(),
            score_column: score_column.as_deref(),
            score: score.map_err(CommandError::configuration)?,
        })
    })
}
