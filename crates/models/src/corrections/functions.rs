//! Functions of single numbers.

use tract_onnx::model::OnnxOpRegister;
use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
use tract_onnx::tract_core::ops::math::{Erf, RoundHalfToEven, Tanh};
use tract_onnx::tract_core::ops::nn::{GeluApproximate, GeluExact, HardSwish, LeakyRelu, Sigmoid, Silu};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::element_wise::ElementWiseIntoHir;

/// What to put in the place of one of tract's functions of inputs of `datum`, f32 or f64.
///
/// # Errors
/// When there is none for f64.
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
    // tract's own is off by the argument's size times 5e-7.
    if let Some(function @ Function::GeluTanh) = in_f64 {
        return Ok(Some(Box::new(function)));
    }
    let loses_nan = function.is::<Sigmoid>()
        || function.is::<Tanh>()
        || function.is::<Silu>()
        || function.is::<HardSwish>()
        || function.is::<LeakyRelu>();
    Ok(loses_nan.then(|| Box::new(NanKept(function_clone(function))) as _))
}

fn function_clone(function: &dyn ElementWiseMiniOp) -> Box<dyn ElementWiseMiniOp> {
    tract_onnx::tract_core::dyn_clone::clone_box(function)
}

/// A function of tract's for f32, after which NaN is NaN again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NanKept(Box<dyn ElementWiseMiniOp>);

impl ElementWiseMiniOp for NanKept {
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

/// Builds the functions that tract composes of others and gets wrong: Celu without its alpha, Softplus infinite above 88.
pub(super) fn register(operators: &mut OnnxOpRegister) {
    operators.insert("Celu", |_, node| {
        let alpha = node.get_attr_opt("alpha")?.unwrap_or(1.0f32);
        Ok((
            ElementWiseOp(Box::new(Function::Celu(alpha.to_bits())), None).into_hir(),
            Vec::new(),
        ))
    });
    operators.insert("Softplus", |_, _| {
        Ok((ElementWiseOp(Box::new(Function::Softplus), None).into_hir(), Vec::new()))
    });
}

/// A function computed in f64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Sigmoid,
    HardSwish,
    /// With the bits of its slope, an f32.
    LeakyRelu(u32),
    /// Half to even.
    Round,
    GeluTanh,
    /// With the bits of its alpha, an f32.
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
    Box::new(ElementWiseOp(Box::new(Function::LogSigmoid), None))
}

fn in_f64(function: &dyn ElementWiseMiniOp) -> Option<Function> {
    if function.is::<Sigmoid>() {
        Some(Function::Sigmoid)
    } else if function.is::<HardSwish>() {
        Some(Function::HardSwish)
    } else if let Some(leaky) = function.downcast_ref::<LeakyRelu>() {
        Some(Function::LeakyRelu(leaky.alpha.to_bits()))
    } else if function.is::<RoundHalfToEven>() {
        Some(Function::Round)
    } else {
        let gelu = function.downcast_ref::<GeluApproximate>();
        gelu.filter(|gelu| !gelu.fast_impl).map(|_| Function::GeluTanh)
    }
}

impl Function {
    fn of(self, x: f64) -> f64 {
        match self {
            Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            // f64::clamp keeps NaN.
            Function::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Function::LeakyRelu(slope) if x < 0.0 => x * f64::from(f32::from_bits(slope)),
            Function::LeakyRelu(_) => x,
            Function::Round => x.round_ties_even(),
            Function::GeluTanh => {
                0.5 * x * (1.0 + (std::f64::consts::FRAC_2_PI.sqrt() * (x + 0.044715 * x * x * x)).tanh())
            }
            // max(0, x) + min(0, alpha * (exp(x / alpha) - 1)), of which one is zero.
            Function::Celu(alpha) if x < 0.0 => {
                let alpha = f64::from(f32::from_bits(alpha));
                alpha * (x / alpha).exp_m1()
            }
            Function::Celu(_) => x,
            // log(exp(x) + 1); f64::max drops NaN, the other term keeps it.
            Function::Softplus => (-x.abs()).exp().ln_1p() + x.max(0.0),
            Function::LogSigmoid => -Function::Softplus.of(-x),
        }
    }
}

impl ElementWiseMiniOp for Function {
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
