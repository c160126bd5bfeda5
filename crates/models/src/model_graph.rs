//! The part of a model that computes some of its outputs, ready to run.

use std::sync::Arc;

use tract_onnx::prelude::*;

use crate::ModelError;
use crate::guard::{catch_panic, run_error};
use crate::input::Input;
use crate::program::Program;

/// A graph that tract has optimized, for some of a model's outputs.
#[derive(Debug)]
pub(crate) struct ModelGraph {
    pub runnable: Arc<TypedSimplePlan>,
    /// The same computation without tensors, if the graph allows it.
    pub program: Option<Box<Program>>,
    /// The number of rows of each run, if it is fixed.
    pub fixed_rows: Option<usize>,
    /// For each output the number of columns in a row, if known.
    pub output_columns: Vec<Option<usize>>,
}

impl ModelGraph {
    /// Computes the outputs of `count` rows of `width` numbers. `state` is tract's, created when absent, and absent
    /// again after an error or a panic, which may leave it inconsistent.
    pub fn run(
        &self,
        state: &mut Option<TypedSimpleState>,
        inputs: &[Input],
        width: usize,
        rows: &[f64],
        count: usize,
    ) -> Result<TVec<TValue>, ModelError> {
        catch_panic(ModelError::Run, || {
            let mut tensors = tvec!();
            for input in inputs {
                tensors.push(input.tensor(width, rows, count).map_err(run_error)?);
            }
            let mut running = match state.take() {
                Some(running) => running,
                None => TypedSimpleState::new(&Arc::clone(&self.runnable)).map_err(run_error)?,
            };
            let outputs = running.run(tensors).map_err(run_error)?;
            *state = Some(running);
            Ok(outputs)
        })
    }

    /// Repeats the last row until the number of rows is a multiple of [`ModelGraph::fixed_rows`].
    pub fn pad(&self, rows: &mut Vec<f64>, width: usize) {
        let count = rows.len() / width;
        for _ in count..count.next_multiple_of(self.fixed_rows.unwrap_or(1)) {
            rows.extend_from_within(rows.len() - width..);
        }
    }

    /// Calls `run` with all rows at once, or with [`ModelGraph::fixed_rows`] at a time.
    pub fn in_batches(
        &self,
        rows: &[f64],
        width: usize,
        mut run: impl FnMut(&[f64], usize) -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        let count = rows.len() / width;
        match self.fixed_rows {
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
}
