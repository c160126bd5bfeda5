//! LinearClassifier and LinearRegressor (ai.onnx.ml 1).
//!
//! As in ONNX Runtime:
//!
//! - A classifier with one row of coefficients and two labels chooses the second label if the raw score s > 0. Its
//!   scores are the logistic function of [-s, s] with LOGISTIC, otherwise [1 - s, s]. (scikit-learn's exporter writes
//!   two rows.)
//! - A regressor with one target applies no post_transform except PROBIT.

use tract_onnx::model::OnnxOpRegister;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::Attributes;
use super::kernel::{Kernel, TensorType, operator, rows_of_f32, tensor};
use super::labels::{ClassLabel, ClassLabels, ClassifierOutputs};
use super::post_transform::{PostTransform, two_logistic};
use crate::program::RowFunction;

pub(crate) fn register(operators: &mut OnnxOpRegister) {
    operators.insert("LinearClassifier", |_, node| Ok(operator(classifier(node)?)));
    operators.insert("LinearRegressor", |_, node| Ok(operator(regressor(node)?)));
}

/// The product of rows with coefficients, plus intercepts.
#[derive(Debug)]
pub(crate) struct Linear {
    /// Row-major, one row for each target.
    pub coefficients: Vec<f32>,
    pub intercepts: Vec<f32>,
}

impl Linear {
    fn targets(&self) -> usize {
        self.intercepts.len()
    }

    pub fn check(&self, input: &TensorType) -> TractResult<TDim> {
        let (rows, columns) = input.rows_and_columns()?;
        let expected = columns.checked_mul(self.targets());
        ensure!(
            expected == Some(self.coefficients.len()),
            "{} coefficients for {columns} columns and {} targets",
            self.coefficients.len(),
            self.targets()
        );
        Ok(rows)
    }

    /// Scores, one for each row and target.
    pub fn run(&self, values: &[f32], columns: usize) -> Vec<f32> {
        let mut scores = vec![0.0; values.len() / columns.max(1) * self.targets()];
        let rows = values.chunks_exact(columns.max(1));
        rows.zip(scores.chunks_exact_mut(self.targets()))
            .for_each(|(row, scores)| self.score(row, scores));
        scores
    }

    /// Scores of one row, one for each target.
    fn score(&self, row: &[f32], scores: &mut [f32]) {
        let targets = self.coefficients.chunks_exact(row.len()).zip(&self.intercepts);
        for ((coefficients, intercept), score) in targets.zip(scores) {
            *score = intercept + dot(row, coefficients);
        }
    }

    /// The number of columns of a row.
    fn columns(&self) -> usize {
        self.coefficients.len() / self.targets()
    }
}

/// The inner product in eight partial sums. The compiler turns them into vector instructions, and their rounding error
/// is closer to ONNX Runtime's than that of one sum.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    let mut sums = [0f32; 8];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

fn linear(attributes: Attributes<'_>, targets: Option<usize>) -> TractResult<Linear> {
    let coefficients = attributes.floats("coefficients")?.to_vec();
    ensure!(!coefficients.is_empty(), "there are no coefficients");
    let intercepts = attributes.floats("intercepts")?.to_vec();
    let intercepts = match targets {
        Some(targets) if intercepts.len() != targets => vec![0.0; targets],
        _ => intercepts,
    };
    ensure!(!intercepts.is_empty(), "there are no intercepts");
    Ok(Linear {
        coefficients,
        intercepts,
    })
}

/// The function that a LinearClassifier or LinearRegressor computes for one column of its scores.
pub(crate) struct LinearScore {
    pub coefficients: Vec<f32>,
    pub intercept: f32,
    /// Whether the score is that of the other class: one minus the sum, or the logistic function of its negative.
    pub is_complement: bool,
    pub post_transform: PostTransform,
}

/// The function of `column` of the scores; `None` for other operators.
pub(crate) fn read(node: &NodeProto, column: usize) -> TractResult<Option<LinearScore>> {
    let (linear, post_transform, labels) = match node.op_type.as_str() {
        "LinearClassifier" => {
            let LinearClassifier {
                linear,
                labels,
                post_transform,
                ..
            } = classifier(node)?;
            (linear, post_transform, labels.len())
        }
        "LinearRegressor" => {
            let LinearRegressor { linear, post_transform } = regressor(node)?;
            (linear, post_transform, 0)
        }
        _ => return Ok(None),
    };
    let targets = linear.targets();
    let is_two_of_one = targets == 1 && labels == 2;
    let is_applied = match post_transform {
        PostTransform::Logistic => targets > 1 || is_two_of_one,
        PostTransform::Probit => true,
        _ => targets > 1,
    };
    let target = if is_two_of_one { 0 } else { column };
    ensure!(target < targets, "column {column} of {targets}");
    let width = linear.coefficients.len() / targets;
    Ok(Some(LinearScore {
        coefficients: linear.coefficients[target * width..][..width].to_vec(),
        intercept: linear.intercepts[target],
        is_complement: is_two_of_one && column == 0,
        post_transform: if is_applied {
            post_transform
        } else {
            PostTransform::None
        },
    }))
}

#[derive(Debug)]
struct LinearClassifier {
    linear: Linear,
    labels: ClassLabels,
    outputs: ClassifierOutputs,
    post_transform: PostTransform,
}

fn classifier(node: &NodeProto) -> TractResult<LinearClassifier> {
    let attributes = Attributes(node);
    let labels = ClassLabels::read(attributes, "classlabels_ints")?;
    let linear = linear(attributes, None)?;
    let targets = linear.targets();
    ensure!(
        targets == 1 || targets == labels.len(),
        "{targets} targets for {} labels",
        labels.len()
    );
    let post_transform = PostTransform::parse(attributes.string("post_transform")?)?;
    Ok(LinearClassifier {
        linear,
        labels,
        outputs: ClassifierOutputs::of(node)?,
        post_transform,
    })
}

impl LinearClassifier {
    fn adds_second_class(&self) -> bool {
        self.linear.targets() == 1 && self.labels.len() == 2
    }

    fn score_columns(&self) -> usize {
        if self.adds_second_class() {
            2
        } else {
            self.linear.targets()
        }
    }

    fn label(&self, scores: &[f32]) -> ClassLabel {
        match scores {
            [score] if self.labels.len() == 2 => ClassLabel::Class(usize::from(*score > 0.0)),
            [score] => ClassLabel::Literal(i64::from(*score > 0.0)),
            _ => ClassLabel::Class(first_largest(scores)),
        }
    }

    /// Turns the raw scores of one row, at the beginning of `scores`, into its final scores.
    fn finish(&self, scores: &mut [f32]) {
        let targets = self.linear.targets();
        match self.post_transform {
            PostTransform::Logistic if self.adds_second_class() => {
                scores.copy_from_slice(&two_logistic(scores[0]));
                return;
            }
            PostTransform::None | PostTransform::Softmax | PostTransform::SoftmaxZero if self.adds_second_class() => {
                scores.copy_from_slice(&[1.0 - scores[0], scores[0]]);
                return;
            }
            _ => {}
        }
        if targets > 1 || self.post_transform == PostTransform::Probit {
            self.post_transform.apply(&mut scores[..targets]);
        }
        scores[targets..].fill(0.0);
    }
}

/// The index of the largest score; the first of equal scores.
pub(crate) fn first_largest(scores: &[f32]) -> usize {
    let mut best = 0;
    for (index, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = index;
        }
    }
    best
}

impl Kernel for LinearClassifier {
    fn name(&self) -> &'static str {
        "LinearClassifier"
    }

    fn outputs(&self) -> usize {
        self.outputs.count()
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        let rows = self.linear.check(&inputs[0])?;
        Ok(self.outputs.types(rows, &self.labels, self.score_columns()))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let (values, columns) = rows_of_f32(&inputs[0])?;
        let rows = values.len() / columns.max(1);
        let score_columns = self.score_columns();
        let mut scores = vec![0.0; rows * score_columns];
        let mut labels = Vec::with_capacity(rows);
        for (row, scores) in values
            .chunks_exact(columns.max(1))
            .zip(scores.chunks_exact_mut(score_columns))
        {
            let (raw, _) = scores.split_at_mut(self.linear.targets());
            self.linear.score(row, raw);
            labels.push(self.label(raw));
            self.finish(scores);
        }
        let mut outputs = tvec!();
        if self.outputs.labels {
            outputs.push(self.labels.tensor(&labels)?);
        }
        if self.outputs.scores {
            outputs.push(tensor(&[rows, score_columns], scores)?);
        }
        Ok(outputs)
    }

    fn row_function(self: Arc<Self>, input: &TensorType) -> Option<Box<dyn RowFunction>> {
        let is_scores_only = self.outputs.scores && !self.outputs.labels;
        let (columns, score_columns) = (self.linear.columns(), self.score_columns());
        let function = move |rows: &[f32], output: &mut [f32]| {
            for (row, scores) in rows.chunks_exact(columns).zip(output.chunks_exact_mut(score_columns)) {
                self.linear.score(row, scores);
                self.finish(scores);
            }
            Ok(())
        };
        (is_scores_only && input.datum == f32::datum_type()).then(|| Box::new(function) as Box<dyn RowFunction>)
    }
}

#[derive(Debug)]
struct LinearRegressor {
    linear: Linear,
    post_transform: PostTransform,
}

fn regressor(node: &NodeProto) -> TractResult<LinearRegressor> {
    let attributes = Attributes(node);
    let targets = attributes.int("targets")?.unwrap_or(1);
    ensure!((1..=1 << 16).contains(&targets), "targets is {targets}");
    let linear = linear(attributes, Some(targets as usize))?;
    Ok(LinearRegressor {
        linear,
        post_transform: PostTransform::parse(attributes.string("post_transform")?)?,
    })
}

impl Kernel for LinearRegressor {
    fn name(&self) -> &'static str {
        "LinearRegressor"
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        let rows = self.linear.check(&inputs[0])?;
        Ok(tvec!(TensorType::new(
            f32::datum_type(),
            [rows, self.linear.targets().to_dim()]
        )))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let (values, columns) = rows_of_f32(&inputs[0])?;
        let mut scores = self.linear.run(&values, columns);
        let targets = self.linear.targets();
        scores.chunks_exact_mut(targets).for_each(|scores| self.finish(scores));
        Ok(tvec!(tensor(&[scores.len() / targets, targets], scores)?))
    }

    fn row_function(self: Arc<Self>, input: &TensorType) -> Option<Box<dyn RowFunction>> {
        let (columns, targets) = (self.linear.columns(), self.linear.targets());
        let function = move |rows: &[f32], output: &mut [f32]| {
            for (row, scores) in rows.chunks_exact(columns).zip(output.chunks_exact_mut(targets)) {
                self.linear.score(row, scores);
                self.finish(scores);
            }
            Ok(())
        };
        (input.datum == f32::datum_type()).then(|| Box::new(function) as Box<dyn RowFunction>)
    }
}

impl LinearRegressor {
    /// Turns the raw scores of one row into its final scores.
    fn finish(&self, scores: &mut [f32]) {
        if scores.len() > 1 || self.post_transform == PostTransform::Probit {
            self.post_transform.apply(scores);
        }
    }
}
