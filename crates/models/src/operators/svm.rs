//! SVMClassifier and SVMRegressor (ai.onnx.ml 1).
//!
//! As in ONNX Runtime:
//!
//! - The linear form adds rho[0] to the score of every class.
//! - A regressor applies no post_transform.
//! - With two classes and no probabilities the scores are [-s, s] (NONE), the logistic function of that (LOGISTIC) or
//!   [1 - s, s] (SOFTMAX). The votes decide the label.
//! - With more classes and no probabilities there is a score for each pair of classes.

use tract_onnx::model::OnnxOpRegister;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::Attributes;
use super::kernel::{Kernel, TensorType, operator, rows_of_f32, tensor};
use super::labels::{ClassLabel, ClassLabels, ClassifierOutputs};
use super::linear::first_largest;
use super::pairwise::{class_probabilities, vote};
use super::post_transform::{PostTransform, two_logistic};

pub(crate) fn register(operators: &mut OnnxOpRegister) {
    operators.insert("SVMClassifier", |_, node| Ok(operator(classifier(node)?)));
    operators.insert("SVMRegressor", |_, node| Ok(operator(regressor(node)?)));
}

/// The kernel function.
#[derive(Clone, Copy, Debug)]
enum KernelFunction {
    Linear,
    Polynomial { gamma: f32, constant: f32, degree: f32 },
    Radial { gamma: f32 },
    Sigmoid { gamma: f32, constant: f32 },
}

impl KernelFunction {
    fn read(attributes: Attributes<'_>) -> TractResult<Self> {
        let (gamma, constant, degree) = match *attributes.floats("kernel_params")? {
            [] => (0.0, 0.0, 0.0),
            [gamma, constant, degree] => (gamma, constant, degree),
            ref other => bail!("{} kernel_params instead of 3", other.len()),
        };
        match attributes.string("kernel_type")? {
            None | Some("LINEAR") => Ok(KernelFunction::Linear),
            Some("POLY") => Ok(KernelFunction::Polynomial {
                gamma,
                constant,
                degree,
            }),
            Some("RBF") => Ok(KernelFunction::Radial { gamma }),
            Some("SIGMOID") => Ok(KernelFunction::Sigmoid { gamma, constant }),
            Some(other) => bail!("unknown kernel_type {other:?}"),
        }
    }

    fn apply(self, a: &[f32], b: &[f32]) -> f32 {
        match self {
            KernelFunction::Linear => fused_dot(a, b),
            KernelFunction::Polynomial {
                gamma,
                constant,
                degree,
            } => {
                let base = gamma * fused_dot(a, b) + constant;
                if degree.fract() == 0.0 && degree.abs() < 100.0 {
                    base.powi(degree as i32)
                } else {
                    base.powf(degree)
                }
            }
            KernelFunction::Radial { gamma } => {
                let distance: f32 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
                (-gamma * distance).exp()
            }
            KernelFunction::Sigmoid { gamma, constant } => (gamma * fused_dot(a, b) + constant).tanh(),
        }
    }
}

/// The inner product with fused multiply-add, as in ONNX Runtime's matrix product. Without it, kernels of unscaled
/// columns differ noticeably.
fn fused_dot(a: &[f32], b: &[f32]) -> f32 {
    let fused = |sum: f32, (&a, &b): (&f32, &f32)| (f64::from(a) * f64::from(b) + f64::from(sum)) as f32;
    a.iter().zip(b).fold(0.0, fused)
}

/// `start` plus the inner product, summed in blocks as in ONNX Runtime's matrix product.
fn blocked_dot(a: &[f32], b: &[f32], start: f32) -> f32 {
    const BLOCK: usize = 1024;
    a.chunks(BLOCK)
        .zip(b.chunks(BLOCK))
        .fold(start, |sum, (a, b)| sum + fused_dot(a, b))
}

/// SupportVectors vectors and their kernel function.
#[derive(Debug)]
struct SupportVectors {
    function: KernelFunction,
    vectors: Vec<f32>,
    columns: usize,
}

impl SupportVectors {
    fn read(attributes: Attributes<'_>, count: usize) -> TractResult<Self> {
        let vectors = attributes.floats("support_vectors")?.to_vec();
        ensure!(
            count > 0 && !vectors.is_empty() && vectors.len().is_multiple_of(count),
            "{} numbers in {count} support vectors",
            vectors.len()
        );
        Ok(SupportVectors {
            function: KernelFunction::read(attributes)?,
            columns: vectors.len() / count,
            vectors,
        })
    }

    fn kernels(&self, row: &[f32], kernels: &mut Vec<f32>) {
        kernels.clear();
        kernels.extend(
            self.vectors
                .chunks_exact(self.columns)
                .map(|vector| self.function.apply(row, vector)),
        );
    }
}

fn check_columns(input: &TensorType, expected: usize) -> TractResult<TDim> {
    let (rows, columns) = input.rows_and_columns()?;
    ensure!(
        columns == expected,
        "{columns} columns, the support vectors have {expected}"
    );
    Ok(rows)
}

#[derive(Debug)]
struct SvmRegressor {
    support: SupportVectors,
    coefficients: Vec<f32>,
    rho: f32,
    is_one_class: bool,
}

fn regressor(node: &NodeProto) -> TractResult<SvmRegressor> {
    let attributes = Attributes(node);
    let coefficients = attributes.floats("coefficients")?.to_vec();
    let rho = *attributes.floats("rho")?.first().context("there is no rho")?;
    let is_one_class = attributes.int("one_class")?.unwrap_or(0) != 0;
    let supports = attributes.int("n_supports")?.unwrap_or(0);
    if supports > 0 {
        let support = SupportVectors::read(attributes, usize::try_from(supports)?)?;
        ensure!(
            coefficients.len() * support.columns == support.vectors.len(),
            "{} coefficients for {supports} support vectors",
            coefficients.len()
        );
        return Ok(SvmRegressor {
            support,
            coefficients,
            rho,
            is_one_class,
        });
    }
    // Without support vectors the model is linear: the coefficients are its weights.
    ensure!(!coefficients.is_empty(), "there are no coefficients");
    let support = SupportVectors {
        function: KernelFunction::Linear,
        columns: coefficients.len(),
        vectors: coefficients,
    };
    Ok(SvmRegressor {
        support,
        coefficients: vec![1.0],
        rho,
        is_one_class,
    })
}

impl Kernel for SvmRegressor {
    fn name(&self) -> &'static str {
        "SVMRegressor"
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        let rows = check_columns(&inputs[0], self.support.columns)?;
        Ok(tvec!(TensorType::new(f32::datum_type(), [rows, 1.to_dim()])))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let (values, _) = rows_of_f32(&inputs[0])?;
        let mut kernels = Vec::new();
        let mut scores = Vec::new();
        for row in values.chunks_exact(self.support.columns) {
            self.support.kernels(row, &mut kernels);
            let score = blocked_dot(&kernels, &self.coefficients, self.rho);
            scores.push(if !self.is_one_class {
                score
            } else if score > 0.0 {
                1.0
            } else {
                -1.0
            });
        }
        Ok(tvec!(tensor(&[scores.len(), 1], scores)?))
    }
}

#[derive(Debug)]
struct SvmClassifier {
    support: SupportVectors,
    form: SvmForm,
    labels: ClassLabels,
    outputs: ClassifierOutputs,
    post_transform: PostTransform,
    has_no_negative_weight: bool,
}

#[derive(Debug)]
enum SvmForm {
    /// One vector for each class; the score of the class is the kernel plus rho.
    Linear { rho: f32 },
    /// One vote for each pair of classes.
    Pairs {
        /// Row-major; row i holds the coefficients of the vectors of each class against the i-th of the other classes.
        coefficients: Vec<f32>,
        rho: Vec<f32>,
        /// The first support vector of each class, and the number of support vectors.
        bounds: Vec<usize>,
        /// The parameters of Platt scaling for each pair, or empty.
        probabilities: Vec<(f32, f32)>,
    },
}

fn classifier(node: &NodeProto) -> TractResult<SvmClassifier> {
    let attributes = Attributes(node);
    let labels = ClassLabels::read(attributes, "classlabels_ints")?;
    let classes = labels.len();
    let coefficients = attributes.floats("coefficients")?.to_vec();
    let rho = attributes.floats("rho")?.to_vec();
    ensure!(
        !coefficients.is_empty() && !rho.is_empty(),
        "coefficients or rho are absent"
    );
    let has_no_negative_weight = coefficients.iter().all(|&coefficient| coefficient >= 0.0);
    let per_class = attributes.ints("vectors_per_class")?;
    let count = per_class
        .iter()
        .try_fold(0usize, |sum, &count| sum.checked_add(usize::try_from(count).ok()?));
    let count = count
        .filter(|&count| count < 1 << 28)
        .context("vectors_per_class is out of range")?;
    let (support, form) = if count > 0 {
        let support = SupportVectors::read(attributes, count)?;
        (
            support,
            pairs(attributes, coefficients, rho, per_class, classes, count)?,
        )
    } else {
        ensure!(
            coefficients.len().is_multiple_of(classes),
            "{} coefficients for {classes} classes",
            coefficients.len()
        );
        let columns = coefficients.len() / classes;
        (
            SupportVectors {
                function: KernelFunction::Linear,
                columns,
                vectors: coefficients,
            },
            SvmForm::Linear { rho: rho[0] },
        )
    };
    let post_transform = PostTransform::parse(attributes.string("post_transform")?)?;
    Ok(SvmClassifier {
        support,
        form,
        labels,
        outputs: ClassifierOutputs::of(node)?,
        post_transform,
        has_no_negative_weight,
    })
}

fn pairs(
    attributes: Attributes<'_>,
    coefficients: Vec<f32>,
    rho: Vec<f32>,
    per_class: &[i64],
    classes: usize,
    count: usize,
) -> TractResult<SvmForm> {
    ensure!(
        per_class.len() == classes && classes >= 2,
        "vectors_per_class has {} values for {classes} classes",
        per_class.len()
    );
    ensure!(classes <= 1024, "{classes} classes are too many");
    let pairs = classes * (classes - 1) / 2;
    ensure!(
        coefficients.len() >= (classes - 1) * count,
        "too few coefficients: {}",
        coefficients.len()
    );
    ensure!(rho.len() >= pairs, "too few rho: {}", rho.len());
    let (a, b) = (attributes.floats("prob_a")?, attributes.floats("prob_b")?);
    ensure!(
        a.len() == b.len() && (a.is_empty() || a.len() >= pairs),
        "prob_a and prob_b must have {pairs} values"
    );
    let mut bounds = vec![0];
    for &vectors in per_class {
        bounds.push(bounds[bounds.len() - 1] + vectors as usize);
    }
    let probabilities = a.iter().copied().zip(b.iter().copied()).take(pairs).collect();
    Ok(SvmForm::Pairs {
        coefficients,
        rho,
        bounds,
        probabilities,
    })
}

impl SvmClassifier {
    fn score_columns(&self) -> usize {
        let classes = self.labels.len();
        match &self.form {
            SvmForm::Pairs { probabilities, .. } if probabilities.is_empty() && classes > 2 => {
                classes * (classes - 1) / 2
            }
            _ => classes,
        }
    }

    /// The label and the scores of a row from its kernels.
    fn finish(&self, kernels: &[f32]) -> (ClassLabel, Vec<f32>) {
        match &self.form {
            SvmForm::Linear { rho } => {
                let mut scores: Vec<f32> = kernels.iter().map(|kernel| kernel + rho).collect();
                let label = self.linear_label(&scores);
                if scores.len() > 1 || self.post_transform == PostTransform::Probit {
                    self.post_transform.apply(&mut scores);
                }
                (label, scores)
            }
            SvmForm::Pairs {
                coefficients,
                rho,
                bounds,
                probabilities,
            } => {
                let (votes, scores) = vote(kernels, coefficients, rho, bounds);
                let label = ClassLabel::Class(votes);
                if !probabilities.is_empty() {
                    let mut scores = class_probabilities(&scores, probabilities, self.labels.len());
                    self.post_transform.apply(&mut scores);
                    return (label, scores);
                }
                (label, self.pair_scores(scores))
            }
        }
    }

    fn linear_label(&self, scores: &[f32]) -> ClassLabel {
        let best = first_largest(scores);
        let has_one_pair = self.labels.len() == 2;
        let decisive = scores[best];
        let is_positive = if self.has_no_negative_weight {
            decisive >= 0.5
        } else {
            decisive > 0.0
        };
        ClassLabel::Class(if has_one_pair && is_positive { 1 } else { best })
    }

    fn pair_scores(&self, mut scores: Vec<f32>) -> Vec<f32> {
        let &[score] = &*scores else {
            self.post_transform.apply(&mut scores);
            return scores;
        };
        match self.post_transform {
            PostTransform::None => vec![-score, score],
            PostTransform::Probit => {
                self.post_transform.apply(&mut scores);
                vec![scores[0], 0.0]
            }
            PostTransform::Logistic => two_logistic(score).to_vec(),
            PostTransform::Softmax | PostTransform::SoftmaxZero => vec![1.0 - score, score],
        }
    }
}

impl Kernel for SvmClassifier {
    fn name(&self) -> &'static str {
        "SVMClassifier"
    }

    fn outputs(&self) -> usize {
        self.outputs.count()
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        let rows = check_columns(&inputs[0], self.support.columns)?;
        Ok(self.outputs.types(rows, &self.labels, self.score_columns()))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let (values, _) = rows_of_f32(&inputs[0])?;
        let mut kernels = Vec::new();
        let mut labels = Vec::new();
        let mut scores = Vec::new();
        for row in values.chunks_exact(self.support.columns) {
            self.support.kernels(row, &mut kernels);
            let (label, row_scores) = self.finish(&kernels);
            labels.push(label);
            scores.extend(row_scores);
        }
        let mut outputs = tvec!();
        if self.outputs.labels {
            outputs.push(self.labels.tensor(&labels)?);
        }
        if self.outputs.scores {
            outputs.push(tensor(&[labels.len(), self.score_columns()], scores)?);
        }
        Ok(outputs)
    }
}
