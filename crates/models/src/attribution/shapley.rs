//! Shapley weights.

/// Shapley weights of a leaf that is reached if some features come from the row and others from a background row.
#[derive(Debug)]
pub(super) struct ShapleyWeights {
    pairs: Vec<ShapleyWeight>,
    stride: usize,
}

/// The weights for `a` features from the row and `b` from the background row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShapleyWeight {
    /// (a−1)! b! / (a+b)!, by which each of the former gains.
    pub gain: f32,
    /// a! (b−1)! / (a+b)!, by which each of the latter loses.
    pub loss: f64,
}

impl ShapleyWeights {
    /// The weights for up to `positions` features.
    pub fn new(positions: usize) -> Self {
        let stride = positions + 1;
        let mut pairs = vec![ShapleyWeight::default(); stride * stride];
        for from_background in 0..stride {
            // The binomial coefficient (a+b over a), for a = 0, 1, …
            let mut choices = 1.0;
            for from_row in 0..stride - from_background {
                let inverse = |count: usize| {
                    if count == 0 {
                        0.0
                    } else {
                        1.0 / (count as f64 * choices)
                    }
                };
                pairs[from_background * stride + from_row] = ShapleyWeight {
                    gain: inverse(from_row) as f32,
                    loss: inverse(from_background),
                };
                choices *= (from_row + 1 + from_background) as f64 / (from_row + 1) as f64;
            }
        }
        ShapleyWeights { pairs, stride }
    }

    /// The weights for `from_background` features from the background row, by the number from the row.
    #[inline(always)]
    pub fn of(&self, from_background: usize) -> &[ShapleyWeight] {
        &self.pairs[from_background * self.stride..][..self.stride]
    }
}
