//! Parquet. Nested fields are struct columns, found by their path.

use super::error::{ReadError, io, malformed};
use super::rows::{Next, Rows};
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use riskstream_events::{InputFields, ReasonCode, Rejection, Row};
use std::fs::File;
use std::path::{Path, PathBuf};

pub(super) struct Columns {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    fields: InputFields,
    present: Vec<Option<usize>>,
    /// The arrays of the present fields in the current batch, with the position in `fields`.
    arrays: Vec<(usize, ArrayRef)>,
    in_batch: usize,
    batch_len: usize,
    /// Records read.
    read: u64,
}

impl Columns {
    pub(super) fn open(path: &Path, fields: &InputFields) -> Result<Columns, ReadError> {
        let file = File::open(path).map_err(io(path))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| malformed(path, error))?;
        let names: Vec<String> = builder
            .schema()
            .fields()
            .iter()
            .flat_map(|field| leaf_names(field))
            .collect();
        let present = find(path, fields, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
        let reader = builder
            .with_batch_size(8192)
            .build()
            .map_err(|error| malformed(path, error))?;
        Ok(Columns {
            path: path.to_owned(),
            reader,
            fields: fields.clone(),
            present,
            arrays: Vec::new(),
            in_batch: 0,
            batch_len: 0,
            read: 0,
        })
    }

    fn load(&mut self, batch: &RecordBatch) {
        self.arrays.clear();
        for (index, field) in self.fields.fields.iter().enumerate() {
            if self.present[index].is_some()
                && let Some(array) = column(batch, &field.path)
            {
                self.arrays.push((index, array));
            }
        }
        (self.in_batch, self.batch_len) = (0, batch.num_rows());
    }

    fn fill(&self, row: &mut Row) -> Result<(), Rejection> {
        self.fields.reset(row);
        for (field, array) in &self.arrays {
            if array.is_valid(self.in_batch) {
                set(&self.fields, *field, array, self.in_batch, row)?;
            }
        }
        self.fields.finish(row)
    }
}

impl Rows for Columns {
    fn next(&mut self, row: &mut Row) -> Result<Next, ReadError> {
        while self.in_batch == self.batch_len {
            match self.reader.next() {
                None => return Ok(Next::End),
                Some(Ok(batch)) => self.load(&batch),
                Some(Err(error)) => {
                    return Err(malformed(&self.path, error));
                }
            }
        }
        let filled = self.fill(row);
        self.in_batch += 1;
        self.read += 1;
        Ok(match filled {
            Ok(()) => Next::Row,
            Err(rejection) => Next::Rejected(self.read, rejection),
        })
    }
}

/// The column of each field by its dotted path; a required one must be there.
pub(super) fn find(path: &Path, fields: &InputFields, names: &[&str]) -> Result<Vec<Option<usize>>, ReadError> {
    let find = |field: &riskstream_events::Field| {
        let wanted = field.path.join(".");
        let found = names.iter().position(|name| *name == wanted);
        if found.is_none() && field.required {
            let (path, present) = (path.to_owned(), names.join(", "));
            return Err(ReadError::MissingColumn {
                path,
                column: wanted,
                present,
            });
        }
        Ok(found)
    };
    fields.fields.iter().map(find).collect()
}

fn leaf_names(field: &arrow_schema::Field) -> Vec<String> {
    match field.data_type() {
        DataType::Struct(children) => {
            let nested = children.iter().flat_map(|child| leaf_names(child));
            nested.map(|name| format!("{}.{name}", field.name())).collect()
        }
        _ => vec![field.name().clone()],
    }
}

fn column(batch: &RecordBatch, path: &[String]) -> Option<ArrayRef> {
    let (first, rest) = path.split_first()?;
    let mut array = batch.column_by_name(first)?.clone();
    for name in rest {
        let child = array.as_struct_opt()?.column_by_name(name)?.clone();
        array = child;
    }
    Some(array)
}

fn set(fields: &InputFields, field: usize, array: &ArrayRef, at: usize, row: &mut Row) -> Result<(), Rejection> {
    let mut int = |value: i64| fields.set_int(field, value, row);
    match array.data_type() {
        DataType::Int8 => int(array.as_primitive::<Int8Type>().value(at).into()),
        DataType::Int16 => int(array.as_primitive::<Int16Type>().value(at).into()),
        DataType::Int32 => int(array.as_primitive::<Int32Type>().value(at).into()),
        DataType::Int64 => int(array.as_primitive::<Int64Type>().value(at)),
        DataType::UInt8 => int(array.as_primitive::<UInt8Type>().value(at).into()),
        DataType::UInt16 => int(array.as_primitive::<UInt16Type>().value(at).into()),
        DataType::UInt32 => int(array.as_primitive::<UInt32Type>().value(at).into()),
        DataType::UInt64 => match i64::try_from(array.as_primitive::<UInt64Type>().value(at)) {
            Ok(value) => int(value),
            Err(_) => Err(rejected(
                fields,
                field,
                ReasonCode::OutOfRange,
                "beyond 64 bits with a sign",
            )),
        },
        DataType::Float32 => fields.set_float(field, array.as_primitive::<Float32Type>().value(at).into(), row),
        DataType::Float64 => fields.set_float(field, array.as_primitive::<Float64Type>().value(at), row),
        DataType::Boolean => fields.set_bool(field, array.as_boolean().value(at), row),
        DataType::Utf8 => fields.set_text(field, array.as_string::<i32>().value(at), row),
        DataType::LargeUtf8 => fields.set_text(field, array.as_string::<i64>().value(at), row),
        DataType::Utf8View => fields.set_text(field, array.as_string_view().value(at), row),
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(at);
            fields.set_timestamp(field, i64::from(days) * 86_400_000_000, row)
        }
        DataType::Timestamp(unit, _) => {
            let micros = match unit {
                TimeUnit::Second => array
                    .as_primitive::<TimestampSecondType>()
                    .value(at)
                    .checked_mul(1_000_000),
                TimeUnit::Millisecond => array
                    .as_primitive::<TimestampMillisecondType>()
                    .value(at)
                    .checked_mul(1_000),
                TimeUnit::Microsecond => Some(array.as_primitive::<TimestampMicrosecondType>().value(at)),
                TimeUnit::Nanosecond => Some(
                    array
                        .as_primitive::<TimestampNanosecondType>()
                        .value(at)
                        .div_euclid(1_000),
                ),
            };
            match micros {
                Some(micros) => fields.set_timestamp(field, micros, row),
                None => Err(rejected(
                    fields,
                    field,
                    ReasonCode::OutOfRange,
                    "not a time in this era",
                )),
            }
        }
        DataType::Decimal128(_, scale) => {
            let unscaled = array.as_primitive::<Decimal128Type>().value(at);
            let text = format!("{unscaled}e{}", -i32::from(*scale));
            fields.set_text(field, &text, row)
        }
        other => Err(rejected(
            fields,
            field,
            ReasonCode::WrongType,
            &format!("column type {other} is not read"),
        )),
    }
}

fn rejected(fields: &InputFields, field: usize, code: ReasonCode, what: &str) -> Rejection {
    Rejection::new(code, format!("field {}: {what}", fields.fields[field].name))
}
