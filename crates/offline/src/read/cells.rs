//! The value of an Arrow column in one row, as a field's value.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_schema::{DataType, TimeUnit};
use riskstream_events::{InputFields, ReasonCode, Rejection, Row, ValueType};

/// A column of a batch, and the field that is read from it.
pub(super) struct Cells<'a> {
    pub(super) fields: &'a InputFields,
    /// The field's index.
    pub(super) field: usize,
    pub(super) array: &'a ArrayRef,
    /// Whether values of 16 bytes are UUIDs.
    pub(super) is_uuid: bool,
}

impl Cells<'_> {
    /// Stores the value at `at`, which is not null, in the field's slot.
    pub(super) fn store(&self, at: usize, row: &mut Row) -> Result<(), Rejection> {
        let (fields, field, array) = (self.fields, self.field, self.array);
        match array.data_type() {
            DataType::Int8 => fields.set_int(field, self.get::<Int8Type>(at).into(), row),
            DataType::Int16 => fields.set_int(field, self.get::<Int16Type>(at).into(), row),
            DataType::Int32 => fields.set_int(field, self.get::<Int32Type>(at).into(), row),
            DataType::Int64 => fields.set_int(field, self.get::<Int64Type>(at), row),
            DataType::UInt8 => fields.set_int(field, self.get::<UInt8Type>(at).into(), row),
            DataType::UInt16 => fields.set_int(field, self.get::<UInt16Type>(at).into(), row),
            DataType::UInt32 => fields.set_int(field, self.get::<UInt32Type>(at).into(), row),
            DataType::UInt64 => fields.set_decimal(field, self.get::<UInt64Type>(at).into(), 0, row),
            DataType::Float16 => fields.set_float(field, self.get::<Float16Type>(at).into(), row),
            DataType::Float32 => fields.set_float(field, self.get::<Float32Type>(at).into(), row),
            DataType::Float64 => fields.set_float(field, self.get::<Float64Type>(at), row),
            DataType::Decimal32(_, scale) => {
                fields.set_decimal(field, self.get::<Decimal32Type>(at).into(), (*scale).into(), row)
            }
            DataType::Decimal64(_, scale) => {
                fields.set_decimal(field, self.get::<Decimal64Type>(at).into(), (*scale).into(), row)
            }
            DataType::Decimal128(_, scale) => {
                fields.set_decimal(field, self.get::<Decimal128Type>(at), (*scale).into(), row)
            }
            DataType::Decimal256(_, scale) => {
                let unscaled = self.get::<Decimal256Type>(at);
                match unscaled.to_i128() {
                    Some(unscaled) => fields.set_decimal(field, unscaled, (*scale).into(), row),
                    None => fields.set_long_decimal(field, &unscaled.to_string(), (*scale).into(), row),
                }
            }
            DataType::Boolean => fields.set_bool(field, array.as_boolean().value(at), row),
            DataType::Utf8 => fields.set_text(field, array.as_string::<i32>().value(at), row),
            DataType::LargeUtf8 => fields.set_text(field, array.as_string::<i64>().value(at), row),
            DataType::Utf8View => fields.set_text(field, array.as_string_view().value(at), row),
            DataType::Binary => self.store_bytes(array.as_binary::<i32>().value(at), row),
            DataType::LargeBinary => self.store_bytes(array.as_binary::<i64>().value(at), row),
            DataType::BinaryView => self.store_bytes(array.as_binary_view().value(at), row),
            DataType::FixedSizeBinary(_) => self.store_bytes(array.as_fixed_size_binary().value(at), row),
            _ => self.store_time(at, row),
        }
    }

    fn get<T: ArrowPrimitiveType>(&self, at: usize) -> T::Native {
        self.array.as_primitive::<T>().value(at)
    }

    /// Bytes that are a text, or a UUID.
    fn store_bytes(&self, bytes: &[u8], row: &mut Row) -> Result<(), Rejection> {
        match <&[u8; 16]>::try_from(bytes) {
            Ok(bytes) if self.is_uuid => self.fields.set_uuid(self.field, bytes, row),
            _ => {
                let text = std::str::from_utf8(bytes).map_err(|_| self.fields.not_utf8(self.field))?;
                self.fields.set_text(self.field, text, row)
            }
        }
    }

    /// A date, a time or a time of day. In a field that is a number it is the number of the column.
    fn store_time(&self, at: usize, row: &mut Row) -> Result<(), Rejection> {
        let (number, micros) = match self.array.data_type() {
            DataType::Date32 => scaled(self.get::<Date32Type>(at).into(), 86_400_000_000),
            DataType::Date64 => scaled(self.get::<Date64Type>(at), 1_000),
            DataType::Timestamp(TimeUnit::Second, _) => scaled(self.get::<TimestampSecondType>(at), 1_000_000),
            DataType::Timestamp(TimeUnit::Millisecond, _) => scaled(self.get::<TimestampMillisecondType>(at), 1_000),
            DataType::Timestamp(TimeUnit::Microsecond, _) => scaled(self.get::<TimestampMicrosecondType>(at), 1),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                let nanos = self.get::<TimestampNanosecondType>(at);
                (nanos, Some(nanos.div_euclid(1_000)))
            }
            DataType::Time32(TimeUnit::Second) => (self.get::<Time32SecondType>(at).into(), None),
            DataType::Time32(_) => (self.get::<Time32MillisecondType>(at).into(), None),
            DataType::Time64(TimeUnit::Nanosecond) => (self.get::<Time64NanosecondType>(at), None),
            DataType::Time64(_) => (self.get::<Time64MicrosecondType>(at), None),
            other => return Err(self.rejection(ReasonCode::WrongType, &format!("column type {other} is not read"))),
        };
        match (self.fields.fields[self.field].value_type, micros) {
            (ValueType::Timestamp, Some(micros)) => match self.array.data_type() {
                DataType::Timestamp(_, Some(_)) => self.fields.set_timestamp(self.field, micros, row),
                _ => self.fields.set_local_time(self.field, micros, row),
            },
            (ValueType::Timestamp, None) => Err(self.rejection(ReasonCode::OutOfRange, "does not fit timestamp")),
            _ => self.fields.set_int(self.field, number, row),
        }
    }

    fn rejection(&self, code: ReasonCode, what: &str) -> Rejection {
        Rejection::new(code, format!("field {}: {what}", self.fields.fields[self.field].name))
    }
}

/// A number of a unit, and the microseconds that it is.
fn scaled(number: i64, unit: i64) -> (i64, Option<i64>) {
    (number, number.checked_mul(unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Date32Array, Date64Array, TimestampSecondArray};
    use riskstream_events::Field;
    use std::sync::Arc;

    #[test]
    fn a_time_beyond_the_range_is_rejected_and_does_not_wrap_around() {
        let fields = InputFields::new(vec![Field::at("at", ValueType::Timestamp, 0)], None).unwrap();
        let columns: [ArrayRef; 3] = [
            Arc::new(Date32Array::from(vec![i32::MAX])),
            Arc::new(Date64Array::from(vec![i64::MAX])),
            Arc::new(TimestampSecondArray::from(vec![i64::MAX])),
        ];
        for array in &columns {
            let cells = Cells {
                fields: &fields,
                field: 0,
                array,
                is_uuid: false,
            };
            let mut row = Row::new();
            fields.reset(&mut row);
            let rejection = cells.store(0, &mut row).unwrap_err();
            assert_eq!(rejection.code, ReasonCode::OutOfRange, "{}", array.data_type());
        }
    }
}
