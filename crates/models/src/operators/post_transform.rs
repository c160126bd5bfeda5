//! Transforms of raw scores by classifiers and regressors.
//!
//! Specification: attribute `post_transform` of the ai.onnx.ml operators. The formulas and their order of operations
//! in f32 are those of ONNX Runtime. So is the approximation of the inverse error function in PROBIT, which the
//! specification leaves open.

use tract_onnx::tract_hir::internal::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostTransform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    pub fn parse(text: Option<&str>) -> TractResult<Self> {
        match text {
            None | Some("NONE") => Ok(PostTransform::None),
            Some("LOGISTIC") => Ok(PostTransform::Logistic),
            Some("SOFTMAX") => Ok(PostTransform::Softmax),
            Some("SOFTMAX_ZERO") => Ok(PostTransform::SoftmaxZero),
            Some("PROBIT") => Ok(PostTransform::Probit),
            Some(other) => bail!("unknown post_transform {other:?}"),
        }
    }

    /// Transforms the scores of one row.
    pub fn apply(self, scores: &mut [f32]) {
        match self {
            PostTransform::None => {}
            PostTransform::Logistic => scores.iter_mut().for_each(|score| *score = logistic(*score)),
            PostTransform::Softmax => softmax(scores),
            PostTransform::SoftmaxZero => softmax_zero(scores),
            PostTransform::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }
}

/// 1 / (1 + e^-x), without overflow.
pub(crate) fn logistic(value: f32) -> f32 {
    let positive = 1.0 / (1.0 + (-value.abs()).exp());
    if value < 0.0 { 1.0 - positive } else { positive }
}

/// The logistic function of -s and of s: the probabilities of two classes.
pub(crate) fn two_logistic(score: f32) -> [f32; 2] {
    [logistic(-score), logistic(score)]
}

fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// Softmax over the scores that are not zero; the zeros stay zero.
fn softmax_zero(scores: &mut [f32]) {
    const ZERO: f32 = 1e-7;
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    let scale = (-largest).exp();
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        if *score > ZERO || *score < -ZERO {
            *score = (*score - largest).exp();
            sum += *score;
        } else {
            *score *= scale;
        }
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// The inverse of the normal distribution function, by Winitzki's approximation of the inverse error function.
fn probit(value: f32) -> f32 {
    #[expect(clippy::approx_constant, reason = "ONNX Runtime cuts it off here")]
    const PI: f32 = 3.14159;
    let x = 2.0 * value - 1.0;
    let sign = if x < 0.0 { -1.0 } else { 1.0 };
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let first = 2.0 / (PI * 0.147) + 0.5 * log;
    let second = 1.0 / 0.147 * log;
    std::f32::consts::SQRT_2 * sign * (-first + (first * first - second).sqrt()).sqrt()
}
