//! Checks of indices.

use tract_onnx::tract_core::ops::array::{Gather, GatherElements, OneHot};
use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
use tract_onnx::tract_hir::internal::*;

/// Part of the message of the error for an index out of range. [`batch_check`](crate::batch_check) recognises it.
pub(crate) const OUT_OF_RANGE: &str = "is out of range";

/// Adds a check of the indices of a Gather, which panics if one is out of range.
pub(super) fn check(model: &mut TypedModel, node: usize) -> TractResult<()> {
    let gather = &model.nodes[node];
    let axis = gather.op_as::<Gather>().map(|gather| gather.axis);
    let axis = axis.or_else(|| gather.op_as::<GatherElements>().map(|gather| gather.axis));
    let (Some(axis), [data, indices]) = (axis, &*gather.inputs) else {
        return Ok(());
    };
    let (data, indices) = (*data, *indices);
    let fact = model.outlet_fact(indices)?;
    // tract has checked constants. Other integer types hold sizes of tensors, which do not depend on the values in
    // rows.
    let is_of_rows = fact.konst.is_none() && fact.datum_type == i64::datum_type();
    if let (true, Ok(size)) = (is_of_rows, model.outlet_fact(data)?.shape[axis].to_usize()) {
        let name = format!("{} index", gather.name);
        let check = ElementWiseOp(Box::new(InRange { size }), None);
        let checked = model.wire_node(name, check, &[indices])?;
        model.add_edge(checked[0], InletId::new(node, 1))?;
    }
    Ok(())
}

/// Fails if an index of an axis of `size` is out of range. Negative indices count from the end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct InRange {
    size: usize,
}

impl ElementWiseMiniOp for InRange {
    fn name(&self) -> String {
        "InRange".to_owned()
    }

    fn eval_in_place(&self, tensor: &mut Tensor, _: Option<DatumType>) -> TractResult<()> {
        let size = self.size as i64;
        let indices = tensor.try_as_plain_ram()?.as_slice::<i64>()?;
        match indices.iter().find(|index| !(-size..size).contains(index)) {
            Some(index) => bail!("index {index} {OUT_OF_RANGE}: there are {size}"),
            None => Ok(()),
        }
    }
}

/// OneHot by the specification: for an index out of range, or NaN, all values are `off`. Negative indices count from
/// the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SpecifiedOneHot(pub OneHot);

impl SpecifiedOneHot {
    fn fill<T: Datum + Clone>(&self, indices: &Tensor) -> TractResult<TValue> {
        let OneHot { axis, dim, off, on } = &self.0;
        let off = off.try_as_plain_ram()?.to_scalar::<T>()?.clone();
        let on = on.try_as_plain_ram()?.to_scalar::<T>()?.clone();
        let mut shape: TVec<usize> = indices.shape().into();
        shape.insert(*axis, *dim);
        let within: usize = indices.shape()[*axis..].iter().product();
        let mut values = vec![off; shape.iter().product()];
        // f64 holds all indices in range exactly.
        let indices = indices.cast_to::<f64>()?;
        for (position, index) in indices.try_as_plain_ram()?.as_slice::<f64>()?.iter().enumerate() {
            let (index, size) = (index.trunc(), *dim as f64);
            if (-size..size).contains(&index) {
                let index = if index < 0.0 { index + size } else { index } as usize;
                values[(position / within * dim + index) * within + position % within] = on.clone();
            }
        }
        Ok(tract_ndarray::ArrayD::from_shape_vec(&*shape, values)?.into_tvalue())
    }
}

impl Op for SpecifiedOneHot {
    fn name(&self) -> StaticName {
        self.0.name()
    }

    op_as_typed_op!();
}

impl EvalOp for SpecifiedOneHot {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        Ok(tvec!(dispatch_datum!(Self::fill(self.0.off.datum_type())(
            self, &inputs[0]
        ))?))
    }
}

impl TypedOp for SpecifiedOneHot {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.0.output_facts(inputs)
    }

    fn axes_mapping(&self, inputs: &[&TypedFact], outputs: &[&TypedFact]) -> TractResult<AxesMapping> {
        self.0.axes_mapping(inputs, outputs)
    }

    as_op!();
}
