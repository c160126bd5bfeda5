//! Corrects operators of the standard domain whose results in tract differ from those of ONNX Runtime. They are
//! replaced in the typed graph before tract optimizes it, or built by this crate when the graph is loaded.
//!
//! - A recurrent operator starts each run from its initial state. In tract it continues from the end of the last run,
//!   and a row's score would depend on the rows before it.
//! - NaN stays NaN in activations, minima and maxima, and times zero. tract's vector instructions and simplifications
//!   lose it, and a row with a missing value would get an ordinary score.
//! - A constant that is broadcast before a matrix product gets the rank of the product, which tract requires. Initial
//!   states are such constants.
//! - Functions that tract implements for f32 only also work on f64.
//! - LogSoftmax, LogSigmoid, ReduceLogSumExp and Softplus are finite if the exact result is.
//! - Powers of integers, equality of booleans, and IsNaN and IsInf of doubles are supported.
//! - A cast to int64 keeps 64 bits.
//! - An index out of range gives a one-hot value without a one; in other operators it is an error instead of a panic.

mod binary;
mod extremes;
mod functions;
mod indices;
mod log_sum_exp;
mod pool;
mod recurrent;
mod types;

use tract_onnx::model::OnnxOpRegister;
use tract_onnx::tract_core::ops::array::{MultiBroadcastTo, OneHot};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::MaxPool;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::identity::Identity;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::logic::IfThenElse;
use tract_onnx::tract_core::ops::math::{Ln, Max, Min, Mul};
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer, Sigmoid, Softmax, SoftmaxKind};
use tract_onnx::tract_core::ops::scan::Scan;
use tract_onnx::tract_hir::internal::*;

use binary::NanBinary;
use extremes::{ArgExtreme, Extreme, ReducedExtreme};
pub(crate) use indices::OUT_OF_RANGE;
use indices::SpecifiedOneHot;
use pool::NanMaxPool;

/// Replaces tract's builders of operators by this crate's.
pub(crate) fn register(operators: &mut OnnxOpRegister) {
    functions::register(operators);
}

/// Corrects the operators of `model`, of the bodies of its loops, and of its branches. Inputs and outputs do not
/// change.
///
/// # Errors
/// When an operator does not support the type of its input.
pub(crate) fn apply(model: &mut TypedModel) -> TractResult<()> {
    for node in 0..model.nodes.len() {
        match_types_of_constants(model, node)?;
        join_logarithm(model, node)?;
        log_sum_exp::join(model, node)?;
        match_rank_of_constant(model, node)?;
        indices::check(model, node)?;
        types::compare_booleans(model, node)?;
    }
    for node in 0..model.nodes.len() {
        let mut inputs: TVec<TypedFact> = tvec!();
        for &input in &model.nodes[node].inputs {
            inputs.push(model.outlet_fact(input)?.clone());
        }
        let node = &mut model.nodes[node];
        if let Some(scan) = node.op_as_mut::<Scan>() {
            scan.reset_every_turn = true;
            apply(&mut scan.body)?;
        } else if let Some(choice) = node.op_as_mut::<IfThenElse>() {
            apply(&mut choice.then_body)?;
            apply(&mut choice.else_body)?;
        } else if let Some(corrected) = replacement(node, &inputs)? {
            node.op = corrected;
        }
    }
    Ok(())
}

fn replacement(node: &TypedNode, inputs: &[TypedFact]) -> TractResult<Option<Box<dyn TypedOp>>> {
    if let Some(cell) = recurrent::replacement(&*node.op) {
        return Ok(Some(cell));
    }
    if let Some(one_hot) = node.op_as::<OneHot>() {
        return Ok(Some(Box::new(SpecifiedOneHot(one_hot.clone()))));
    }
    if let Some(pool) = node.op_as::<MaxPool>() {
        return Ok(Some(Box::new(NanMaxPool(pool.clone()))));
    }
    if let Some(corrected) = types::replacement(node, inputs) {
        return Ok(Some(corrected));
    }
    let datum = match inputs {
        [first, ..] if matches!(first.datum_type, DatumType::F32 | DatumType::F64) => first.datum_type,
        _ => return Ok(None),
    };
    if let Some(ElementWiseOp(function, output)) = node.op_as() {
        let corrected = functions::replacement(&**function, datum).with_context(|| format!("node {:?}", node.name))?;
        return Ok(corrected.map(|function| Box::new(ElementWiseOp(function, *output)) as _));
    }
    if let Some(TypedBinOp(operator, output)) = node.op_as() {
        let corrected = if operator.is::<Max>() {
            NanBinary::Extreme(Extreme::Largest)
        } else if operator.is::<Min>() {
            NanBinary::Extreme(Extreme::Smallest)
        } else if operator.is::<Mul>() && inputs.iter().any(is_zero) {
            NanBinary::Product
        } else {
            return Ok(None);
        };
        return Ok(Some(Box::new(TypedBinOp(Box::new(corrected), *output))));
    }
    let Some(reduce) = node.op_as::<Reduce>() else {
        return Ok(None);
    };
    let axes = reduce.axes.clone();
    let reduced = |extreme| {
        Some(Box::new(ReducedExtreme {
            extreme,
            axes: axes.clone(),
        }) as _)
    };
    let position = |extreme, takes_last| {
        let axes = axes.clone();
        Some(Box::new(ArgExtreme {
            extreme,
            axes,
            takes_last,
        }) as _)
    };
    Ok(match reduce.reducer {
        Reducer::Max => reduced(Extreme::Largest),
        Reducer::Min => reduced(Extreme::Smallest),
        Reducer::ArgMax(takes_last) => position(Extreme::Largest, takes_last),
        Reducer::ArgMin(takes_last) => position(Extreme::Smallest, takes_last),
        _ => None,
    })
}

/// Whether all elements of a value are known to be zero.
fn is_zero(fact: &TypedFact) -> bool {
    let uniform = fact.konst.as_ref().and_then(|constant| constant.as_uniform());
    uniform.is_some_and(|number| number.cast_to_scalar::<f64>().is_ok_and(|number| number == 0.0))
}

/// Joins the logarithm of a softmax or of a sigmoid to one operator. Computed apart, it is infinite if the softmax or
/// the sigmoid underflows.
fn join_logarithm(model: &mut TypedModel, node: usize) -> TractResult<()> {
    let ([input], true) = (&*model.nodes[node].inputs, functions::is::<Ln>(&model.nodes[node])) else {
        return Ok(());
    };
    let input = *input;
    if model.outlet_successors(input).len() > 1 || model.output_outlets()?.contains(&input) {
        return Ok(());
    }
    if let Some(softmax) = model.nodes[input.node].op_as_mut::<Softmax>() {
        softmax.kind = SoftmaxKind::LogSoftmax;
        model.nodes[node].op = Box::new(Identity);
    } else if functions::is::<Sigmoid>(&model.nodes[input.node]) {
        model.nodes[node].op = functions::log_sigmoid();
        let input = model.nodes[input.node].inputs[0];
        model.add_edge(input, InletId::new(node, 0))?;
    }
    Ok(())
}

/// Gives a broadcast constant the rank of the broadcast. Before a matrix product tract reads the constant in its
/// place, and the ranks would differ.
fn match_rank_of_constant(model: &mut TypedModel, node: usize) -> TractResult<()> {
    if !model.nodes[node].op_is::<MultiBroadcastTo>() {
        return Ok(());
    }
    let rank = model.nodes[node].outputs[0].fact.rank();
    let Some(constant) = model.outlet_fact(model.nodes[node].inputs[0])?.konst.clone() else {
        return Ok(());
    };
    if constant.rank() < rank {
        let name = format!("{} of rank {rank}", model.nodes[node].name);
        let constant = model.add_const(name, constant.as_ref().clone().broadcast_into_rank(rank)?)?;
        model.add_edge(constant, InletId::new(node, 0))?;
    }
    Ok(())
}

/// Converts a constant f32 operand of an f64 operator to f64. tract makes such constants of Gemm's alpha and beta.
fn match_types_of_constants(model: &mut TypedModel, node: usize) -> TractResult<()> {
    if !model.nodes[node].op_is::<TypedBinOp>() {
        return Ok(());
    }
    let inputs = model.nodes[node].inputs.clone();
    let mut datums = tvec!();
    for &input in &inputs {
        datums.push(model.outlet_fact(input)?.datum_type);
    }
    if !datums.contains(&f32::datum_type()) || !datums.contains(&f64::datum_type()) {
        return Ok(());
    }
    for (&input, datum) in inputs.iter().zip(datums) {
        let source = &mut model.nodes[input.node];
        if let Some(constant) = source.op_as::<Const>().filter(|_| datum == f32::datum_type()) {
            let double = constant.val().cast_to::<f64>()?.into_owned().into_arc_tensor();
            source.op = Box::new(Const::new(double.clone())?);
            source.outputs[input.slot].fact = TypedFact::try_from(double)?;
        }
    }
    Ok(())
}
