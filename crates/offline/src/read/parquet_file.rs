//! Parquet. Nested fields are struct columns, found by their path.

use super::columns::{Columns, choose, column_names};
use super::error::{ReadError, io, malformed};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, LogicalType, Type as PhysicalType};
use parquet::file::metadata::ParquetMetaData;
use riskstream_events::InputFields;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Rows decoded at once.
const BATCH: usize = 8192;

/// The records of a file.
pub(super) fn open(path: &Path, fields: &InputFields) -> Result<Columns, ReadError> {
    let file = File::open(path).map_err(io(path))?;
    let metadata = metadata(path, &file)?;
    let numbered = |leaf: &[String]| leaf_number(metadata.metadata(), leaf);
    let is_uuid = |leaf: &[String]| numbered(leaf).is_some_and(|number| is_uuid(metadata.metadata(), number));
    let chosen = choose(path, metadata.schema().fields(), fields, &is_uuid)?;
    let used: Vec<usize> = chosen.iter().filter_map(|leaf| numbered(&leaf.path)).collect();
    for number in &used {
        check_compression(path, metadata.metadata(), *number)?;
    }
    let mask = ProjectionMask::leaves(metadata.parquet_schema(), used);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_projection(mask)
        .with_batch_size(BATCH)
        .build()
        .map_err(|error| malformed(path, error))?;
    Ok(Columns::new(path, Box::new(reader), fields, chosen))
}

/// The names of the columns of a file.
pub(super) fn names(path: &Path) -> Result<Vec<String>, ReadError> {
    let file = File::open(path).map_err(io(path))?;
    let metadata = metadata(path, &file)?;
    Ok(column_names(metadata.schema().fields()))
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
