//! Parquet. Nested fields are struct columns, found by their path.

use super::cells::Cells;
use super::column_types::{OF_UUID, field_types, refusal};
use super::error::{ReadError, io, malformed};
use super::field_columns::find;
use super::rows::{Next, Rows};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Compression, LogicalType, Type as PhysicalType};
use parquet::file::metadata::ParquetMetaData;
use riskstream_events::{InputFields, Rejection, Row};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) struct Columns {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    fields: InputFields,
    leaves: Vec<Leaf>,
    /// The column of each leaf in the current batch.
    columns: Vec<Column>,
    in_batch: usize,
    batch_len: usize,
    /// Records read.
    read: u64,
}

/// A column of the file that a field is read from.
struct Leaf {
    /// The field's index.
    field: usize,
    /// The names from the outside in.
    path: Vec<String>,
    is_uuid: bool,
}

struct Column {
    array: ArrayRef,
    /// Where neither the value nor a group around it is null; none if no value is null.
    validity: Option<NullBuffer>,
}

impl Columns {
    pub(super) fn open(path: &Path, fields: &InputFields) -> Result<Columns, ReadError> {
        let file = File::open(path).map_err(io(path))?;
        let metadata = metadata(path, &file)?;
        let all = leaves(metadata.schema().fields());
        let names: Vec<String> = all.iter().map(|(leaf, _)| leaf.join(".")).collect();
        let places = find(path, fields, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
        let (mut leaves, mut used) = (Vec::new(), Vec::new());
        for (field, place) in places.into_iter().enumerate() {
            let Some((leaf, data_type)) = place.map(|place| &all[place]) else {
                continue;
            };
            let number = leaf_number(metadata.metadata(), leaf);
            let is_uuid = number.is_some_and(|number| is_uuid(metadata.metadata(), number));
            let readable = match is_uuid {
                true => OF_UUID,
                false => field_types(data_type),
            };
            if !readable.contains(&fields.fields[field].value_type) {
                return Err(refusal(path, &fields.fields[field], data_type, readable));
            }
            if let Some(number) = number {
                check_compression(path, metadata.metadata(), number)?;
                used.push(number);
            }
            let path = leaf.clone();
            leaves.push(Leaf { field, path, is_uuid });
        }
        let mask = ProjectionMask::leaves(metadata.parquet_schema(), used);
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_projection(mask)
            .with_batch_size(8192)
            .build()
            .map_err(|error| malformed(path, error))?;
        Ok(Columns {
            path: path.to_owned(),
            reader,
            fields: fields.clone(),
            leaves,
            columns: Vec::new(),
            in_batch: 0,
            batch_len: 0,
            read: 0,
        })
    }

    fn load(&mut self, batch: RecordBatch) -> Result<(), ReadError> {
        (self.in_batch, self.batch_len) = (0, batch.num_rows());
        let batch = StructArray::from(batch);
        self.columns.clear();
        for leaf in &self.leaves {
            let absent = || malformed(&self.path, format!("there is no column `{}`", leaf.path.join(".")));
            self.columns.push(column(&batch, &leaf.path).ok_or_else(absent)?);
        }
        Ok(())
    }

    fn fill(&self, row: &mut Row) -> Result<(), Rejection> {
        self.fields.reset(row);
        for (leaf, column) in self.leaves.iter().zip(&self.columns) {
            let is_null = column
                .validity
                .as_ref()
                .is_some_and(|nulls| nulls.is_null(self.in_batch));
            if is_null || column.array.data_type() == &DataType::Null {
                continue;
            }
            let cells = Cells {
                fields: &self.fields,
                field: leaf.field,
                array: &column.array,
                is_uuid: leaf.is_uuid,
            };
            cells.store(self.in_batch, row)?;
        }
        self.fields.finish(row)
    }
}

impl Rows for Columns {
    fn next(&mut self, row: &mut Row) -> Result<Next, ReadError> {
        while self.in_batch == self.batch_len {
            match self.reader.next() {
                None => return Ok(Next::End),
                Some(Ok(batch)) => self.load(batch)?,
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

/// The names of the columns of a file.
pub(super) fn names(path: &Path) -> Result<Vec<String>, ReadError> {
    let file = File::open(path).map_err(io(path))?;
    let metadata = metadata(path, &file)?;
    let leaves = leaves(metadata.schema().fields());
    Ok(leaves.into_iter().map(|(leaf, _)| leaf.join(".")).collect())
}

/// The file's metadata, with the types that its columns are read as: dictionaries as their values, and INT96 in microseconds,
/// since in nanoseconds times before 1677 and after 2262 would overflow.
fn metadata(path: &Path, file: &File) -> Result<ArrowReaderMetadata, ReadError> {
    let read = ArrowReaderMetadata::load(file, ArrowReaderOptions::default());
    let read = read.map_err(|error| malformed(path, error))?;
    let fields = plain_fields(read.schema().fields(), &[], read.metadata());
    if &fields == read.schema().fields() {
        return Ok(read);
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, read.schema().metadata().clone()));
    let options = ArrowReaderOptions::default().with_schema(schema);
    ArrowReaderMetadata::try_new(Arc::clone(read.metadata()), options).map_err(|error| malformed(path, error))
}

fn plain_fields(fields: &Fields, around: &[String], file: &ParquetMetaData) -> Fields {
    let plain = |field: &FieldRef| {
        let path = [around, &[field.name().clone()]].concat();
        let data_type = match field.data_type() {
            DataType::Struct(inner) => DataType::Struct(plain_fields(inner, &path, file)),
            DataType::Dictionary(_, values) => (**values).clone(),
            DataType::Timestamp(TimeUnit::Nanosecond, zone) if is_int96(file, &path) => {
                DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
            }
            other => other.clone(),
        };
        Field::new(field.name(), data_type, field.is_nullable()).with_metadata(field.metadata().clone())
    };
    fields.iter().map(plain).collect()
}

/// Paths and types of all columns; a column is what is no struct.
fn leaves(fields: &Fields) -> Vec<(Vec<String>, DataType)> {
    let mut found = Vec::new();
    for field in fields {
        let name = field.name().clone();
        match field.data_type() {
            DataType::Struct(inner) => {
                let within = leaves(inner).into_iter();
                found.extend(within.map(|(path, data_type)| ([vec![name.clone()], path].concat(), data_type)));
            }
            data_type => found.push((vec![name], data_type.clone())),
        }
    }
    found
}

/// The number of a column among the file's.
fn leaf_number(file: &ParquetMetaData, path: &[String]) -> Option<usize> {
    let columns = file.file_metadata().schema_descr().columns();
    columns.iter().position(|column| column.path().parts() == path)
}

fn is_int96(file: &ParquetMetaData, path: &[String]) -> bool {
    let columns = file.file_metadata().schema_descr().columns();
    leaf_number(file, path).is_some_and(|number| columns[number].physical_type() == PhysicalType::INT96)
}

fn is_uuid(file: &ParquetMetaData, number: usize) -> bool {
    let column = file.file_metadata().schema_descr().column(number);
    column.logical_type_ref() == Some(&LogicalType::Uuid)
}

fn check_compression(path: &Path, file: &ParquetMetaData, number: usize) -> Result<(), ReadError> {
    let groups = file.row_groups().iter();
    match groups
        .map(|group| group.column(number))
        .find(|column| column.compression() == Compression::LZO)
    {
        None => Ok(()),
        Some(column) => {
            let name = column.column_path().string();
            Err(malformed(
                path,
                format!("the column `{name}` is compressed with LZO, which is not read: use Snappy, Zstandard or gzip"),
            ))
        }
    }
}

/// The column at a path, null where a group around it is.
fn column(batch: &StructArray, path: &[String]) -> Option<Column> {
    let (first, rest) = path.split_first()?;
    let mut array = Arc::clone(batch.column_by_name(first)?);
    let mut validity = array.nulls().cloned();
    for name in rest {
        let child = Arc::clone(array.as_any().downcast_ref::<StructArray>()?.column_by_name(name)?);
        array = child;
        validity = NullBuffer::union(validity.as_ref(), array.nulls());
    }
    Some(Column { array, validity })
}
