//! Running a model.

use tract_onnx::prelude::*;

use crate::guard::{catch_panic, run_error};
use crate::model::SharedModel;
use crate::program::Program;
use crate::{Model, ModelError};

/// Runs a model on rows. Each thread has its own.
pub struct Scorer {
    model: Model,
    /// This thread's copy of the model's program, if it has one.
    program: Option<Box<Program>>,
    /// tract's state, for models without a program. Dropped after an error, which may leave it inconsistent.
    state: Option<TypedSimpleState>,
    /// Buffer of [`Scorer::score_each`].
    batch_scores: Vec<f32>,
}

/// One output of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputValues {
    /// Its name in the file.
    pub name: String,
    /// Its shape; the first axis counts rows. A ZipMap's maps are columns in the order of the class labels.
    pub shape: Vec<usize>,
    /// Its elements in row-major order.
    pub values: Values,
}

/// The elements of an output.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers of any type.
    Numbers(Vec<f64>),
    /// Strings, such as class labels.
    Strings(Vec<String>),
}

impl std::fmt::Debug for Scorer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Scorer")
            .field("model", &self.model.sha256())
            .finish_non_exhaustive()
    }
}

impl Model {
    /// A scorer of this model. Each thread takes its own.
    pub fn scorer(&self) -> Scorer {
        Scorer::new(self.clone())
    }
}

impl Scorer {
    fn new(model: Model) -> Self {
        let program = model.shared.scoring.program.clone();
        Scorer {
            model,
            program,
            state: None,
            batch_scores: Vec::new(),
        }
    }

    /// Scores rows.
    ///
    /// `rows` holds the rows one after another, [`Model::input_width`] numbers each. A number reaches the model in the
    /// type of its input: a double as it is, a float rounded. NaN is a missing value; a column of texts holds their
    /// codes ([`Model::text_code`], [`Model::encode`]). `scores` is cleared and filled with one score for each row. The
    /// score is NaN if an integer or a boolean of the row is missing.
    ///
    /// # Errors
    /// When the length of `rows` is not a multiple of [`Model::input_width`], or the model fails on them.
    pub fn score(&mut self, rows: &[f64], scores: &mut Vec<f32>) -> Result<(), ModelError> {
        scores.clear();
        let shared = &*self.model.shared;
        row_count(rows, shared.width)?;
        let (column, columns) = (shared.score_column, shared.score_columns);
        let take = |results: &[f32]| scores.extend(results.iter().skip(column).step_by(columns));
        let result = match &mut self.program {
            Some(program) => catch_panic(ModelError::Run, || program.run(rows, take).map_err(run_error)),
            None => run_scoring(shared, &mut self.state, rows, take),
        };
        if result.is_err() {
            self.state = None;
            scores.clear();
        }
        for &column in &shared.integer_columns {
            let values = rows.iter().skip(column).step_by(shared.width);
            for (score, _) in scores.iter_mut().zip(values).filter(|(_, value)| value.is_nan()) {
                *score = f32::NAN;
            }
        }
        result
    }

    /// Scores any number of rows as [`Scorer::score`] does. If the model fails on the batch, each row is scored alone,
    /// and the score of a row that the model fails on is `None`.
    ///
    /// # Errors
    /// When the length of `rows` is not a multiple of [`Model::input_width`].
    pub fn score_each(&mut self, rows: &[f64], scores: &mut Vec<Option<f32>>) -> Result<(), ModelError> {
        scores.clear();
        let width = self.model.input_width();
        let count = row_count(rows, width)?;
        let mut batch_scores = std::mem::take(&mut self.batch_scores);
        if self.score_any(rows, &mut batch_scores).is_ok() && batch_scores.len() == count {
            scores.extend(batch_scores.iter().copied().map(Some));
        } else {
            for row in rows.chunks_exact(width) {
                let scored = self.score_any(row, &mut batch_scores);
                scores.push(scored.ok().and_then(|()| batch_scores.first().copied()));
            }
        }
        self.batch_scores = batch_scores;
        Ok(())
    }

    /// Scores any number of rows, also if the model runs on a fixed number.
    fn score_any(&mut self, rows: &[f64], scores: &mut Vec<f32>) -> Result<(), ModelError> {
        let count = rows.len() / self.model.input_width();
        let fixed = self.model.shared.scoring.fixed_rows;
        if fixed.is_none_or(|fixed| count.is_multiple_of(fixed)) {
            return self.score(rows, scores);
        }
        self.score_padded(&mut rows.to_vec(), scores)
    }

    /// Scores any number of rows: repeats the last one up to a multiple of the model's fixed number of rows.
    pub(crate) fn score_padded(&mut self, rows: &mut Vec<f64>, scores: &mut Vec<f32>) -> Result<(), ModelError> {
        let shared = &*self.model.shared;
        let count = row_count(rows, shared.width)?;
        shared.scoring.pad(rows, shared.width);
        self.score(rows, scores)?;
        scores.truncate(count);
        Ok(())
    }

    /// Computes every output of the model for any number of rows, to verify the model. Slower than [`Scorer::score`].
    ///
    /// # Errors
    /// As [`Scorer::score`], and when an output other than the score's cannot be computed.
    pub fn outputs(&mut self, rows: &[f64]) -> Result<Vec<OutputValues>, ModelError> {
        let shared = self.model.shared.clone();
        let count = row_count(rows, shared.width)?;
        let graph = shared.all_outputs()?;
        let names = shared.description.outputs.iter().map(|output| output.name.clone());
        let empty = |name| OutputValues {
            name,
            shape: Vec::new(),
            values: Values::Numbers(Vec::new()),
        };
        let mut outputs: Vec<OutputValues> = names.map(empty).collect();
        let mut state = None;
        let mut rows = rows.to_vec();
        graph.pad(&mut rows, shared.width);
        graph.in_batches(&rows, shared.width, |rows, count| {
            let tensors = graph.run(&mut state, &shared.inputs, shared.width, rows, count)?;
            outputs
                .iter_mut()
                .zip(&tensors)
                .try_for_each(|(output, tensor)| append(output, tensor))
                .map_err(run_error)
        })?;
        outputs.iter_mut().for_each(|output| output.truncate(count));
        Ok(outputs)
    }
}

impl OutputValues {
    /// Keeps the first `count` rows.
    fn truncate(&mut self, count: usize) {
        let Some(rows) = self.shape.first_mut().filter(|rows| **rows > count) else {
            return;
        };
        match &mut self.values {
            Values::Numbers(numbers) => numbers.truncate(numbers.len() / *rows * count),
            Values::Strings(strings) => strings.truncate(strings.len() / *rows * count),
        }
        *rows = count;
    }
}

/// Has tract compute the output that holds the scores, and calls `take` with its rows, a batch at a time.
fn run_scoring(
    shared: &SharedModel,
    state: &mut Option<TypedSimpleState>,
    rows: &[f64],
    mut take: impl FnMut(&[f32]),
) -> Result<(), ModelError> {
    let graph = &shared.scoring;
    graph.in_batches(rows, shared.width, |rows, count| {
        let tensors = graph.run(state, &shared.inputs, shared.width, rows, count)?;
        let tensor = tensors[0].cast_to::<f32>().map_err(run_error)?;
        let values = tensor
            .try_as_plain_ram()
            .and_then(|plain| plain.as_slice::<f32>())
            .map_err(run_error)?;
        if values.len() != count * shared.score_columns {
            return Err(ModelError::Run(format!("{} scores for {count} rows", values.len())));
        }
        take(values);
        Ok(())
    })
}

fn row_count(rows: &[f64], width: usize) -> Result<usize, ModelError> {
    match rows.len().is_multiple_of(width) {
        true => Ok(rows.len() / width),
        false => Err(ModelError::Rows {
            expected: width,
            given: rows.len(),
        }),
    }
}

/// Appends the rows of `tensor` to `output`.
fn append(output: &mut OutputValues, tensor: &TValue) -> TractResult<()> {
    match output.shape.first_mut() {
        Some(rows) => *rows += tensor.shape().first().copied().unwrap_or(1),
        None => output.shape = tensor.shape().to_vec(),
    }
    if tensor.datum_type() == String::datum_type() {
        let strings = tensor.try_as_plain_ram()?.as_slice::<String>()?;
        match &mut output.values {
            Values::Strings(values) => values.extend_from_slice(strings),
            Values::Numbers(_) => output.values = Values::Strings(strings.to_vec()),
        }
        return Ok(());
    }
    let cast = tensor.cast_to::<f64>()?;
    if let Values::Numbers(values) = &mut output.values {
        values.extend_from_slice(cast.try_as_plain_ram()?.as_slice::<f64>()?);
    }
    Ok(())
}
