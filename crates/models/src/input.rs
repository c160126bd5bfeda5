//! The inputs of a graph, and the columns of a row that feed them.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value as DimensionValue};
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{GraphProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::bail;
use tract_onnx::tract_hir::internal::tract_ndarray::ArrayD;

use crate::graph::fed_inputs;
use crate::{Limits, ModelError, texts};

/// An input of the graph: a tensor whose first axis counts rows.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub name: String,
    pub datum: DatumType,
    /// Sizes of all axes but the first.
    pub axes: Vec<usize>,
    /// Whether its columns hold codes of texts.
    pub is_text: bool,
    /// The first of its columns in a row.
    pub first_column: usize,
    pub columns: usize,
    /// The number of rows, if the file fixes it.
    pub fixed_rows: Option<usize>,
    /// The file's symbol for the number of rows.
    rows_symbol: Option<String>,
}

/// Reads the graph's inputs: tensors of numbers or texts whose first axis counts rows.
pub(crate) fn inputs(graph: &GraphProto, limits: &Limits) -> Result<Vec<Input>, ModelError> {
    let mut inputs = Vec::new();
    let mut first_column = 0usize;
    for info in fed_inputs(graph) {
        let input = Input::read(info, first_column)?;
        first_column = first_column.saturating_add(input.columns);
        if first_column > limits.input_columns {
            return Err(ModelError::Limit(format!(
                "more than {} input columns",
                limits.input_columns
            )));
        }
        inputs.push(input);
    }
    if inputs.is_empty() {
        return Err(ModelError::Invalid("the graph has no inputs".to_owned()));
    }
    Ok(inputs)
}

impl Input {
    fn read(info: &ValueInfoProto, first_column: usize) -> Result<Input, ModelError> {
        let refuse = |reason: &str| {
            Err(ModelError::Input {
                input: info.name.clone(),
                reason: reason.to_owned(),
            })
        };
        let Some(TypeValue::TensorType(tensor)) = info.r#type.as_ref().and_then(|kind| kind.value.as_ref()) else {
            return refuse("it is not a tensor");
        };
        let datum = match DataType::try_from(tensor.elem_type).unwrap_or(DataType::Undefined) {
            DataType::Float => f32::datum_type(),
            DataType::Double => f64::datum_type(),
            // The rewritten graph takes codes in place of texts.
            DataType::Int64 | DataType::String => i64::datum_type(),
            DataType::Int32 => i32::datum_type(),
            DataType::Bool => bool::datum_type(),
            other => {
                return refuse(&format!("elements of type {} are not supported", other.as_str_name()));
            }
        };
        let Some(shape) = &tensor.shape else {
            return refuse("it has no shape: export it as [None, columns]");
        };
        let Some((rows, axes)) = shape.dim.split_first() else {
            return refuse("it is a single number, not rows");
        };
        let Some(axes) = axes.iter().map(fixed_size).collect::<Option<Vec<usize>>>() else {
            return refuse("its number of columns is not fixed: export it as [None, columns]");
        };
        let columns = axes
            .iter()
            .try_fold(1usize, |product, &size| product.checked_mul(size))
            .unwrap_or(usize::MAX);
        let (fixed_rows, rows_symbol) = match &rows.value {
            Some(DimensionValue::DimValue(rows)) if *rows > 0 => (usize::try_from(*rows).ok(), None),
            Some(DimensionValue::DimParam(name)) => (None, Some(name.clone())),
            _ => (None, None),
        };
        Ok(Input {
            name: info.name.clone(),
            datum,
            axes,
            is_text: texts::is_text(info),
            first_column,
            columns,
            fixed_rows,
            rows_symbol,
        })
    }

    /// An input with a single column of floats.
    pub fn single_column(name: &str) -> Self {
        Input {
            name: name.to_owned(),
            datum: f32::datum_type(),
            axes: vec![1],
            is_text: false,
            first_column: 0,
            columns: 1,
            fixed_rows: None,
            rows_symbol: None,
        }
    }

    /// The declaration of an input of floats.
    pub fn declaration(&self) -> ValueInfoProto {
        let shape = TensorShapeProto { dim: Vec::new() };
        let tensor = type_proto::Tensor {
            elem_type: DataType::Float as i32,
            shape: Some(shape),
        };
        let kind = TypeProto {
            value: Some(TypeValue::TensorType(tensor)),
            ..TypeProto::default()
        };
        ValueInfoProto {
            name: self.name.clone(),
            r#type: Some(kind),
            ..ValueInfoProto::default()
        }
    }

    /// Declares the input's shape in `info`. The first axis is `fixed_rows` or else a symbol: the file's own, because
    /// the rest of the graph may refer to it, or "rows".
    pub fn set_shape(&self, info: &mut ValueInfoProto, fixed_rows: Option<usize>) {
        let is_plain = |name: &&String| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !name.starts_with(|c: char| c.is_ascii_digit())
        };
        let rows = match fixed_rows {
            Some(rows) => DimensionValue::DimValue(rows as i64),
            None => {
                let symbol = self.rows_symbol.as_ref().filter(is_plain);
                DimensionValue::DimParam(symbol.map_or("rows", String::as_str).to_owned())
            }
        };
        let sizes = self.axes.iter().map(|&size| DimensionValue::DimValue(size as i64));
        let dimension = |value| Dimension {
            value: Some(value),
            ..Default::default()
        };
        if let Some(TypeValue::TensorType(tensor)) = info.r#type.as_mut().and_then(|kind| kind.value.as_mut())
            && let Some(shape) = tensor.shape.as_mut()
        {
            shape.dim = std::iter::once(rows).chain(sizes).map(dimension).collect();
        }
    }

    /// This input's columns of `count` rows of `width` numbers, as a tensor of its element type.
    pub fn tensor(&self, width: usize, rows: &[f64], count: usize) -> TractResult<TValue> {
        let rows = Columns {
            input: self,
            width,
            rows,
            count,
        };
        match self.datum {
            DatumType::F32 => rows.tensor(|number| number as f32),
            DatumType::F64 => rows.tensor(|number| number),
            DatumType::I64 => rows.tensor(|number| number as i64),
            DatumType::I32 => rows.tensor(|number| number as i32),
            DatumType::Bool => rows.tensor(|number| number != 0.0),
            other => bail!("an input of {other:?}"),
        }
    }
}

/// An input's columns of some rows.
struct Columns<'a> {
    input: &'a Input,
    width: usize,
    rows: &'a [f64],
    count: usize,
}

impl Columns<'_> {
    /// The columns as a tensor of the input's shape, each number converted.
    fn tensor<T: Datum>(&self, convert: impl Fn(f64) -> T) -> TractResult<TValue> {
        let columns = self.input.first_column..self.input.first_column + self.input.columns;
        let mut elements = Vec::with_capacity(self.count * self.input.columns);
        for row in self.rows.chunks_exact(self.width) {
            elements.extend(row[columns.clone()].iter().map(|&number| convert(number)));
        }
        let axes = self.input.axes.iter().copied();
        let shape: TVec<usize> = std::iter::once(self.count).chain(axes).collect();
        Ok(Tensor::from(ArrayD::from_shape_vec(&*shape, elements)?).into_tvalue())
    }
}

/// The size of an axis, if the file fixes it.
fn fixed_size(axis: &Dimension) -> Option<usize> {
    match axis.value {
        Some(DimensionValue::DimValue(size)) if size > 0 => Some(usize::try_from(size).unwrap_or(usize::MAX)),
        _ => None,
    }
}
