//! Which types of columns are read as which types of fields. docs/conversions.md has it as a table.

use super::error::ReadError;
use ValueType::{Bool, Float, Int, Text, Timestamp};
use arrow_schema::DataType;
use riskstream_events::{Field, ValueType};
use std::path::Path;

/// The types of fields that a UUID is read as.
pub(super) const OF_UUID: &[ValueType] = &[Text];

/// The types of fields that a column is read as, depending on its values.
pub(super) fn field_types(column: &DataType) -> &'static [ValueType] {
    match column {
        DataType::Null
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float16
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => &[Bool, Int, Float, Text, Timestamp],
        DataType::Boolean => &[Bool, Int, Float],
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => &[Timestamp, Int, Float],
        DataType::Time32(_) | DataType::Time64(_) => &[Int, Float],
        _ => &[],
    }
}

/// The refusal of a column whose values could not be read as the field's type, whatever they are.
pub(super) fn refusal(path: &Path, field: &Field, column: &DataType, readable: &[ValueType]) -> ReadError {
    let names: Vec<&str> = readable.iter().map(|value_type| value_type.name()).collect();
    let remedy = match names.as_slice() {
        [] => "write a column of another type".to_owned(),
        names => format!("declare the field {} as {}", field.name, names.join(" or ")),
    };
    ReadError::ColumnType {
        path: path.to_owned(),
        column: field.path.join("."),
        found: column.to_string(),
        expected: field.value_type.name(),
        remedy,
    }
}
