//! Computes scores and labels from the sums of leaf weights.
//!
//! The specification leaves much open for classifiers. This follows ONNX Runtime, including its order of operations.
//! Unexpected results of it are:
//!
//! - Two classes with weights for only one of them are the "binary case". Without negative weights the label is
//!   decided by s > 0.5, otherwise by s > 0. If the weights are for class 0, as all exporters write them, the scores
//!   are [1 - s, s] or [-s, s], or with LOGISTIC the logistic function of [-s, s]; other transforms are ignored.
//! - For two classes with weights for both, the sign of the second score decides, and the labels are 1 and 0.
//! - The score of a target is 0 if no leaf that the row reaches has a weight for it, whatever its base value.
//! - A regressor with one target applies no post_transform except PROBIT.

use super::labels::ClassLabel;
use super::post_transform::{PostTransform, two_logistic};
use crate::forest::Number;

/// The aggregation of a target's leaf weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

/// The score of a target so far. It is absent until a leaf has a weight for the target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prediction<N> {
    pub score: N,
    pub is_present: bool,
}

impl<N: Number> Prediction<N> {
    pub fn absent() -> Self {
        Prediction {
            score: N::zero(),
            is_present: false,
        }
    }

    /// The final score; 0 if absent, whatever the base value.
    fn output(self) -> f32 {
        if self.is_present { self.score.to_f32() } else { 0.0 }
    }

    pub fn take(&mut self, aggregate: Aggregate, value: N) {
        self.score = match aggregate {
            Aggregate::Sum | Aggregate::Average => self.score.add(value),
            Aggregate::Min if self.is_present && value >= self.score => self.score,
            Aggregate::Max if self.is_present && value <= self.score => self.score,
            Aggregate::Min | Aggregate::Max => value,
        };
        self.is_present = true;
    }
}

/// Computes the scores of a regressor.
#[derive(Debug)]
pub(crate) struct Regression<N> {
    pub aggregate: Aggregate,
    pub trees: usize,
    /// One for each target, or empty.
    pub base_values: Vec<N>,
    pub post_transform: PostTransform,
}

impl<N: Number> Regression<N> {
    /// Writes one score for each target.
    pub fn finish(&self, predictions: &[Prediction<N>], scores: &mut [f32]) {
        for (target, (prediction, score)) in predictions.iter().zip(scores.iter_mut()).enumerate() {
            let mut finished = *prediction;
            if self.aggregate == Aggregate::Average {
                finished.score = finished.score.divide(self.trees);
            }
            if let Some(&base) = self.base_values.get(target) {
                finished.score = finished.score.add(base);
            }
            finished.is_present |= predictions.len() == 1;
            *score = finished.output();
        }
        if scores.len() > 1 || self.post_transform == PostTransform::Probit {
            self.post_transform.apply(scores);
        }
    }
}

/// Computes the scores and labels of a classifier.
#[derive(Debug)]
pub(crate) struct Classification<N> {
    pub classes: usize,
    /// Whether there are two classes and weights for only one of them.
    pub is_binary_case: bool,
    pub has_no_negative_weight: bool,
    pub base_values: Vec<N>,
    pub post_transform: PostTransform,
}

impl<N: Number> Classification<N> {
    /// Writes one score for each class and returns the label.
    pub fn finish(&self, predictions: &mut [Prediction<N>], scores: &mut [f32]) -> ClassLabel {
        match self.classes {
            1 => self.one_class(predictions[0], scores),
            2 => self.two_classes([predictions[0], predictions[1]], scores),
            _ => self.many_classes(predictions, scores),
        }
    }

    fn one_class(&self, prediction: Prediction<N>, scores: &mut [f32]) -> ClassLabel {
        let score = self
            .base_values
            .first()
            .map_or(prediction.score, |&base| prediction.score.add(base));
        scores[0] = score.to_f32();
        if self.post_transform == PostTransform::Probit {
            self.post_transform.apply(scores);
        }
        ClassLabel::Literal(i64::from(score > N::zero()))
    }

    fn two_classes(&self, [mut first, mut second]: [Prediction<N>; 2], scores: &mut [f32]) -> ClassLabel {
        match *self.base_values {
            [_, base] if second.is_present => {
                second.score = base.add(first.score);
                first.score = second.score.negate();
            }
            [first_base, second_base] => {
                second.score = second.score.add(second_base);
                first.score = first.score.add(first_base);
            }
            [base] => first.score = first.score.add(base),
            _ => {}
        }
        let has_one_score = !second.is_present && self.base_values.len() < 2;
        let decisive = if second.is_present { second.score } else { first.score };
        let label = self.binary_label(decisive);
        if has_one_score {
            scores.copy_from_slice(&self.one_score(first.score.to_f32()));
        } else {
            scores.copy_from_slice(&[first.output(), second.output()]);
            self.post_transform.apply(scores);
        }
        label
    }

    fn binary_label(&self, decisive: N) -> ClassLabel {
        let boundary = if self.is_binary_case && self.has_no_negative_weight {
            N::from_f64(0.5)
        } else {
            N::zero()
        };
        let is_positive = decisive > boundary;
        if self.is_binary_case {
            ClassLabel::Class(usize::from(is_positive))
        } else {
            ClassLabel::Literal(i64::from(is_positive))
        }
    }

    fn one_score(&self, score: f32) -> [f32; 2] {
        match self.post_transform {
            PostTransform::Probit => {
                let mut scores = [score];
                self.post_transform.apply(&mut scores);
                [scores[0], 0.0]
            }
            PostTransform::Logistic => two_logistic(score),
            _ if self.is_binary_case && self.has_no_negative_weight => [1.0 - score, score],
            _ => [-score, score],
        }
    }

    fn many_classes(&self, predictions: &mut [Prediction<N>], scores: &mut [f32]) -> ClassLabel {
        for (prediction, &base) in predictions.iter_mut().zip(&self.base_values) {
            prediction.score = if prediction.is_present {
                prediction.score.add(base)
            } else {
                base
            };
            prediction.is_present = true;
        }
        let mut best: Option<(usize, N)> = None;
        for (class, prediction) in predictions.iter().enumerate() {
            scores[class] = prediction.output();
            if prediction.is_present && best.is_none_or(|(_, score)| prediction.score > score) {
                best = Some((class, prediction.score));
            }
        }
        self.post_transform.apply(scores);
        ClassLabel::Class(best.map_or(0, |(class, _)| class))
    }
}
