//! TreeEnsembleClassifier and TreeEnsembleRegressor (ai.onnx.ml 1 to 3), TreeEnsemble (ai.onnx.ml 5).
//!
//! As in ONNX Runtime, rows of f32 are compared and added up in f32, rows of f64 in f64, and all others are converted
//! to f32. [`super::tree_scores`] lists the deviations of ONNX Runtime from the specification, which are followed.

use std::sync::Arc;

use tract_onnx::model::OnnxOpRegister;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::Attributes;
use super::kernel::{Kernel, TensorType, operator, tensor};
use super::labels::{ClassLabel, ClassLabels, ClassifierOutputs};
use super::post_transform::PostTransform;
use super::tree_attributes::{self, CLASS_WEIGHTS, TARGET_WEIGHTS};
use super::tree_attributes_5;
use super::tree_scores::{Aggregate, Classification, Prediction, Regression};
use crate::forest::ensemble::Ensemble;
use crate::forest::{Compact, Forest, Keys, Number, Record, Wide, single_target};
use crate::program::RowFunction;

pub(crate) fn register(operators: &mut OnnxOpRegister) {
    operators.insert("TreeEnsembleClassifier", |_, node| Ok(operator(classifier(node)?)));
    operators.insert("TreeEnsembleRegressor", |_, node| Ok(operator(regressor(node)?)));
    operators.insert("TreeEnsemble", |_, node| Ok(operator(version_5(node)?)));
}

/// The ensemble of a node; `None` for other operators.
pub(crate) fn read(node: &NodeProto) -> TractResult<Option<TreeEnsemble>> {
    Ok(match node.op_type.as_str() {
        "TreeEnsembleClassifier" => Some(classifier(node)?),
        "TreeEnsembleRegressor" => Some(regressor(node)?),
        "TreeEnsemble" => Some(version_5(node)?),
        _ => None,
    })
}

/// An ensemble before the type of its input is known.
#[derive(Debug)]
pub(crate) struct TreeEnsemble {
    name: &'static str,
    pub ensemble: Ensemble,
    pub has_doubles: bool,
    pub base_values: Vec<f64>,
    pub post_transform: PostTransform,
    pub head: Head,
}

#[derive(Clone, Debug)]
pub(crate) enum Head {
    Regressor(Aggregate),
    Classifier {
        labels: ClassLabels,
        outputs: ClassifierOutputs,
    },
}

fn classifier(node: &NodeProto) -> TractResult<TreeEnsemble> {
    let attributes = Attributes(node);
    let labels = ClassLabels::read(attributes, "classlabels_int64s")?;
    let classes = labels.len();
    let (ensemble, has_doubles) = tree_attributes::read(attributes, &CLASS_WEIGHTS, classes)?;
    let (base_values, _) = attributes.floats_or_tensor("base_values")?;
    let fits = base_values.is_empty() || base_values.len() == classes || (classes == 2 && base_values.len() == 1);
    ensure!(fits, "{} base_values for {classes} classes", base_values.len());
    let outputs = ClassifierOutputs::of(node)?;
    let post_transform = PostTransform::parse(attributes.string("post_transform")?)?;
    let head = Head::Classifier { labels, outputs };
    Ok(TreeEnsemble {
        name: "TreeEnsembleClassifier",
        ensemble,
        has_doubles,
        base_values,
        post_transform,
        head,
    })
}

fn regressor(node: &NodeProto) -> TractResult<TreeEnsemble> {
    let attributes = Attributes(node);
    let targets = targets(attributes)?;
    let (ensemble, has_doubles) = tree_attributes::read(attributes, &TARGET_WEIGHTS, targets)?;
    let (base_values, _) = attributes.floats_or_tensor("base_values")?;
    ensure!(
        base_values.is_empty() || base_values.len() == targets,
        "{} base_values for {targets} targets",
        base_values.len()
    );
    let aggregate = match attributes.string("aggregate_function")? {
        None | Some("SUM") => Aggregate::Sum,
        Some("AVERAGE") => Aggregate::Average,
        Some("MIN") => Aggregate::Min,
        Some("MAX") => Aggregate::Max,
        Some(other) => bail!("unknown aggregate_function {other:?}"),
    };
    let post_transform = PostTransform::parse(attributes.string("post_transform")?)?;
    let head = Head::Regressor(aggregate);
    Ok(TreeEnsemble {
        name: "TreeEnsembleRegressor",
        ensemble,
        has_doubles,
        base_values,
        post_transform,
        head,
    })
}

/// The depth of the node's trees; `None` if it has none, or they cannot be read.
pub(crate) fn depth(node: &NodeProto) -> Option<usize> {
    // The depth does not depend on the number of targets, which classifiers have in another attribute.
    const ANY: usize = u32::MAX as usize;
    let attributes = Attributes(node);
    let read = match node.op_type.as_str() {
        "TreeEnsembleClassifier" => tree_attributes::read(attributes, &CLASS_WEIGHTS, ANY),
        "TreeEnsembleRegressor" => tree_attributes::read(attributes, &TARGET_WEIGHTS, ANY),
        "TreeEnsemble" => tree_attributes_5::read(attributes, ANY),
        _ => return None,
    };
    read.ok()?.0.depth()
}

fn targets(attributes: Attributes<'_>) -> TractResult<usize> {
    let targets = attributes.int("n_targets")?.unwrap_or(1);
    ensure!((1..=1 << 16).contains(&targets), "n_targets is {targets}");
    Ok(targets as usize)
}

fn version_5(node: &NodeProto) -> TractResult<TreeEnsemble> {
    let attributes = Attributes(node);
    let (ensemble, has_doubles) = tree_attributes_5::read(attributes, targets(attributes)?)?;
    let aggregate = match attributes.int("aggregate_function")? {
        Some(0) => Aggregate::Average,
        None | Some(1) => Aggregate::Sum,
        Some(2) => Aggregate::Min,
        Some(3) => Aggregate::Max,
        Some(other) => bail!("unknown aggregate_function {other}"),
    };
    // The numbers of ONNX Runtime. In the specification 1 is SOFTMAX and 2 is LOGISTIC.
    let post_transform = match attributes.int("post_transform")? {
        None | Some(0) => PostTransform::None,
        Some(1) => PostTransform::Logistic,
        Some(2) => PostTransform::Softmax,
        Some(3) => PostTransform::SoftmaxZero,
        Some(4) => PostTransform::Probit,
        Some(other) => bail!("unknown post_transform {other}"),
    };
    let head = Head::Regressor(aggregate);
    Ok(TreeEnsemble {
        name: "TreeEnsemble",
        ensemble,
        has_doubles,
        base_values: Vec::new(),
        post_transform,
        head,
    })
}

impl TreeEnsemble {
    fn lay_out<R: Record<Number: Datum>>(&self) -> TractResult<Option<Arc<dyn Kernel>>> {
        let Some(forest) = Forest::<R>::new(&self.ensemble)? else {
            return Ok(None);
        };
        let base_values = self
            .base_values
            .iter()
            .map(|&value| R::Number::from_f64(value))
            .collect();
        let weights = &self.ensemble.weights;
        let finish = match &self.head {
            Head::Regressor(aggregate) => Finish::Regression(Regression {
                aggregate: *aggregate,
                trees: forest.trees(),
                base_values,
                post_transform: self.post_transform,
            }),
            Head::Classifier { labels, outputs } => Finish::Classification {
                labels: labels.clone(),
                outputs: *outputs,
                classification: Classification {
                    classes: labels.len(),
                    is_binary_case: labels.len() == 2
                        && weights.windows(2).all(|pair| pair[0].target == pair[1].target),
                    has_no_negative_weight: weights.iter().all(|weight| weight.value >= 0.0),
                    base_values,
                    post_transform: self.post_transform,
                },
            },
        };
        let single_target = single_target(&self.ensemble);
        Ok(Some(Arc::new(LaidOutEnsemble {
            name: self.name,
            forest,
            targets: self.ensemble.targets,
            single_target,
            finish,
        })))
    }
}

impl Kernel for TreeEnsemble {
    fn name(&self) -> &'static str {
        self.name
    }

    fn outputs(&self) -> usize {
        match &self.head {
            Head::Regressor(_) => 1,
            Head::Classifier { outputs, .. } => outputs.count(),
        }
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        let (rows, _) = inputs[0].rows_and_columns()?;
        Ok(match &self.head {
            Head::Regressor(_) => tvec!(scores_type(rows, self.ensemble.targets)),
            Head::Classifier { labels, outputs } => outputs.types(rows, labels, labels.len()),
        })
    }

    fn specialize(&self, inputs: &[TensorType]) -> TractResult<Option<Arc<dyn Kernel>>> {
        let is_double = self.has_doubles || inputs[0].datum == f64::datum_type();
        let compact = if is_double { None } else { self.lay_out::<Compact>()? };
        let kernel = match compact {
            Some(kernel) => Some(kernel),
            None if is_double => self.lay_out::<Wide<f64>>()?,
            None => self.lay_out::<Wide<f32>>()?,
        };
        Ok(Some(kernel.context("the ensemble is too large")?))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let types = [TensorType::new(
            inputs[0].datum_type(),
            inputs[0].shape().iter().map(|dim| dim.to_dim()),
        )];
        let kernel = self
            .specialize(&types)?
            .context("every ensemble is laid out before it runs")?;
        kernel.run(inputs)
    }
}

fn scores_type(rows: TDim, columns: usize) -> TensorType {
    TensorType::new(f32::datum_type(), [rows, columns.to_dim()])
}

/// An ensemble laid out for rows of `R::Number`.
#[derive(Debug)]
struct LaidOutEnsemble<R: Record> {
    name: &'static str,
    forest: Forest<R>,
    targets: usize,
    /// The target of all leaves, if there is only one.
    single_target: Option<usize>,
    finish: Finish<R::Number>,
}

#[derive(Debug)]
enum Finish<N> {
    Regression(Regression<N>),
    Classification {
        labels: ClassLabels,
        outputs: ClassifierOutputs,
        classification: Classification<N>,
    },
}

impl<R: Record> Kernel for LaidOutEnsemble<R>
where
    R::Number: Datum,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn outputs(&self) -> usize {
        match &self.finish {
            Finish::Regression(_) => 1,
            Finish::Classification { outputs, .. } => outputs.count(),
        }
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        let (rows, columns) = inputs[0].rows_and_columns()?;
        let features = self.forest.features();
        ensure!(
            columns >= features,
            "the trees look at feature {}, but the rows have {columns} columns",
            features - 1
        );
        Ok(match &self.finish {
            Finish::Regression(_) => tvec!(scores_type(rows, self.targets)),
            Finish::Classification { labels, outputs, .. } => outputs.types(rows, labels, labels.len()),
        })
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let input = inputs[0].cast_to::<R::Number>()?;
        let rows = input.try_as_plain_ram()?.as_slice::<R::Number>()?;
        let width = input.shape().last().copied().unwrap_or(0);
        ensure!(
            width >= self.forest.features(),
            "rows of {width} columns, {} are needed",
            self.forest.features()
        );
        let count = rows.len().checked_div(width).unwrap_or(0);
        let mut scores = vec![0f32; count * self.targets];
        let mut chosen: Vec<ClassLabel> = Vec::new();
        self.score(rows, width, &mut Scratch::default(), &mut scores, |label| {
            chosen.push(label);
        });
        let scores = tensor(&[count, self.targets], scores)?;
        let Finish::Classification { labels, outputs, .. } = &self.finish else {
            return Ok(tvec!(scores));
        };
        let mut tensors = tvec!();
        if outputs.labels {
            tensors.push(labels.tensor(&chosen)?);
        }
        if outputs.scores {
            tensors.push(scores);
        }
        Ok(tensors)
    }

    fn row_function(self: Arc<Self>, input: &TensorType) -> Option<Box<dyn RowFunction>> {
        let is_scores_only = match &self.finish {
            Finish::Regression(_) => true,
            Finish::Classification { outputs, .. } => outputs.scores && !outputs.labels,
        };
        let (_, width) = input.rows_and_columns().ok()?;
        let mut scratch = Scratch::default();
        let function = move |rows: &[f32], output: &mut [f32]| {
            self.score(rows, width, &mut scratch, output, |_| {});
            Ok(())
        };
        (is_scores_only && input.datum == f32::datum_type()).then(|| Box::new(function) as Box<dyn RowFunction>)
    }
}

/// Buffers that are reused from run to run.
#[derive(Clone)]
struct Scratch<R: Record> {
    keys: Keys<R>,
    /// The sum of each row, for ensembles with one target.
    sums: Vec<R::Number>,
    /// The predictions of each row, one for each target.
    predictions: Vec<Prediction<R::Number>>,
}

impl<R: Record> Default for Scratch<R> {
    fn default() -> Self {
        Scratch {
            keys: Keys::default(),
            sums: Vec::new(),
            predictions: Vec::new(),
        }
    }
}

impl<R: Record> LaidOutEnsemble<R> {
    /// Writes the scores of each row, one for each target. A classifier calls `take` with the label of each row.
    fn score<T: Copy + Into<R::Number>>(
        &self,
        rows: &[T],
        width: usize,
        scratch: &mut Scratch<R>,
        scores: &mut [f32],
        mut take: impl FnMut(ClassLabel),
    ) {
        self.predict(rows, width, scores.len() / self.targets, scratch);
        let predictions = scratch.predictions.chunks_exact_mut(self.targets);
        let rows = predictions.zip(scores.chunks_exact_mut(self.targets));
        match &self.finish {
            Finish::Regression(regression) => {
                rows.for_each(|(predictions, scores)| regression.finish(predictions, scores));
            }
            Finish::Classification { classification, .. } => {
                rows.for_each(|(predictions, scores)| take(classification.finish(predictions, scores)));
            }
        }
    }

    /// Computes the predictions of each row.
    fn predict<T: Copy + Into<R::Number>>(&self, rows: &[T], width: usize, count: usize, scratch: &mut Scratch<R>) {
        let Scratch {
            keys,
            sums,
            predictions,
        } = scratch;
        predictions.clear();
        predictions.resize(count * self.targets, Prediction::absent());
        let aggregate = match &self.finish {
            Finish::Regression(regression) => regression.aggregate,
            Finish::Classification { .. } => Aggregate::Sum,
        };
        match self.single_target {
            Some(target) if matches!(aggregate, Aggregate::Sum | Aggregate::Average) => {
                sums.resize(count, R::Number::zero());
                self.forest.sum_single(rows, width, keys, sums);
                for (&sum, predictions) in sums.iter().zip(predictions.chunks_exact_mut(self.targets)) {
                    predictions[target] = Prediction {
                        score: sum,
                        is_present: true,
                    };
                }
            }
            _ => self.forest.for_each_leaf(rows, width, keys, |row, weights| {
                for weight in weights {
                    let target = self.single_target.unwrap_or(weight.target);
                    predictions[row * self.targets + target].take(aggregate, weight.value);
                }
            }),
        }
    }
}
