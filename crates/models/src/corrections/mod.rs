//! What tract's own operators of the standard domain answer otherwise than ONNX Runtime, put right in the typed graph
//! before tract optimizes it.
//!
//! - A recurrent operator starts each run from its initial state. tract goes on from where the last run ended, so that a
//!   row's score would depend on the rows before it.
//! - NaN stays NaN in activations, minima and maxima. tract's vector instructions lose it, and a row with a missing value
//!   would get a score that looks like any other.
//! - Functions that tract has for f32 only work on f64, too.

mod extremes;
mod functions;

use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::gru_seq::GruSeq;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::math::{Max, Min};
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};
use tract_onnx::tract_core::ops::scan::Scan;
use tract_onnx::tract_hir::internal::*;

use extremes::{Extreme, ReducedExtreme};

/// Puts the operators of `model` and of its loops' bodies right. Their inputs and outputs stay as they are.
///
/// # Errors
/// When an operator has no form for the type of its input.
pub(crate) fn apply(model: &mut TypedModel) -> TractResult<()> {
    for node in 0..model.nodes.len() {
        match_types_of_constants(model, node)?;
        let datum = match model.nodes[node].inputs.first() {
            Some(&input) => model.outlet_fact(input)?.datum_type,
            None => continue,
        };
        let node = &mut model.nodes[node];
        if let Some(scan) = node.op_as_mut::<Scan>() {
            scan.reset_every_turn = true;
            apply(&mut scan.body)?;
        } else if let Some(gru) = node.op_as_mut::<GruSeq>() {
            gru.reset_every_turn = true;
        } else if let Some(better) = replacement(node, datum)? {
            node.op = better;
        }
    }
    Ok(())
}

fn replacement(node: &TypedNode, datum: DatumType) -> TractResult<Option<Box<dyn TypedOp>>> {
    if datum != f32::datum_type() && datum != f64::datum_type() {
        return Ok(None);
    }
    if let Some(ElementWiseOp(function, output)) = node.op_as() {
        let better = functions::replacement(&**function, datum).with_context(|| format!("node {:?}", node.name))?;
        return Ok(better.map(|better| Box::new(ElementWiseOp(better, *output)) as _));
    }
    if let Some(TypedBinOp(operator, output)) = node.op_as() {
        let extreme = if operator.is::<Max>() {
            Extreme::Largest
        } else if operator.is::<Min>() {
            Extreme::Smallest
        } else {
            return Ok(None);
        };
        return Ok(Some(Box::new(TypedBinOp(Box::new(extreme), *output))));
    }
    let Some(reduce) = node.op_as::<Reduce>() else {
        return Ok(None);
    };
    let extreme = match reduce.reducer {
        Reducer::Max => Extreme::Largest,
        Reducer::Min => Extreme::Smallest,
        _ => return Ok(None),
    };
    Ok(Some(Box::new(ReducedExtreme {
        extreme,
        axes: reduce.axes.clone(),
    })))
}

/// tract writes Gemm's alpha and beta as f32, whatever it multiplies.
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
