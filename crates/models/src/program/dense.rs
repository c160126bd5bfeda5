//! A dense layer.

use tract_onnx::tract_core::ndarray::linalg::general_mat_mul;
use tract_onnx::tract_core::ndarray::{ArrayView2, ArrayViewMut2};

/// The product of rows with a matrix of `inputs` × `outputs`.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    inputs: usize,
    outputs: usize,
    /// Row-major.
    weights: Vec<f32>,
    /// The weights in groups of [`LANES`] outputs; a group holds all inputs. The last one is filled up with zeros.
    groups: Vec<f32>,
}

/// Outputs that are summed at a time in vector registers.
const LANES: usize = 16;

/// From this number of rows on a general matrix product is faster.
const MATRIX_PRODUCT_ROWS: usize = 4;

impl Dense {
    /// `weights` has a row for each input, row-major.
    pub fn new(inputs: usize, weights: Vec<f32>) -> Dense {
        let outputs = weights.len() / inputs;
        let mut groups = vec![0.0; outputs.div_ceil(LANES) * inputs * LANES];
        for (input, weights) in weights.chunks_exact(outputs).enumerate() {
            for (output, &weight) in weights.iter().enumerate() {
                groups[(output / LANES * inputs + input) * LANES + output % LANES] = weight;
            }
        }
        Dense {
            inputs,
            outputs,
            weights,
            groups,
        }
    }

    pub fn run(&self, rows: &[f32], output: &mut [f32]) {
        let count = rows.len() / self.inputs;
        if count >= MATRIX_PRODUCT_ROWS {
            self.matrix_product(count, rows, output);
            return;
        }
        for (row, output) in rows
            .chunks_exact(self.inputs)
            .zip(output.chunks_exact_mut(self.outputs))
        {
            for (output, weights) in output
                .chunks_mut(LANES)
                .zip(self.groups.chunks_exact(self.inputs * LANES))
            {
                let mut sums = [0f32; LANES];
                for (value, weights) in row.iter().zip(weights.as_chunks::<LANES>().0) {
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum += value * weight;
                    }
                }
                output.copy_from_slice(&sums[..output.len()]);
            }
        }
    }

    fn matrix_product(&self, count: usize, rows: &[f32], output: &mut [f32]) {
        let rows = ArrayView2::from_shape((count, self.inputs), rows);
        let weights = ArrayView2::from_shape((self.inputs, self.outputs), &self.weights);
        let output = ArrayViewMut2::from_shape((count, self.outputs), output);
        if let (Ok(rows), Ok(weights), Ok(mut output)) = (rows, weights, output) {
            general_mat_mul(1.0, &rows, &weights, 0.0, &mut output);
        }
    }
}
