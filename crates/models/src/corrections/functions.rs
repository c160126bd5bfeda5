//! Corrected functions of single numbers.

use tract_onnx::model::OnnxOpRegister;
use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
use tract_onnx::tract_core::ops::math::{Erf, RoundHalfToEven, Tanh};
use tract_onnx::tract_core::ops::nn::{GeluApproximate, GeluExact, HardSwish, LeakyRelu, Sigmoid, Silu};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::element_wise::ElementWiseIntoHir;

/// The replacement of one of tract's functions for inputs of type `datum`, f32 or f64, if it needs one.
///
/// # Errors
/// When the function is not supported for f64.
pub(super) fn replacement(
    function: &dyn ElementWiseMiniOp,
    datum: DatumType,
) -> TractResult<Option<Box<dyn ElementWiseMiniOp>>> {
    let in_f64 = in_f64(function);
    if datum == f64::datum_type() {
        let is_missing = function.is::<Erf>() || function.is::<GeluExact>() || function.is::<Silu>();
        ensure!(
            !is_missing,
            "{} of doubles is not supported: export it with floats",
            function.name()
        );
        return Ok(in_f64.map(|function| Box::new(function) as _));
    }
    // tract's version has an error of 5e-7 times the argument.
    if let Some(function @ DoubleFunction::GeluTanh) = in_f64 {
        return Ok(Some(Box::new(function)));
    }
    let loses_nan = function.is::<Sigmoid>()
        || function.is::<Tanh>()
        || function.is::<Silu>()
        || function.is::<HardSwish>()
        || function.is::<LeakyRelu>();
    Ok(loses_nan.then(|| Box::new(NanPreserving(function_clone(function))) as _))
}

fn function_clone(function: &dyn ElementWiseMiniOp) -> Box<dyn ElementWiseMiniOp> {
    tract_onnx::tract_core::dyn_clone::clone_box(function)
}

/// A function of tract's for f32 that gives NaN for NaN.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NanPreserving(Box<dyn ElementWiseMiniOp>);

impl ElementWiseMiniOp for NanPreserving {
    fn name(&self) -> String {
        self.0.name()
    }

    fn eval_in_place(&self, tensor: &mut Tensor, output: Option<DatumType>) -> TractResult<()> {
        let values = tensor.try_as_plain_ram()?.as_slice::<f32>()?;
        if !values.iter().fold(false, |any, value| any | value.is_nan()) {
            return self.0.eval_in_place(tensor, output);
        }
        let are_nan: Vec<bool> = values.iter().map(|value| value.is_nan()).collect();
        self.0.eval_in_place(tensor, output)?;
        let mut results = tensor.try_as_plain_ram_mut()?;
        for (result, is_nan) in results.as_slice_mut::<f32>()?.iter_mut().zip(are_nan) {
            if is_nan {
                *result = f32::NAN;
            }
        }
        Ok(())
    }
}

/// Registers functions that tract composes of others with wrong results: it ignores the alpha of Celu, and its
/// Softplus is infinite above 88.
pub(super) fn register(operators: &mut OnnxOpRegister) {
    operators.insert("Celu", |_, node| {
        let alpha = node.get_attr_opt("alpha")?.unwrap_or(1.0f32);
        Ok((
            ElementWiseOp(Box::new(DoubleFunction::Celu(alpha.to_bits())), None).into_hir(),
            Vec::new(),
        ))
    });
    operators.insert("Softplus", |_, _| {
        Ok((
            ElementWiseOp(Box::new(DoubleFunction::Softplus), None).into_hir(),
            Vec::new(),
        ))
    });
}

/// A function computed in f64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DoubleFunction {
    Sigmoid,
    HardSwish,
    /// Holds the bits of its slope, an f32.
    LeakyRelu(u32),
    /// Rounds half to even.
    Round,
    GeluTanh,
    /// Holds the bits of its alpha, an f32.
    Celu(u32),
    Softplus,
    /// The logarithm of the sigmoid.
    LogSigmoid,
}

/// Whether a node computes one of tract's functions.
pub(super) fn is<F: ElementWiseMiniOp>(node: &TypedNode) -> bool {
    node.op_as().is_some_and(|op: &ElementWiseOp| op.0.is::<F>())
}

/// The logarithm of the sigmoid, as one operator.
pub(super) fn log_sigmoid() -> Box<dyn TypedOp> {
    Box::new(ElementWiseOp(Box::new(DoubleFunction::LogSigmoid), None))
}

fn in_f64(function: &dyn ElementWiseMiniOp) -> Option<DoubleFunction> {
    if function.is::<Sigmoid>() {
        Some(DoubleFunction::Sigmoid)
    } else if function.is::<HardSwish>() {
        Some(DoubleFunction::HardSwish)
    } else if let Some(leaky) = function.downcast_ref::<LeakyRelu>() {
        Some(DoubleFunction::LeakyRelu(leaky.alpha.to_bits()))
    } else if function.is::<RoundHalfToEven>() {
        Some(DoubleFunction::Round)
    } else {
        let gelu = function.downcast_ref::<GeluApproximate>();
        gelu.filter(|gelu| !gelu.fast_impl).map(|_| DoubleFunction::GeluTanh)
    }
}

impl DoubleFunction {
    fn of(self, x: f64) -> f64 {
        match self {
            DoubleFunction::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            // f64::clamp keeps NaN.
            DoubleFunction::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            DoubleFunction::LeakyRelu(slope) if x < 0.0 => x * f64::from(f32::from_bits(slope)),
            DoubleFunction::LeakyRelu(_) => x,
            DoubleFunction::Round => x.round_ties_even(),
            DoubleFunction::GeluTanh => {
                0.5 * x * (1.0 + (std::f64::consts::FRAC_2_PI.sqrt() * (x + 0.044715 * x * x * x)).tanh())
            }
            // max(0, x) + min(0, alpha * (exp(x / alpha) - 1)), where one of the terms is zero.
            DoubleFunction::Celu(alpha) if x < 0.0 => {
                let alpha = f64::from(f32::from_bits(alpha));
                alpha * (x / alpha).exp_m1()
            }
            DoubleFunction::Celu(_) => x,
            // log(exp(x) + 1). f64::max drops NaN; the first term keeps it.
            DoubleFunction::Softplus => (-x.abs()).exp().ln_1p() + x.max(0.0),
            DoubleFunction::LogSigmoid => -DoubleFunction::Softplus.of(-x),
        }
    }
}

impl ElementWiseMiniOp for DoubleFunction {
    fn name(&self) -> String {
        format!("{self:?}")
    }

    fn eval_in_place(&self, tensor: &mut Tensor, _: Option<DatumType>) -> TractResult<()> {
        let datum = tensor.datum_type();
        let mut values = tensor.try_as_plain_ram_mut()?;
        match datum {
            DatumType::F64 => {
                let values = values.as_slice_mut::<f64>()?.iter_mut();
                values.for_each(|value| *value = self.of(*value));
            }
            DatumType::F16 => {
                let values = values.as_slice_mut::<f16>()?.iter_mut();
                values.for_each(|value| *value = f16::from_f64(self.of(value.to_f64())));
            }
            _ => {
                let values = values.as_slice_mut::<f32>()?.iter_mut();
                values.for_each(|value| *value = self.of(f64::from(*value)) as f32);
            }
        }
        Ok(())
    }
}
