//! Indices out of range.

use tract_onnx::tract_core::ops::array::{Gather, GatherElements, OneHot};
use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
use tract_onnx::tract_hir::internal::*;

/// What the error of an index says: it is a row's fault.
pub(crate) const OUT_OF_RANGE: &str = "is out of range";

/// Checks the indices of a Gather before it runs, which panics where one is out of range.
pub(super) fn check(model: &mut TypedModel, node: usize) -> TractResult<()> {
    let gather = &model.nodes[node];
    let axis = gather.op_as::<Gather>().map(|gather| gather.axis);
    let axis = axis.or_else(|| gather.op_as::<GatherElements>().map(|gather| gather.axis));
    let (Some(axis), [data, indices]) = (axis, &*gather.inputs) else {
        return Ok(());
    };
    let (data, indices) = (*data, *indices);
    let fact = model.outlet_fact(indices)?;
    // Constants have been checked by tract, sizes of tensors are not what a row can get wrong.
    let is_of_rows = fact.konst.is_none() && fact.datum_type == i64::datum_type();
    if let (true, Ok(size)) = (is_of_rows, model.outlet_fact(data)?.shape[axis].to_usize()) {
        let name = format!("{} index", gather.name);
        let check = ElementWiseOp(Box::new(InRange { size }), None);
        let checked = model.wire_node(name, check, &[indices])?;
        model.add_edge(checked[0], InletId::new(node, 1))?;
    }
    Ok(())
}

/// Indices of an axis of `size`, the negative from its end: an error if one is none.
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

/// OneHot by the specification: an index out of range, here also NaN, makes all values the `off` value, a negative one
/// counts from the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownOneHot(pub OneHot);

impl KnownOneHot {
    fn fill<T: Datum + Clone>(&self, indices: &Tensor) -> TractResult<TValue> {
        let OneHot { axis, dim, off, on } = &self.0;
        let off = off.try_as_plain_ram()?.to_scalar::<T>()?.clone();
        let on = on.try_as_plain_ram()?.to_scalar::<T>()?.clone();
        let mut shape: TVec<usize> = indices.shape().into();
        shape.insert(*axis, *dim);
        let within: usize = indices.shape()[*axis..].iter().product();
        let mut values = vec![off; shape.iter().product()];
        // In f64 all indices that are in range are exact.
        let indices = indices.cast_to::<f64>()?;
        for (place, index) in indices.try_as_plain_ram()?.as_slice::<f64>()?.iter().enumerate() {
            let (index, size) = (index.trunc(), *dim as f64);
            if (-size..size).contains(&index) {
                let index = if index < 0.0 { index + size } else { index } as usize;
                values[(place / within * dim + index) * within + place % within] = on.clone();
            }
        }
        Ok(tract_ndarray::ArrayD::from_shape_vec(&*shape, values)?.into_tvalue())
    }
}

impl Op for KnownOneHot {
    fn name(&self) -> StaticName {
        self.0.name()
    }

    op_as_typed_op!();
}

impl EvalOp for KnownOneHot {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        Ok(tvec!(dispatch_datum!(Self::fill(self.0.off.datum_type())(
            self, &inputs[0]
        ))?))
    }
}

impl TypedOp for KnownOneHot {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.0.output_facts(inputs)
    }

    fn axes_mapping(&self, inputs: &[&TypedFact], outputs: &[&TypedFact]) -> TractResult<AxesMapping> {
        self.0.axes_mapping(inputs, outputs)
    }

    as_op!();
}
