//! Runs a loaded graph on a few rows, before it scores real ones.
//!
//! This finds three faults that loading does not:
//!
//! - A graph fails on every row. tract checks some types only when it computes.
//! - The outputs of a row depend on the other rows of its batch (quantisation by the batch's range, softmax or mean
//!   over the first axis). A score would then depend on which transactions are scored together.
//! - tract takes the number of rows for 1 within some stacked and bidirectional LSTMs.

use tract_onnx::prelude::*;

use crate::ModelError;
use crate::corrections::OUT_OF_RANGE;
use crate::input::Input;
use crate::model_graph::ModelGraph;
use crate::operators::encoding::UNKNOWN_CATEGORY;

/// Whether the outputs of a row depend on the other rows of its batch.
pub(crate) enum RowDependence {
    /// They do not, or the file fixes the number of rows in a batch.
    Independent,
    /// They do, or the graph fails on more than one row.
    Dependent,
}

/// Runs three rows one by one, then those that succeeded in one batch, and compares the outputs.
///
/// # Errors
/// When the graph fails on every row, at least once for another reason than the values in the row.
pub(crate) fn check(graph: &ModelGraph, inputs: &[Input]) -> Result<RowDependence, ModelError> {
    let width: usize = inputs.iter().map(|input| input.columns).sum();
    let run = |rows: &[f64]| graph.run(&mut None, inputs, width, rows, rows.len() / width);
    let count = graph.fixed_rows.unwrap_or(1);
    let mut model_error = None;
    let (mut rows, mut alone) = (Vec::new(), Vec::new());
    for value in [|_| 0.0, |_| 1.0, varied] {
        let row: Vec<f64> = (0..width).map(value).collect();
        match run(&row.repeat(count)) {
            Ok(outputs) => {
                rows.extend(row);
                alone.push(outputs);
            }
            Err(error) => model_error = model_error.or((!is_due_to_row(&error)).then_some(error)),
        }
    }
    if let (true, Some(error)) = (alone.is_empty(), model_error) {
        return Err(ModelError::Invalid(format!("it fails on every row tried: {error}")));
    }
    if alone.is_empty() || graph.fixed_rows.is_some() || graph.program.is_some() {
        return Ok(RowDependence::Independent);
    }
    let is_independent = run(&rows).is_ok_and(|batch| are_same(&batch, &alone));
    Ok(if is_independent {
        RowDependence::Independent
    } else {
        RowDependence::Dependent
    })
}

/// Whether the error is due to the values in the row: a category or an index that the model does not know. tract panics
/// on some indices.
fn is_due_to_row(error: &ModelError) -> bool {
    let text = error.to_string();
    [UNKNOWN_CATEGORY, OUT_OF_RANGE, "panic: "]
        .iter()
        .any(|cause| text.contains(cause))
}

/// Numbers of both signs, integers among them.
fn varied(column: usize) -> f64 {
    const NUMBERS: [f64; 5] = [0.37, -1.7, 3.0, 12.5, -0.02];
    NUMBERS[column % NUMBERS.len()]
}

/// Whether each output of the batch holds the same rows as the outputs of the rows run alone.
fn are_same(batch: &[TValue], alone: &[TVec<TValue>]) -> bool {
    let is_same = |(index, output): (usize, &TValue)| {
        let expected: Option<Vec<f64>> = alone
            .iter()
            .map(|outputs| numbers(&outputs[index]))
            .collect::<Option<Vec<_>>>()
            .map(|rows| rows.concat());
        match (numbers(output), expected) {
            (Some(found), Some(expected)) => {
                found.len() == expected.len()
                    && found
                        .iter()
                        .zip(&expected)
                        .all(|(found, expected)| is_close(*found, *expected))
            }
            // Texts are not compared.
            (found, expected) => found.is_none() && expected.is_none(),
        }
    };
    batch.iter().enumerate().all(is_same)
}

fn numbers(tensor: &TValue) -> Option<Vec<f64>> {
    let cast = tensor.cast_to::<f64>().ok()?;
    let plain = cast.try_as_plain_ram().ok()?;
    Some(plain.as_slice::<f64>().ok()?.to_vec())
}

/// Equal within 1e-4: tract sums in another order in a batch, which rounds differently.
fn is_close(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-4 * a.abs().max(b.abs()).max(1e-2)
}
