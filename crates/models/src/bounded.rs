//! Bounds on what tract computes while it loads a model.
//!
//! tract computes a node during loading if all its inputs are constants, however large the result. This module wraps
//! every operator. The wrapper infers the shapes of the outputs first, and an output that is too large ends the load.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tract_onnx::ops::logic::If;
use tract_onnx::pb::GraphProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::konst::Const;
use tract_onnx::tract_hir::ops::scan::InferenceScan;
use tract_onnx::tract_hir::ops::source::Source;

use crate::{Limits, ModelError};

/// A tensor exceeds the limit, or all tensors computed from constants together do.
#[derive(Debug)]
pub(crate) struct TooLarge(String);

impl fmt::Display for TooLarge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for TooLarge {}

/// Operators whose operands hold the sizes of their output. tract truncates such numbers to 32 bits.
const SIZED_BY_VALUES: [&str; 7] = ["ConstantOfShape", "Expand", "Pad", "Range", "Reshape", "Resize", "Tile"];

/// Wraps the operators of a model made from `graph`, subgraphs included.
pub(crate) fn bound(model: &mut InferenceModel, graph: &GraphProto, limits: &Limits) {
    let mut sized_by_values = HashSet::new();
    find_sized(graph, &mut sized_by_values);
    let bounds = Bounds {
        tensor_elements: limits.tensor_elements,
        budget: Arc::new(AtomicUsize::new(limits.tensor_elements)),
    };
    bound_nodes(model, &sized_by_values, &bounds);
}

fn find_sized<'a>(graph: &'a GraphProto, names: &mut HashSet<&'a str>) {
    for node in &graph.node {
        if SIZED_BY_VALUES.contains(&node.op_type.as_str()) {
            names.insert(&node.name);
        }
        let subgraphs = node
            .attribute
            .iter()
            .flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs));
        subgraphs.for_each(|graph| find_sized(graph, names));
    }
}

/// The [`ModelError::Limit`] of an error that has a [`TooLarge`] among its causes.
pub(crate) fn limit(error: &TractError) -> Option<ModelError> {
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<TooLarge>())?;
    Some(ModelError::Limit(cause.to_string()))
}

fn bound_nodes(model: &mut InferenceModel, sized_by_values: &HashSet<&str>, bounds: &Bounds) {
    for node in &mut model.nodes {
        if let Some(scan) = node.op_as_mut::<InferenceScan>() {
            bound_nodes(&mut scan.body, sized_by_values, bounds);
        } else if let Some(choice) = node.op_as_mut::<If>() {
            bound_nodes(&mut choice.then_body, sized_by_values, bounds);
            bound_nodes(&mut choice.else_body, sized_by_values, bounds);
        } else if !node.op_is::<Source>() && !node.op_is::<Const>() {
            node.op = Box::new(Bounded {
                op: node.op.clone(),
                name: node.name.clone(),
                is_sized_by_values: sized_by_values.contains(node.name.as_str()),
                bounds: bounds.clone(),
                is_counted: false,
            });
        }
    }
}

#[derive(Clone, Debug)]
struct Bounds {
    /// Upper bound on the elements of a tensor.
    tensor_elements: usize,
    /// The elements that all nodes together may still compute from constants.
    budget: Arc<AtomicUsize>,
}

/// An operator that fails if one of its outputs would be too large.
#[derive(Clone, Debug)]
struct Bounded {
    op: Box<dyn InferenceOp>,
    /// The node's name.
    name: String,
    is_sized_by_values: bool,
    bounds: Bounds,
    /// Whether this node's outputs are subtracted from the budget.
    is_counted: bool,
}

impl Bounded {
    fn check_operands(&self, inputs: &[&InferenceFact]) -> Result<(), TooLarge> {
        let values = inputs.iter().filter_map(|fact| fact.value.concretize());
        let integers = values.filter(|value| value.datum_type().is_integer() && value.len() <= MAX_SIZES);
        let sizes = integers.filter_map(|value| Some(value.cast_to::<i64>().ok()?.into_owned()));
        for tensor in sizes {
            let sizes = tensor
                .try_as_plain_ram()
                .and_then(|plain| Ok(plain.as_slice::<i64>()?.to_vec()));
            let largest = sizes.iter().flatten().map(|size| size.unsigned_abs()).max();
            if let Some(largest) = largest.filter(|&largest| largest > self.bounds.tensor_elements as u64) {
                return Err(TooLarge(format!("node {:?} has a size of {largest}", self.name)));
            }
        }
        Ok(())
    }

    fn check_outputs(&mut self, inputs: &[InferenceFact], outputs: &[InferenceFact]) -> Result<(), TooLarge> {
        let limit = self.bounds.tensor_elements;
        let mut elements = 0usize;
        for fact in outputs {
            let output_elements = known_elements(fact);
            if output_elements > limit {
                let name = &self.name;
                return Err(TooLarge(format!(
                    "node {name:?} makes a tensor of {output_elements} elements"
                )));
            }
            elements = elements.saturating_add(output_elements);
        }
        let is_constant = inputs.iter().all(|fact| fact.value.is_concrete());
        if is_constant && !std::mem::replace(&mut self.is_counted, true) {
            let take = |left: usize| left.checked_sub(elements);
            let is_within = self
                .bounds
                .budget
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
            is_within.map_err(|_| TooLarge(format!("more than {limit} elements are computed from constants")))?;
        }
        Ok(())
    }
}

/// Upper bound on the elements of an operand that holds sizes.
const MAX_SIZES: usize = 64;

/// The product of the known sizes of the axes: a lower bound of the number of elements.
fn known_elements(fact: &InferenceFact) -> usize {
    let sizes = fact.shape.dims().filter_map(|dim| dim.concretize()?.to_usize().ok());
    sizes.fold(1, usize::saturating_mul)
}

impl PartialEq for Bounded {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl Eq for Bounded {}

impl Op for Bounded {
    fn name(&self) -> StaticName {
        self.op.name()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        self.op.info()
    }

    not_a_typed_op!();
}

impl EvalOp for Bounded {
    fn eval(&self, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        self.op.eval(context, inputs)
    }

    fn eval_out_of_plan(&self, inputs: TVec<TValue>) -> TractResult<Option<TVec<TValue>>> {
        self.op.eval_out_of_plan(inputs)
    }

    fn state(&self, context: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        self.op.state(context)
    }
}

impl InferenceOp for Bounded {
    fn infer(
        &mut self,
        inputs: TVec<&InferenceFact>,
        outputs: TVec<&InferenceFact>,
        observed: TVec<&InferenceFact>,
    ) -> TractResult<(TVec<InferenceFact>, TVec<InferenceFact>, TVec<InferenceFact>)> {
        if self.is_sized_by_values {
            self.check_operands(&inputs)?;
        }
        let (known_inputs, known_outputs, _) =
            self.op.infer_facts(inputs.clone(), outputs.clone(), observed.clone())?;
        self.check_outputs(&known_inputs, &known_outputs)?;
        self.op.infer(inputs, outputs, observed)
    }

    fn infer_facts(
        &mut self,
        inputs: TVec<&InferenceFact>,
        outputs: TVec<&InferenceFact>,
        observed: TVec<&InferenceFact>,
    ) -> TractResult<(TVec<InferenceFact>, TVec<InferenceFact>, TVec<InferenceFact>)> {
        self.op.infer_facts(inputs, outputs, observed)
    }

    fn observe_outlets(&self, model: &InferenceModel, node: &InferenceNode) -> TractResult<Vec<OutletId>> {
        self.op.observe_outlets(model, node)
    }

    fn incorporate(&self, model: &InferenceModel, node: &InferenceNode) -> TractResult<Option<InferenceModelPatch>> {
        self.op.incorporate(model, node)
    }

    fn nboutputs(&self) -> TractResult<usize> {
        self.op.nboutputs()
    }

    fn to_typed(
        &self,
        source: &InferenceModel,
        node: &InferenceNode,
        target: &mut TypedModel,
        mapping: &HashMap<OutletId, OutletId>,
    ) -> TractResult<TVec<OutletId>> {
        self.op.to_typed(source, node, target, mapping)
    }

    as_op!();
}
