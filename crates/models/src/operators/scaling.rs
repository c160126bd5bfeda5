//! Scaler, Imputer, Normalizer and Binarizer (ai.onnx.ml 1), and IsNaN of the standard domain, which tract supports for
//! f32 only.
//!
//! Normalizer with MAX divides by the largest value, not the largest absolute value, as the formula of the
//! specification and ONNX Runtime do. A row whose norm is zero is unchanged, as in ONNX Runtime; the specification
//! does not define it.

use tract_onnx::model::OnnxOpRegister;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::Attributes;
use super::kernel::{Kernel, TensorType, in_place, operator, rows_of_f32, tensor};
use crate::program::RowFunction;

pub(crate) fn register(operators: &mut OnnxOpRegister) {
    operators.insert("Scaler", |_, node| Ok(operator(scaler(node)?)));
    operators.insert("Imputer", |_, node| Ok(operator(imputer(node)?)));
    operators.insert("IsNaN", |_, _| Ok(operator(IsNan)));
    operators.insert("Normalizer", |_, node| Ok(operator(normalizer(node)?)));
    operators.insert("Binarizer", |_, node| {
        Ok(operator(Binarizer {
            threshold: Attributes(node).float("threshold")?.unwrap_or(0.0),
        }))
    });
}

/// Checks that there is one value for all columns, or one for each.
fn check_columns(values: &[impl Sized], input: &TensorType) -> TractResult<()> {
    let (_, columns) = input.rows_and_columns()?;
    ensure!(
        values.len() == 1 || values.len() == columns,
        "{} values for {columns} columns",
        values.len()
    );
    Ok(())
}

/// (x - offset) * scale, in f32; of doubles in f64, as in ONNX Runtime, which rounds the result.
#[derive(Debug)]
struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

fn scaler(node: &NodeProto) -> TractResult<Scaler> {
    let attributes = Attributes(node);
    Ok(Scaler {
        offset: attributes.floats("offset")?.to_vec(),
        scale: attributes.floats("scale")?.to_vec(),
    })
}

impl Kernel for Scaler {
    fn name(&self) -> &'static str {
        "Scaler"
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        ensure!(
            self.offset.len() == self.scale.len(),
            "offset and scale differ in length"
        );
        check_columns(&self.offset, &inputs[0])?;
        Ok(tvec!(TensorType::new(f32::datum_type(), inputs[0].shape.clone())))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        if inputs[0].datum_type() == f64::datum_type() {
            let values = inputs[0].try_as_plain_ram()?.as_slice::<f64>()?;
            return Ok(tvec!(tensor(inputs[0].shape(), self.scale_doubles(values))?));
        }
        let (values, _) = rows_of_f32(&inputs[0])?;
        let mut scaled = values.into_owned();
        self.scale(&mut scaled);
        Ok(tvec!(tensor(inputs[0].shape(), scaled)?))
    }

    fn row_function(self: Arc<Self>, input: &TensorType) -> Option<Box<dyn RowFunction>> {
        in_place(self, input, Scaler::scale)
    }
}

impl Scaler {
    /// Large numbers that differ little, such as times, lose their differences in f32.
    fn scale_doubles(&self, values: &[f64]) -> Vec<f32> {
        let columns = self.offset.iter().zip(&self.scale).cycle();
        let scaled =
            |(value, (&offset, &scale)): (&f64, (&f32, &f32))| ((value - f64::from(offset)) * f64::from(scale)) as f32;
        values.iter().zip(columns).map(scaled).collect()
    }

    fn scale(&self, values: &mut [f32]) {
        if let ([offset], [scale]) = (&*self.offset, &*self.scale) {
            values.iter_mut().for_each(|value| *value = (*value - offset) * scale);
            return;
        }
        for row in values.chunks_exact_mut(self.offset.len().max(1)) {
            for ((value, offset), scale) in row.iter_mut().zip(&self.offset).zip(&self.scale) {
                *value = (*value - offset) * scale;
            }
        }
    }
}

/// Replaces one value, usually NaN, by another.
#[derive(Debug)]
enum Imputer {
    Floats { replaced: f32, imputed: Vec<f32> },
    Integers { replaced: i64, imputed: Vec<i64> },
}

fn imputer(node: &NodeProto) -> TractResult<Imputer> {
    let attributes = Attributes(node);
    let floats = attributes.floats("imputed_value_floats")?;
    let integers = attributes.ints("imputed_value_int64s")?;
    match (floats, integers) {
        ([], []) => bail!("there are no imputed values"),
        (floats, []) => Ok(Imputer::Floats {
            replaced: attributes.float("replaced_value_float")?.unwrap_or(0.0),
            imputed: floats.to_vec(),
        }),
        ([], integers) => Ok(Imputer::Integers {
            replaced: attributes.int("replaced_value_int64")?.unwrap_or(0),
            imputed: integers.to_vec(),
        }),
        _ => bail!("imputed values are given as floats and as integers"),
    }
}

impl Kernel for Imputer {
    fn name(&self) -> &'static str {
        "Imputer"
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        let datum = match self {
            Imputer::Floats { imputed, .. } => {
                check_columns(imputed, &inputs[0])?;
                f32::datum_type()
            }
            Imputer::Integers { imputed, .. } => {
                check_columns(imputed, &inputs[0])?;
                i64::datum_type()
            }
        };
        ensure!(
            inputs[0].datum == datum,
            "values to impute are {datum:?}, the input is {:?}",
            inputs[0].datum
        );
        Ok(tvec!(TensorType::new(datum, inputs[0].shape.clone())))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let input = inputs[0].try_as_plain_ram()?;
        let shape = inputs[0].shape();
        let output = match self {
            Imputer::Floats { .. } => {
                let mut values = input.as_slice::<f32>()?.to_vec();
                self.impute_floats(&mut values);
                tensor(shape, values)
            }
            Imputer::Integers { replaced, imputed } => {
                let mut values = input.as_slice::<i64>()?.to_vec();
                impute(&mut values, imputed, |value| value == *replaced);
                tensor(shape, values)
            }
        };
        Ok(tvec!(output?))
    }

    fn row_function(self: Arc<Self>, input: &TensorType) -> Option<Box<dyn RowFunction>> {
        in_place(self, input, Imputer::impute_floats)
    }
}

impl Imputer {
    fn impute_floats(&self, values: &mut [f32]) {
        match self {
            Imputer::Floats { replaced, imputed } if replaced.is_nan() => impute(values, imputed, f32::is_nan),
            Imputer::Floats { replaced, imputed } => impute(values, imputed, |value| value == *replaced),
            Imputer::Integers { .. } => {}
        }
    }
}

fn impute<T: Copy>(values: &mut [T], imputed: &[T], is_replaced: impl Fn(T) -> bool) {
    for row in values.chunks_mut(imputed.len()) {
        for (value, &imputed) in row.iter_mut().zip(imputed) {
            *value = if is_replaced(*value) { imputed } else { *value };
        }
    }
}

/// Divides each row by its norm.
#[derive(Clone, Copy, Debug)]
enum Normalizer {
    Max,
    L1,
    L2,
}

fn normalizer(node: &NodeProto) -> TractResult<Normalizer> {
    match Attributes(node).string("norm")? {
        None | Some("MAX") => Ok(Normalizer::Max),
        Some("L1") => Ok(Normalizer::L1),
        Some("L2") => Ok(Normalizer::L2),
        Some(other) => bail!("unknown norm {other:?}"),
    }
}

impl Kernel for Normalizer {
    fn name(&self) -> &'static str {
        "Normalizer"
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        inputs[0].rows_and_columns()?;
        Ok(tvec!(TensorType::new(f32::datum_type(), inputs[0].shape.clone())))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let (values, columns) = rows_of_f32(&inputs[0])?;
        let mut values = values.into_owned();
        values
            .chunks_exact_mut(columns.max(1))
            .for_each(|row| self.normalize(row));
        Ok(tvec!(tensor(inputs[0].shape(), values)?))
    }
}

impl Normalizer {
    fn normalize(self, row: &mut [f32]) {
        let divisor = match self {
            Normalizer::Max => row
                .iter()
                .copied()
                .fold(f32::MIN, |max, value| if value > max { value } else { max }),
            Normalizer::L1 => row.iter().map(|value| value.abs()).sum(),
            Normalizer::L2 => row.iter().map(|value| value * value).sum(),
        };
        if divisor == 0.0 {
            return;
        }
        match self {
            Normalizer::L2 => row
                .iter_mut()
                .for_each(|value| *value = (*value * *value / divisor).sqrt().copysign(*value)),
            Normalizer::Max | Normalizer::L1 => row.iter_mut().for_each(|value| *value /= divisor),
        }
    }
}

/// 1 for values above the threshold, 0 for all others and NaN.
#[derive(Debug)]
struct Binarizer {
    threshold: f32,
}

impl Kernel for Binarizer {
    fn name(&self) -> &'static str {
        "Binarizer"
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        Ok(tvec!(TensorType::new(f32::datum_type(), inputs[0].shape.clone())))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let (values, _) = rows_of_f32(&inputs[0])?;
        let mut binary = values.into_owned();
        self.binarize(&mut binary);
        Ok(tvec!(tensor(inputs[0].shape(), binary)?))
    }

    fn row_function(self: Arc<Self>, input: &TensorType) -> Option<Box<dyn RowFunction>> {
        in_place(self, input, Binarizer::binarize)
    }
}

impl Binarizer {
    fn binarize(&self, values: &mut [f32]) {
        values
            .iter_mut()
            .for_each(|value| *value = f32::from(u8::from(*value > self.threshold)));
    }
}

/// Whether a number is NaN.
#[derive(Debug)]
struct IsNan;

impl Kernel for IsNan {
    fn name(&self) -> &'static str {
        "IsNaN"
    }

    fn output_types(&self, inputs: &[TensorType]) -> TractResult<TVec<TensorType>> {
        ensure!(inputs[0].datum.is_float(), "IsNaN of {:?}", inputs[0].datum);
        Ok(tvec!(TensorType::new(bool::datum_type(), inputs[0].shape.clone())))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let values = inputs[0].cast_to::<f64>()?;
        let values = values.try_as_plain_ram()?.as_slice::<f64>()?;
        let are_nan = values.iter().map(|value| value.is_nan()).collect();
        Ok(tvec!(tensor::<bool>(inputs[0].shape(), are_nan)?))
    }
}
