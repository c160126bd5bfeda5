//! Reads the attributes of a node.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};
use tract_onnx::tract_hir::internal::*;

/// The attributes of a node by name. An absent attribute is an empty list or `None`.
#[derive(Clone, Copy)]
pub(crate) struct Attributes<'a>(pub &'a NodeProto);

impl<'a> Attributes<'a> {
    fn find(self, name: &str, expected: AttributeType) -> TractResult<Option<&'a AttributeProto>> {
        let Some(attribute) = self.0.attribute.iter().find(|attribute| attribute.name == name) else {
            return Ok(None);
        };
        // Files before IR version 3 have no attribute types.
        let given = AttributeType::try_from(attribute.r#type).unwrap_or(AttributeType::Undefined);
        ensure!(
            given == expected || attribute.r#type == 0,
            "attribute {name} is {}, expected {}",
            given.as_str_name(),
            expected.as_str_name()
        );
        Ok(Some(attribute))
    }

    pub fn float(self, name: &str) -> TractResult<Option<f32>> {
        Ok(self.find(name, AttributeType::Float)?.map(|attribute| attribute.f))
    }

    pub fn int(self, name: &str) -> TractResult<Option<i64>> {
        Ok(self.find(name, AttributeType::Int)?.map(|attribute| attribute.i))
    }

    pub fn string(self, name: &str) -> TractResult<Option<&'a str>> {
        let Some(attribute) = self.find(name, AttributeType::String)? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&attribute.s).with_context(|| format!("attribute {name} is not UTF-8"))?;
        Ok(Some(text))
    }

    pub fn floats(self, name: &str) -> TractResult<&'a [f32]> {
        Ok(self
            .find(name, AttributeType::Floats)?
            .map_or(&[], |attribute| &attribute.floats))
    }

    pub fn ints(self, name: &str) -> TractResult<&'a [i64]> {
        Ok(self
            .find(name, AttributeType::Ints)?
            .map_or(&[], |attribute| &attribute.ints))
    }

    pub fn byte_strings(self, name: &str) -> TractResult<&'a [Vec<u8>]> {
        Ok(self
            .find(name, AttributeType::Strings)?
            .map_or(&[], |attribute| &attribute.strings))
    }

    pub fn strings(self, name: &str) -> TractResult<Vec<String>> {
        let decode = |bytes: &Vec<u8>| {
            String::from_utf8(bytes.clone()).with_context(|| format!("attribute {name} is not UTF-8"))
        };
        self.byte_strings(name)?.iter().map(decode).collect()
    }

    pub fn tensor(self, name: &str) -> TractResult<Option<&'a TensorProto>> {
        Ok(self
            .find(name, AttributeType::Tensor)?
            .and_then(|attribute| attribute.t.as_ref()))
    }

    /// The numbers in `name` (floats) or `name_as_tensor` (a tensor of float or double), and whether they are doubles.
    pub fn floats_or_tensor(self, name: &str) -> TractResult<(Vec<f64>, bool)> {
        let floats = self.floats(name)?;
        let tensor = self.tensor(&format!("{name}_as_tensor"))?;
        match (floats, tensor) {
            ([], None) => Ok((Vec::new(), false)),
            ([], Some(tensor)) => tensor_numbers(tensor),
            (floats, None) => Ok((floats.iter().map(|&value| f64::from(value)).collect(), false)),
            _ => bail!("both {name} and {name}_as_tensor are given"),
        }
    }
}

/// The elements of a tensor of numbers, and whether they are doubles.
pub(crate) fn tensor_numbers(tensor: &TensorProto) -> TractResult<(Vec<f64>, bool)> {
    let raw = &tensor.raw_data;
    let numbers = match DataType::try_from(tensor.data_type)? {
        DataType::Float if raw.is_empty() => tensor.float_data.iter().map(|&value| f64::from(value)).collect(),
        DataType::Float => raw
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&bytes| f64::from(f32::from_le_bytes(bytes)))
            .collect(),
        DataType::Double if raw.is_empty() => tensor.double_data.clone(),
        DataType::Double => raw
            .as_chunks::<8>()
            .0
            .iter()
            .map(|&bytes| f64::from_le_bytes(bytes))
            .collect(),
        DataType::Uint8 if raw.is_empty() => tensor.int32_data.iter().map(|&value| f64::from(value)).collect(),
        DataType::Uint8 => raw.iter().map(|&byte| f64::from(byte)).collect(),
        other => bail!("a tensor of {} where numbers were expected", other.as_str_name()),
    };
    Ok((numbers, tensor.data_type == DataType::Double as i32))
}

/// The elements of a tensor of int64; `None` for other types.
pub(crate) fn tensor_integers(tensor: &TensorProto) -> Option<Vec<i64>> {
    if tensor.data_type != DataType::Int64 as i32 {
        return None;
    }
    if tensor.raw_data.is_empty() {
        return Some(tensor.int64_data.clone());
    }
    Some(
        tensor
            .raw_data
            .as_chunks::<8>()
            .0
            .iter()
            .map(|&bytes| i64::from_le_bytes(bytes))
            .collect(),
    )
}
