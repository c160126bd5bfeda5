//! Minimum and maximum of floats, which are NaN if one of the numbers is, and their position along an axis.

use tract_onnx::tract_hir::internal::tract_ndarray::{ArrayD, ArrayView1, Axis};
use tract_onnx::tract_hir::internal::*;

/// Maximum or minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extreme {
    Largest,
    Smallest,
}

impl Extreme {
    /// The extreme of two numbers; NaN if either is NaN. Comparisons with NaN are false, so a NaN `b` is the result.
    pub fn of<T: PartialOrd>(self, a: T, b: T) -> T {
        let is_a = match self {
            Extreme::Largest => a > b,
            Extreme::Smallest => a < b,
        };
        // Only NaN differs from itself.
        #[expect(clippy::eq_op, reason = "a number that may be NaN")]
        if is_a || a != a { a } else { b }
    }
}

/// ReduceMax or ReduceMin along some axes, which are kept with a length of one.
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
        format!("Reduce{:?}", self.extreme).into()
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
        Ok(tvec!(
            inputs[0].datum_type.fact(&*reduced(&inputs[0].shape, &self.axes))
        ))
    }

    as_op!();
}

/// ArgMax or ArgMin along an axis, which is kept with a length of one. As in ONNX Runtime, NaN is not an extreme
/// unless it is the first number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArgExtreme {
    pub extreme: Extreme,
    pub axes: TVec<usize>,
    /// Whether it is the last of equal numbers instead of the first.
    pub takes_last: bool,
}

impl ArgExtreme {
    fn find<T: Datum + PartialOrd + Copy>(&self, input: &Tensor) -> TractResult<TValue> {
        let [axis] = *self.axes else {
            bail!("the position along {} axes", self.axes.len());
        };
        let along = |numbers: ArrayView1<'_, T>| {
            let mut best = 0;
            for (index, number) in numbers.iter().enumerate().skip(1) {
                let is_better = match self.extreme {
                    Extreme::Largest => *number > numbers[best],
                    Extreme::Smallest => *number < numbers[best],
                };
                if is_better || self.takes_last && *number == numbers[best] {
                    best = index;
                }
            }
            best as i64
        };
        let found = input.to_plain_array_view::<T>()?.map_axis(Axis(axis), along);
        Ok(Tensor::from(found.insert_axis(Axis(axis))).into_tvalue())
    }
}

impl Op for ArgExtreme {
    fn name(&self) -> StaticName {
        format!("Arg{:?}", self.extreme).into()
    }

    op_as_typed_op!();
}

impl EvalOp for ArgExtreme {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        Ok(tvec!(match inputs[0].datum_type() {
            DatumType::F32 => self.find::<f32>(&inputs[0])?,
            _ => self.find::<f64>(&inputs[0])?,
        }))
    }
}

impl TypedOp for ArgExtreme {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(i64::datum_type().fact(&*reduced(&inputs[0].shape, &self.axes))))
    }

    as_op!();
}

/// A shape with `axes` of length one.
pub(super) fn reduced(shape: &ShapeFact, axes: &[usize]) -> TVec<TDim> {
    let mut shape = shape.to_tvec();
    for &axis in axes {
        shape[axis] = 1.to_dim();
    }
    shape
}
