//! Operators on types for which tract does not support them.

use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::cast::{Cast, cast};
use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
use tract_onnx::tract_core::ops::logic::CompEq;
use tract_onnx::tract_core::ops::math::{IsInf, IsNan, Mul, Pow};
use tract_onnx::tract_hir::internal::tract_ndarray::{ArrayD, Zip};
use tract_onnx::tract_hir::internal::*;

/// The replacement of an operator of tract's for inputs of these types, if it needs one.
pub(super) fn replacement(node: &TypedNode, inputs: &[TypedFact]) -> Option<Box<dyn TypedOp>> {
    let datum = inputs.first()?.datum_type;
    if let Some(TypedBinOp(operator, output)) = node.op_as() {
        // tract turns the product of a value with itself into a square, which it supports for floats only.
        let is_square = operator.is::<Mul>() && node.inputs[0] == node.inputs[1];
        let function = match datum {
            DatumType::I32 | DatumType::I64 if operator.is::<Pow>() => IntegerBinary::Power,
            DatumType::I32 | DatumType::I64 if is_square => IntegerBinary::Product,
            _ => return None,
        };
        return Some(Box::new(TypedBinOp(Box::new(function), *output)));
    }
    let is_number = datum.is_integer() || datum.is_float();
    if node.op_as::<Cast>().is_some_and(|cast| cast.to == TDim::datum_type()) && is_number {
        return Some(Box::new(ElementWiseOp(Box::new(CastToInt64), None)));
    }
    let ElementWiseOp(function, output) = node.op_as().filter(|_| datum == f64::datum_type())?;
    let test = if function.is::<IsNan>() {
        DoubleTest::IsNan
    } else {
        let IsInf {
            detect_positive,
            detect_negative,
        } = *function.downcast_ref()?;
        DoubleTest::IsInf {
            detect_positive,
            detect_negative,
        }
    };
    Some(Box::new(ElementWiseOp(Box::new(test), *output)))
}

/// Casts booleans to numbers before a comparison: tract compares numbers only.
pub(super) fn compare_booleans(model: &mut TypedModel, node: usize) -> TractResult<()> {
    let inputs = model.nodes[node].inputs.clone();
    let is_equal = |op: &TypedBinOp| op.0.is::<CompEq>();
    if !model.nodes[node].op_as().is_some_and(is_equal) {
        return Ok(());
    }
    for (index, input) in inputs.into_iter().enumerate() {
        if model.outlet_fact(input)?.datum_type == bool::datum_type() {
            let name = format!("{} number {index}", model.nodes[node].name);
            let number = model.wire_node(name, cast(u8::datum_type()), &[input])?;
            model.add_edge(number[0], InletId::new(node, index))?;
        }
    }
    Ok(())
}

/// Functions of two integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IntegerBinary {
    Power,
    Product,
}

impl IntegerBinary {
    fn of(self, a: i64, b: i64) -> i64 {
        match (self, u32::try_from(b)) {
            (IntegerBinary::Product, _) => a.wrapping_mul(b),
            (IntegerBinary::Power, Ok(b)) => a.wrapping_pow(b),
            (IntegerBinary::Power, Err(_)) => (a as f64).powf(b as f64) as i64,
        }
    }

    fn compute(self, shape: &[usize], a: &Tensor, b: &Tensor) -> TractResult<Tensor> {
        let datum = a.datum_type();
        let (a, b) = (a.cast_to::<i64>()?, b.cast_to::<i64>()?);
        let (a, b) = (a.to_plain_array_view::<i64>()?, b.to_plain_array_view::<i64>()?);
        let mut results = ArrayD::<i64>::zeros(shape);
        Zip::from(&mut results)
            .and_broadcast(&a)
            .and_broadcast(&b)
            .for_each(|result, &a, &b| *result = self.of(a, b));
        Ok(Tensor::from(results).cast_to_dt(datum)?.into_owned())
    }
}

impl BinMiniOp for IntegerBinary {
    fn name(&self) -> &'static str {
        match self {
            IntegerBinary::Power => "Pow",
            IntegerBinary::Product => "Mul",
        }
    }

    fn is_commutative(&self) -> bool {
        *self == IntegerBinary::Product
    }

    fn result_datum_type(&self, a: DatumType, b: DatumType) -> TractResult<DatumType> {
        self.operating_datum_type(a, b)
    }

    fn eval_in_a(&self, a: &mut Tensor, b: &Tensor) -> TractResult<()> {
        *a = self.compute(a.shape(), a, b)?;
        Ok(())
    }

    fn eval_out_of_place(&self, c: &mut Tensor, a: &Tensor, b: &Tensor) -> TractResult<()> {
        *c = self.compute(c.shape(), a, b)?;
        Ok(())
    }
}

/// A cast to int64. tract represents int64 by its type of sizes, and its own cast goes through 32 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CastToInt64;

impl ElementWiseMiniOp for CastToInt64 {
    fn name(&self) -> String {
        "CastToInt64".to_owned()
    }

    fn output_type(&self, _: DatumType) -> Option<DatumType> {
        Some(TDim::datum_type())
    }

    /// tract calls this for a value that all elements share; sizes are integers already.
    fn eval_in_place(&self, tensor: &mut Tensor, _: Option<DatumType>) -> TractResult<()> {
        ensure!(tensor.datum_type() == TDim::datum_type(), "not a size");
        Ok(())
    }

    fn eval_out_of_place(&self, tensor: &Tensor, _: Option<DatumType>) -> TractResult<Tensor> {
        let integers = tensor.cast_to::<i64>()?;
        let sizes = integers.to_plain_array_view::<i64>()?.mapv(|number| number.to_dim());
        Ok(Tensor::from(sizes))
    }
}

/// IsNaN and IsInf of doubles, which tract supports for f32 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DoubleTest {
    IsNan,
    IsInf {
        detect_positive: bool,
        detect_negative: bool,
    },
}

impl DoubleTest {
    fn of(self, number: f64) -> bool {
        match self {
            DoubleTest::IsNan => number.is_nan(),
            DoubleTest::IsInf {
                detect_positive,
                detect_negative,
            } => detect_positive && number == f64::INFINITY || detect_negative && number == f64::NEG_INFINITY,
        }
    }
}

impl ElementWiseMiniOp for DoubleTest {
    fn name(&self) -> String {
        format!("{self:?}")
    }

    fn output_type(&self, _: DatumType) -> Option<DatumType> {
        Some(bool::datum_type())
    }

    fn eval_out_of_place(&self, tensor: &Tensor, _: Option<DatumType>) -> TractResult<Tensor> {
        let answers = tensor.to_plain_array_view::<f64>()?.mapv(|number| self.of(number));
        Ok(Tensor::from(answers))
    }
}
