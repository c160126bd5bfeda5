//! The logarithm of a sum of exponentials. It overflows only if the exact result does.

use tract_onnx::tract_core::ops::math::{Exp, Ln};
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};
use tract_onnx::tract_hir::internal::tract_ndarray::{ArrayD, ArrayView1, Axis};
use tract_onnx::tract_hir::internal::*;

use super::extremes::reduced;
use super::functions::is;

/// ReduceLogSumExp along some axes, which are kept with a length of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LogSumExp {
    axes: TVec<usize>,
}

/// Joins the nodes `n.exp`, `n.sum` and `n.ln`, which tract makes of a ReduceLogSumExp named `n`. The same operators
/// in a file stay separate, as in ONNX Runtime.
pub(super) fn join(model: &mut TypedModel, node: usize) -> TractResult<()> {
    let logarithm = &model.nodes[node];
    let (Some(name), [sum]) = (logarithm.name.strip_suffix(".ln"), &*logarithm.inputs) else {
        return Ok(());
    };
    let sum = &model.nodes[sum.node];
    let (Some(reduce), [exponential]) = (sum.op_as::<Reduce>(), &*sum.inputs) else {
        return Ok(());
    };
    let exponential = &model.nodes[exponential.node];
    let (is_logarithm, is_exponential) = (is::<Ln>(logarithm), is::<Exp>(exponential));
    let is_named = sum.name.strip_suffix(".sum") == Some(name) && exponential.name.strip_suffix(".exp") == Some(name);
    if is_logarithm && is_exponential && is_named && reduce.reducer == Reducer::Sum {
        let axes = reduce.axes.clone();
        let input = exponential.inputs[0];
        model.nodes[node].op = Box::new(LogSumExp { axes });
        model.add_edge(input, InletId::new(node, 0))?;
    }
    Ok(())
}

/// log(Σ exp(xᵢ)) = m + log(Σ exp(xᵢ - m)), where m is the largest xᵢ, as in ONNX Runtime. An infinite m is not
/// subtracted: the result would be NaN instead of infinite.
fn of_numbers(numbers: ArrayView1<'_, f64>) -> f64 {
    let largest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shift = if largest.is_finite() { largest } else { 0.0 };
    let sum: f64 = numbers.iter().map(|number| (number - shift).exp()).sum();
    shift + sum.ln()
}

impl Op for LogSumExp {
    fn name(&self) -> StaticName {
        "ReduceLogSumExp".into()
    }

    op_as_typed_op!();
}

impl EvalOp for LogSumExp {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let numbers = inputs[0].cast_to::<f64>()?;
        let mut sums: ArrayD<f64> = numbers.to_plain_array_view::<f64>()?.to_owned();
        for &axis in &self.axes {
            sums = sums.map_axis(Axis(axis), of_numbers).insert_axis(Axis(axis));
        }
        let sums = Tensor::from(sums).cast_to_dt(inputs[0].datum_type())?.into_owned();
        Ok(tvec!(sums.into_tvalue()))
    }
}

impl TypedOp for LogSumExp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(
            inputs[0].datum_type.fact(&*reduced(&inputs[0].shape, &self.axes))
        ))
    }

    as_op!();
}
