//! Finds the score function of a graph: a tree ensemble or a linear function that the score is a monotonic function of.
//! It can be attributed exactly.
//!
//! The graph is read backwards from the score: first operators that act on each score alone (the link), then the score
//! function, then operators that act on each column alone (the preprocessing). Other graphs are attributed by sampling.

use tract_onnx::pb::{GraphProto, NodeProto};
use tract_onnx::tract_hir::internal::TractResult;

use super::columns::columns;
use super::space::Space;
use crate::forest::ensemble::{Ensemble, Node};
use crate::graph_index::GraphIndex;
use crate::input::Input;
use crate::operators::attributes::tensor_numbers;
use crate::operators::linear;
use crate::operators::post_transform::PostTransform;
use crate::operators::tree_ensemble::{self, Head, TreeEnsemble};
use crate::operators::tree_scores::Aggregate;

/// `scale` times the value of a function, plus `offset`.
pub(super) struct ScoreFunction {
    pub kind: FunctionKind,
    pub scale: f64,
    pub offset: f64,
    /// The relation of the score to that value.
    pub space: Space,
    /// The name of the value that the function reads.
    pub input: String,
    /// For each column of that value the column of the row that it is computed from.
    pub columns: Vec<u32>,
}

pub(super) enum FunctionKind {
    Trees {
        ensemble: Ensemble,
        target: u32,
        /// Whether values are compared and added up in f64, whatever the type of the input.
        has_doubles: bool,
    },
    /// A weight for each column.
    Linear(Vec<f64>),
}

/// The score function of a prepared graph with one output; the score is its column `column`.
pub(super) fn find(graph: &GraphProto, inputs: &[Input], column: usize) -> Option<ScoreFunction> {
    let index = GraphIndex::new(graph);
    let mut value = graph.output.first()?.name.as_str();
    let mut link = Link::default();
    loop {
        let node = index.producer(value)?;
        if let Some(found) = function(node, column) {
            let (kind, scale, offset, space) = found.ok()??;
            let (sign, space) = match link {
                Link { is_identity: true, .. } => (1.0, space),
                Link { increases, .. } => (if increases { 1.0 } else { -1.0 }, Space::Raw),
            };
            let input = node.input.first()?.clone();
            return Some(ScoreFunction {
                kind,
                scale: sign * scale,
                offset: sign * offset,
                space,
                columns: columns(&index, inputs, &input)?,
                input,
            });
        }
        value = step_back(&index, node, &mut link)?;
    }
}

/// Kind, scale, offset and space.
type Found = (FunctionKind, f64, f64, Space);

/// The function that the node computes for the score; `None` if it is not an ensemble or a linear function.
fn function(node: &NodeProto, column: usize) -> Option<TractResult<Option<Found>>> {
    match (tree_ensemble::read(node), linear::read(node, column)) {
        (Ok(Some(ensemble)), _) => Some(Ok(trees(ensemble, column))),
        (_, Ok(Some(score))) => {
            let weights = score.coefficients.iter().map(|&weight| f64::from(weight)).collect();
            let intercept = f64::from(score.intercept);
            let (scale, offset) = match (score.is_complement, score.post_transform) {
                (false, _) => (1.0, intercept),
                (true, PostTransform::Logistic) => (-1.0, -intercept),
                (true, _) => (-1.0, 1.0 - intercept),
            };
            Some(Ok(Some((
                FunctionKind::Linear(weights),
                scale,
                offset,
                space(score.post_transform),
            ))))
        }
        (Err(error), _) | (_, Err(error)) => Some(Err(error)),
        (Ok(None), Ok(None)) => None,
    }
}

fn space(post_transform: PostTransform) -> Space {
    match post_transform {
        PostTransform::None => Space::Score,
        PostTransform::Logistic => Space::LogOdds,
        PostTransform::Softmax | PostTransform::SoftmaxZero | PostTransform::Probit => Space::Raw,
    }
}

/// The sum that one column of an ensemble's scores is computed from ([`tree_scores`](crate::operators::tree_scores));
/// `None` if the score is not a function of one sum.
fn trees(read: TreeEnsemble, column: usize) -> Option<Found> {
    let TreeEnsemble {
        ensemble,
        has_doubles,
        base_values,
        post_transform,
        head,
        ..
    } = read;
    let base = |target: usize| base_values.get(target).copied().unwrap_or(0.0);
    let (target, scale, offset, space) = match head {
        Head::Regressor(aggregate) => {
            let scale = match aggregate {
                Aggregate::Sum => 1.0,
                Aggregate::Average => 1.0 / ensemble.roots.len() as f64,
                Aggregate::Min | Aggregate::Max => return None,
            };
            // With several targets, the score of a target without a weight in any leaf reached is 0, without base
            // value.
            let is_alone = ensemble.targets == 1;
            if !is_alone && base(column) != 0.0 {
                return None;
            }
            let is_transformed = !is_alone || post_transform == PostTransform::Probit;
            let space = if is_transformed {
                space(post_transform)
            } else {
                Space::Score
            };
            (column as u32, scale, base(column), space)
        }
        Head::Classifier { labels, .. } if labels.len() == 2 => {
            two_classes(&ensemble, &base_values, post_transform, column)?
        }
        Head::Classifier { labels, .. } if labels.len() > 2 => {
            (column as u32, 1.0, base(column), space(post_transform))
        }
        Head::Classifier { .. } => {
            let is_transformed = post_transform == PostTransform::Probit;
            (0, 1.0, base(0), if is_transformed { Space::Raw } else { Space::Score })
        }
    };
    let function = FunctionKind::Trees {
        ensemble,
        target,
        has_doubles,
    };
    Some((function, scale, offset, space))
}

fn two_classes(
    ensemble: &Ensemble,
    base_values: &[f64],
    post_transform: PostTransform,
    column: usize,
) -> Option<(u32, f64, f64, Space)> {
    let is_binary_case = ensemble.weights.windows(2).all(|pair| pair[0].target == pair[1].target);
    if !is_binary_case {
        // Every leaf must have weights for both classes: an absent score is not transformed like a zero.
        let has_both = |node: &Node| match node {
            &Node::Leaf { first, count } => {
                let weights = &ensemble.weights[first as usize..][..count as usize];
                (0..2).all(|target| weights.iter().any(|weight| weight.target == target))
            }
            Node::Branch(_) => true,
        };
        let is_plain = base_values.is_empty() && ensemble.nodes.iter().all(has_both);
        return is_plain.then_some((column as u32, 1.0, 0.0, space(post_transform)));
    }
    let is_for_first = ensemble.weights.first().is_some_and(|weight| weight.target == 0);
    if !is_for_first || base_values.len() > 1 {
        return None;
    }
    let base = base_values.first().copied().unwrap_or(0.0);
    let are_complements = ensemble.weights.iter().all(|weight| weight.value >= 0.0);
    Some(match (post_transform, column) {
        (PostTransform::Logistic, 1) => (0, 1.0, base, Space::LogOdds),
        (PostTransform::Logistic, _) => (0, -1.0, -base, Space::LogOdds),
        (PostTransform::Probit, 0) => (0, 1.0, base, Space::Raw),
        (PostTransform::Probit, _) => return None,
        (_, 1) => (0, 1.0, base, Space::Score),
        (_, _) => (0, -1.0, if are_complements { 1.0 - base } else { -base }, Space::Score),
    })
}

/// The combined effect of the operators after the score function.
struct Link {
    is_identity: bool,
    increases: bool,
}

impl Default for Link {
    fn default() -> Self {
        Link {
            is_identity: true,
            increases: true,
        }
    }
}

/// The operand that `node` is an element-wise monotonic function of.
fn step_back<'a>(index: &GraphIndex<'a>, node: &'a NodeProto, link: &mut Link) -> Option<&'a str> {
    let constant = |place: usize| number(index, node.input.get(place)?);
    let first = || node.input.first().map(String::as_str);
    let second = || node.input.get(1).map(String::as_str);
    let (operand, is_identity, increases) = match (node.op_type.as_str(), constant(0), constant(1)) {
        // Normalizer: of two scores that add up to one, which the background rows confirm.
        ("Identity" | "Cast" | "Normalizer", ..) => (first(), true, true),
        ("Exp" | "Sigmoid" | "Tanh", ..) => (first(), false, true),
        ("Neg", ..) => (first(), false, false),
        ("Add", None, Some(number)) | ("Sub", None, Some(number)) => (first(), number == 0.0, true),
        ("Add", Some(number), None) => (second(), number == 0.0, true),
        ("Sub", Some(_), None) => (second(), false, false),
        ("Mul" | "Div", None, Some(number)) if number != 0.0 => (first(), number == 1.0, number > 0.0),
        ("Mul", Some(number), None) if number != 0.0 => (second(), number == 1.0, number > 0.0),
        ("Pow", Some(base), None) if base > 0.0 && base != 1.0 => (second(), false, base > 1.0),
        _ => return None,
    };
    link.is_identity &= is_identity;
    link.increases ^= !increases;
    operand
}

/// The element of a constant with only one.
fn number(index: &GraphIndex<'_>, value: &str) -> Option<f64> {
    let (numbers, _) = tensor_numbers(index.constant(value)?).ok()?;
    (numbers.len() == 1).then(|| numbers[0])
}
