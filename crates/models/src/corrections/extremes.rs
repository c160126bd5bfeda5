//! Minima and maxima of floats that are NaN when one of the numbers is.

use tract_onnx::tract_core::ops::binary::BinMiniOp;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::internal::tract_ndarray::{ArrayD, Axis, Zip};

/// The larger or the smaller of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extreme {
    Largest,
    Smallest,
}

impl Extreme {
    /// `b` when it is NaN, for no comparison with NaN is true.
    fn of<T: PartialOrd>(self, a: T, b: T) -> T {
        let is_a = match self {
            Extreme::Largest => a > b,
            Extreme::Smallest => a < b,
        };
        // NaN alone differs from itself.
        #[expect(clippy::eq_op, reason = "a number that may be NaN")]
        if is_a || a != a { a } else { b }
    }

    fn fold_into<T: Datum + PartialOrd + Copy>(self, a: &mut Tensor, b: &Tensor) -> TractResult<()> {
        if let (1, scalar) = (b.len(), b.try_as_plain_ram()?.as_slice::<T>()?) {
            let mut values = a.try_as_plain_ram_mut()?;
            values.as_slice_mut::<T>()?.iter_mut().for_each(|value| *value = self.of(*value, scalar[0]));
            return Ok(());
        }
        let mut a = a.to_plain_array_view_mut::<T>()?;
        let b = b.to_plain_array_view::<T>()?;
        Zip::from(&mut a).and_broadcast(&b).for_each(|a, &b| *a = self.of(*a, b));
        Ok(())
    }

    fn combine<T: Datum + PartialOrd + Copy>(self, c: &mut Tensor, a: &Tensor, b: &Tensor) -> TractResult<()> {
        let mut c = c.to_plain_array_view_mut::<T>()?;
        let (a, b) = (a.to_plain_array_view::<T>()?, b.to_plain_array_view::<T>()?);
        Zip::from(&mut c)
            .and_broadcast(&a)
            .and_broadcast(&b)
            .for_each(|c, &a, &b| *c = self.of(a, b));
        Ok(())
    }
}

impl BinMiniOp for Extreme {
    fn name(&self) -> &'static str {
        match self {
            Extreme::Largest => "Max",
            Extreme::Smallest => "Min",
        }
    }

    fn result_datum_type(&self, a: DatumType, b: DatumType) -> TractResult<DatumType> {
        self.operating_datum_type(a, b)
    }

    fn eval_in_a(&self, a: &mut Tensor, b: &Tensor) -> TractResult<()> {
        match a.datum_type() {
            DatumType::F32 => self.fold_into::<f32>(a, b),
            _ => self.fold_into::<f64>(a, b),
        }
    }

    fn eval_out_of_place(&self, c: &mut Tensor, a: &Tensor, b: &Tensor) -> TractResult<()> {
        match c.datum_type() {
            DatumType::F32 => self.combine::<f32>(c, a, b),
            _ => self.combine::<f64>(c, a, b),
        }
    }
}

/// The largest or smallest number along some axes, which stay, with a length of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReducedExtreme {
    pub extreme: Extreme,
    pub axes: TVec<usize>,
}

impl ReducedExtreme {
    fn reduce<T: Datum + PartialOrd + Copy>(&self, input: &Tensor, empty: T) -> TractResult<TValue> {
        let mut reduced: ArrayD<T> = input.to_plain_array_view::<T>()?.to_owned();
        for &axis in &self.axes {
            let along = reduced.fold_axis(Axis(axis), None, |found: &Option<T>, &value| {
                Some(found.map_or(value, |found| self.extreme.of(found, value)))
            });
            reduced = along.mapv(|found| found.unwrap_or(empty)).insert_axis(Axis(axis));
        }
        Ok(Tensor::from(reduced).into_tvalue())
    }
}

impl Op for ReducedExtreme {
    fn name(&self) -> StaticName {
        format!("Reduce{}", self.extreme.name()).into()
    }

    op_as_typed_op!();
}

impl EvalOp for ReducedExtreme {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let empty = match self.extreme {
            Extreme::Largest => f64::NEG_INFINITY,
            Extreme::Smallest => f64::INFINITY,
        };
        Ok(tvec!(match inputs[0].datum_type() {
            DatumType::F32 => self.reduce::<f32>(&inputs[0], empty as f32)?,
            _ => self.reduce::<f64>(&inputs[0], empty)?,
        }))
    }
}

impl TypedOp for ReducedExtreme {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut shape: TVec<TDim> = inputs[0].shape.to_tvec();
        for &axis in &self.axes {
            shape[axis] = 1.to_dim();
        }
        Ok(tvec!(inputs[0].datum_type.fact(&*shape)))
    }

    as_op!();
}
