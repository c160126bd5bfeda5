//! Running a model.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::tract_ndarray::ArrayD;

use crate::guard::{brief, guarded};
use crate::model::Shared;
use crate::plan::{Input, Plan};
use crate::program::Program;
use crate::{Model, ModelError};

/// Runs a model on rows. Each thread has its own.
pub struct Scorer {
    model: Model,
    /// This thread's copy of the model's program, if it has one.
    program: Option<Box<Program>>,
    /// tract's state, for models that have none; thrown away after an error, which may leave it half-done.
    state: Option<TypedSimpleState>,
    /// Scratch of [`Scorer::score_each`].
    together: Vec<f32>,
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

impl Scorer {
    pub(crate) fn new(model: Model) -> Self {
        let program = model.shared.scoring.program.clone();
        Scorer {
            model,
            program,
            state: None,
            together: Vec::new(),
        }
    }

    /// Scores rows.
    ///
    /// `rows` holds the rows one after another, [`Model::input_width`] numbers each, NaN for a missing value; in a
    /// column of texts stand their codes ([`Model::text_code`], [`Model::encode`]). `scores` is cleared and filled with
    /// one score for each row. A row that misses an integer or a boolean has the score NaN.
    ///
    /// # Errors
    /// When `rows` is no whole number of rows, or the model fails on them.
    pub fn score(&mut self, rows: &[f32], scores: &mut Vec<f32>) -> Result<(), ModelError> {
        scores.clear();
        let shared = &*self.model.shared;
        let count = row_count(rows, shared.width)?;
        let (column, columns) = (shared.score_column, shared.score_columns);
        let take = |results: &[f32]| scores.extend(results.iter().skip(column).step_by(columns));
        let result = match &mut self.program {
            Some(program) => guarded(ModelError::Run, || program.run(rows, take).map_err(run_error)),
            None => run_scoring(shared, &mut self.state, rows, count, take),
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

    /// Scores any number of rows as [`Scorer::score`] does, but of rows that the model fails on only those have no score: one may
    /// spoil a batch, so each then gets its own chance.
    ///
    /// # Errors
    /// When `rows` is no whole number of rows.
    pub fn score_each(&mut self, rows: &[f32], scores: &mut Vec<Option<f32>>) -> Result<(), ModelError> {
        scores.clear();
        let width = self.model.input_width();
        let count = row_count(rows, width)?;
        let mut together = std::mem::take(&mut self.together);
        if self.score_any(rows, &mut together).is_ok() && together.len() == count {
            scores.extend(together.iter().copied().map(Some));
        } else {
            for row in rows.chunks_exact(width) {
                let ran = self.score_any(row, &mut together);
                scores.push(ran.ok().and_then(|()| together.first().copied()));
            }
        }
        self.together = together;
        Ok(())
    }

    /// Scores rows, whatever number of them the model is fixed to.
    fn score_any(&mut self, rows: &[f32], scores: &mut Vec<f32>) -> Result<(), ModelError> {
        let count = rows.len() / self.model.input_width();
        let fixed = self.model.shared.scoring.fixed_rows;
        if fixed.is_none_or(|fixed| count.is_multiple_of(fixed)) {
            return self.score(rows, scores);
        }
        self.score_padded(&mut rows.to_vec(), scores)
    }

    /// Scores rows, whatever number of them the model is fixed to: the last is repeated until they fit.
    pub(crate) fn score_padded(&mut self, rows: &mut Vec<f32>, scores: &mut Vec<f32>) -> Result<(), ModelError> {
        let shared = &*self.model.shared;
        let count = row_count(rows, shared.width)?;
        pad(rows, shared.width, &shared.scoring);
        self.score(rows, scores)?;
        scores.truncate(count);
        Ok(())
    }

    /// Computes every output of the model for any number of rows, for verification; slower than [`Scorer::score`].
    ///
    /// # Errors
    /// As [`Scorer::score`], and when an output other than the score's cannot be computed.
    pub fn outputs(&mut self, rows: &[f32]) -> Result<Vec<OutputValues>, ModelError> {
        let shared = self.model.shared.clone();
        let count = row_count(rows, shared.width)?;
        let plan = shared.verifying()?;
        let names = shared.description.outputs.iter().map(|output| output.name.clone());
        let empty = |name| OutputValues {
            name,
            shape: Vec::new(),
            values: Values::Numbers(Vec::new()),
        };
        let mut outputs: Vec<OutputValues> = names.map(empty).collect();
        let mut state = None;
        let mut rows = rows.to_vec();
        pad(&mut rows, shared.width, plan);
        in_batches(plan, &rows, shared.width, rows.len() / shared.width, |rows, count| {
            let tensors = run(plan, &mut state, &shared.inputs, shared.width, rows, count)?;
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

/// Repeats the last row until there are as many as the model runs on.
fn pad(rows: &mut Vec<f32>, width: usize, plan: &Plan) {
    let count = rows.len() / width;
    for _ in count..count.next_multiple_of(plan.fixed_rows.unwrap_or(1)) {
        rows.extend_from_within(rows.len() - width..);
    }
}

/// Has tract compute the output that holds the scores; calls `take` with its rows, some at a time.
fn run_scoring(
    shared: &Shared,
    state: &mut Option<TypedSimpleState>,
    rows: &[f32],
    count: usize,
    mut take: impl FnMut(&[f32]),
) -> Result<(), ModelError> {
    in_batches(&shared.scoring, rows, shared.width, count, |rows, count| {
        let tensors = run(&shared.scoring, state, &shared.inputs, shared.width, rows, count)?;
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

pub(crate) fn run_error(error: TractError) -> ModelError {
    ModelError::Run(brief(&error))
}

fn row_count(rows: &[f32], width: usize) -> Result<usize, ModelError> {
    match rows.len().is_multiple_of(width) {
        true => Ok(rows.len() / width),
        false => Err(ModelError::Rows {
            expected: width,
            given: rows.len(),
        }),
    }
}

/// All rows at once, or as many at a time as the model is fixed to.
fn in_batches(
    plan: &Plan,
    rows: &[f32],
    width: usize,
    count: usize,
    mut run: impl FnMut(&[f32], usize) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    match plan.fixed_rows {
        _ if count == 0 => Ok(()),
        None => run(rows, count),
        Some(fixed) if count.is_multiple_of(fixed) => {
            rows.chunks_exact(fixed * width).try_for_each(|rows| run(rows, fixed))
        }
        Some(fixed) => Err(ModelError::Run(format!(
            "the model runs on {fixed} rows at a time, {count} were given"
        ))),
    }
}

pub(crate) fn run(
    plan: &Plan,
    state: &mut Option<TypedSimpleState>,
    inputs: &[Input],
    width: usize,
    rows: &[f32],
    count: usize,
) -> Result<TVec<TValue>, ModelError> {
    guarded(ModelError::Run, || {
        let mut tensors = tvec!();
        for input in inputs {
            tensors.push(input_tensor(input, width, rows, count).map_err(run_error)?);
        }
        // A state that an error or a panic interrupts stays taken out.
        let mut running = match state.take() {
            Some(running) => running,
            None => TypedSimpleState::new(&Arc::clone(&plan.runnable)).map_err(run_error)?,
        };
        let outputs = running.run(tensors).map_err(run_error)?;
        *state = Some(running);
        Ok(outputs)
    })
}

/// The columns of `input` from each row, as its element type.
fn input_tensor(input: &Input, width: usize, rows: &[f32], count: usize) -> TractResult<TValue> {
    let shape: TVec<usize> = std::iter::once(count).chain(input.axes.iter().copied()).collect();
    let tensor = if input.columns == width {
        Tensor::from_shape(&shape, rows)?
    } else {
        let columns = input.first_column..input.first_column + input.columns;
        let values: Vec<f32> = rows
            .chunks_exact(width)
            .flat_map(|row| &row[columns.clone()])
            .copied()
            .collect();
        ArrayD::from_shape_vec(&*shape, values)?.into()
    };
    Ok(match tensor.cast_to_dt(input.datum)? {
        std::borrow::Cow::Borrowed(_) => tensor.into_tvalue(),
        std::borrow::Cow::Owned(cast) => cast.into_tvalue(),
    })
}

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
