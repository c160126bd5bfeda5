//! Functions of two floats that keep NaN.

use std::ops::Mul;

use tract_onnx::tract_core::ops::binary::BinMiniOp;
use tract_onnx::tract_hir::internal::tract_ndarray::Zip;
use tract_onnx::tract_hir::internal::*;

use super::extremes::Extreme;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NanBinary {
    Extreme(Extreme),
    /// Multiplication. tract replaces a product with zero by zero; of NaN or an infinite number it is NaN.
    Product,
}

trait Real: Datum + Copy + PartialOrd + Mul<Output = Self> {}
impl Real for f32 {}
impl Real for f64 {}

impl NanBinary {
    fn of<T: Real>(self, a: T, b: T) -> T {
        match self {
            NanBinary::Extreme(extreme) => extreme.of(a, b),
            NanBinary::Product => a * b,
        }
    }

    fn change<T: Real>(self, a: &mut Tensor, b: &Tensor) -> TractResult<()> {
        if let [number] = *b.try_as_plain_ram()?.as_slice::<T>()? {
            let mut values = a.try_as_plain_ram_mut()?;
            let values = values.as_slice_mut::<T>()?;
            values.iter_mut().for_each(|value| *value = self.of(*value, number));
            return Ok(());
        }
        let mut a = a.to_plain_array_view_mut::<T>()?;
        let b = b.to_plain_array_view::<T>()?;
        Zip::from(&mut a)
            .and_broadcast(&b)
            .for_each(|a, &b| *a = self.of(*a, b));
        Ok(())
    }

    fn fill<T: Real>(self, c: &mut Tensor, a: &Tensor, b: &Tensor) -> TractResult<()> {
        let mut c = c.to_plain_array_view_mut::<T>()?;
        let (a, b) = (a.to_plain_array_view::<T>()?, b.to_plain_array_view::<T>()?);
        Zip::from(&mut c)
            .and_broadcast(&a)
            .and_broadcast(&b)
            .for_each(|c, &a, &b| *c = self.of(a, b));
        Ok(())
    }
}

impl BinMiniOp for NanBinary {
    fn name(&self) -> &'static str {
        match self {
            NanBinary::Extreme(Extreme::Largest) => "Max",
            NanBinary::Extreme(Extreme::Smallest) => "Min",
            NanBinary::Product => "Mul",
        }
    }

    fn result_datum_type(&self, a: DatumType, b: DatumType) -> TractResult<DatumType> {
        self.operating_datum_type(a, b)
    }

    fn eval_in_a(&self, a: &mut Tensor, b: &Tensor) -> TractResult<()> {
        match a.datum_type() {
            DatumType::F32 => self.change::<f32>(a, b),
            _ => self.change::<f64>(a, b),
        }
    }

    fn eval_out_of_place(&self, c: &mut Tensor, a: &Tensor, b: &Tensor) -> TractResult<()> {
        match c.datum_type() {
            DatumType::F32 => self.fill::<f32>(c, a, b),
            _ => self.fill::<f64>(c, a, b),
        }
    }
}
