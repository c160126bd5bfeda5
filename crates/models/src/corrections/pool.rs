//! MaxPool that keeps NaN.

use tract_onnx::tract_core::ops::cnn::MaxPool;
use tract_onnx::tract_hir::internal::tract_ndarray::Zip;
use tract_onnx::tract_hir::internal::*;

/// The maximum of a window with NaN is NaN, as in ONNX Runtime. A second pool, over ones for NaN and zeros for numbers,
/// finds these windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NanMaxPool(pub MaxPool);

impl Op for NanMaxPool {
    fn name(&self) -> StaticName {
        self.0.name()
    }

    op_as_typed_op!();
}

impl EvalOp for NanMaxPool {
    op_out_of_plan!();

    fn eval(&self, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut outputs = self.0.eval(context, inputs.clone())?;
        let input = &inputs[0];
        let any_is_nan = input.datum_type() == f32::datum_type()
            && input
                .try_as_plain_ram()?
                .as_slice::<f32>()?
                .iter()
                .any(|number| number.is_nan());
        if any_is_nan {
            let markers = input.to_plain_array_view::<f32>()?;
            let markers = Tensor::from(markers.mapv(|number| f32::from(u8::from(number.is_nan()))));
            let windows = self.0.eval(context, tvec!(markers.into_tvalue()))?;
            let mut found = outputs[0].clone().into_tensor();
            Zip::from(found.to_plain_array_view_mut::<f32>()?)
                .and(windows[0].to_plain_array_view::<f32>()?)
                .for_each(|found, &window| *found = if window > 0.0 { f32::NAN } else { *found });
            outputs[0] = found.into_tvalue();
        }
        Ok(outputs)
    }
}

impl TypedOp for NanMaxPool {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.0.output_facts(inputs)
    }

    as_op!();
}
