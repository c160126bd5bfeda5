//! Running a loaded model on a few rows, before anybody relies on it.
//!
//! Some graphs load and then fail on every row, for tract checks types only when it computes. Some mix the rows of a
//! batch (quantisation by the batch's range, softmax or mean over the first axis): their scores would depend on which
//! transactions happen to be scored together. And within some stacked and bidirectional LSTMs tract takes the number of
//! rows for 1.

use tract_onnx::prelude::*;

use crate::corrections::OUT_OF_RANGE;
use crate::operators::encoding::UNKNOWN_CATEGORY;
use crate::plan::{Input, Plan};
use crate::{ModelError, scorer};

/// How a model treats the rows of a batch.
pub(crate) enum Trial {
    /// Each by itself, or as many as the file fixes together.
    RowsApart,
    /// A row's outputs depend on the others, or there must be but one.
    RowsTogether,
}

/// Runs rows alone, then those that succeed together.
///
/// # Errors
/// When the model fails on every row, and it is no row's fault.
pub(crate) fn run(plan: &Plan, inputs: &[Input]) -> Result<Trial, ModelError> {
    let width: usize = inputs.iter().map(|input| input.columns).sum();
    let run = |rows: &[f32]| scorer::run(plan, &mut None, inputs, width, rows, rows.len() / width);
    let count = plan.fixed_rows.unwrap_or(1);
    let mut fault = None;
    let (mut rows, mut alone) = (Vec::new(), Vec::new());
    for row in [|_| 0.0, |_| 1.0, varied] {
        let row: Vec<f32> = (0..width).map(row).collect();
        match run(&row.repeat(count)) {
            Ok(outputs) => {
                rows.extend(row);
                alone.push(outputs);
            }
            Err(error) => fault = fault.or((!is_the_rows_fault(&error)).then_some(error)),
        }
    }
    if let (true, Some(error)) = (alone.is_empty(), fault) {
        return Err(ModelError::Invalid(format!("it fails on every row tried: {error}")));
    }
    if alone.is_empty() || plan.fixed_rows.is_some() || plan.program.is_some() {
        return Ok(Trial::RowsApart);
    }
    let are_apart = run(&rows).is_ok_and(|together| are_same(&together, &alone));
    Ok(if are_apart {
        Trial::RowsApart
    } else {
        Trial::RowsTogether
    })
}

/// Categories and indices that the model does not know say nothing of the model; of some indices tract panics.
fn is_the_rows_fault(error: &ModelError) -> bool {
    let text = error.to_string();
    [UNKNOWN_CATEGORY, OUT_OF_RANGE, "panic: "]
        .iter()
        .any(|fault| text.contains(fault))
}

/// Numbers of both signs, whole ones and others.
fn varied(column: usize) -> f32 {
    const NUMBERS: [f32; 5] = [0.37, -1.7, 3.0, 12.5, -0.02];
    NUMBERS[column % NUMBERS.len()]
}

/// Are the rows of each output those that were computed alone?
fn are_same(together: &[TValue], alone: &[TVec<TValue>]) -> bool {
    let is_same = |(place, output): (usize, &TValue)| {
        let expected: Option<Vec<f64>> = alone
            .iter()
            .map(|outputs| numbers(&outputs[place]))
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
            // Texts.
            (found, expected) => found.is_none() && expected.is_none(),
        }
    };
    together.iter().enumerate().all(is_same)
}

fn numbers(tensor: &TValue) -> Option<Vec<f64>> {
    let cast = tensor.cast_to::<f64>().ok()?;
    let plain = cast.try_as_plain_ram().ok()?;
    Some(plain.as_slice::<f64>().ok()?.to_vec())
}

/// Sums are rounded otherwise in batches.
fn is_close(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-4 * a.abs().max(b.abs()).max(1e-2)
}
