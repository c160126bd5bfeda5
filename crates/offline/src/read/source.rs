//! What records are read from: a file, or a table in memory.

use super::error::ReadError;
use super::rows::Rows;
use riskstream_events::InputFields;
use std::fmt;
use std::path::PathBuf;
#[cfg(feature = "parquet")]
use {
    super::columns::{Batches, Columns, choose, column_names},
    super::error::malformed,
    arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, SchemaRef},
    std::{path::Path, sync::Arc},
};

/// Where records come from. [`fmt::Display`] gives its name for messages.
#[derive(Clone)]
pub enum Source {
    /// A file, by its path.
    File(PathBuf),
    /// A table.
    #[cfg(feature = "parquet")]
    Table(Arc<dyn Table>),
}

/// Arrow columns that do not come from a file. They are read as a Parquet file with the same columns is.
#[cfg(feature = "parquet")]
pub trait Table: Send + Sync {
    /// What messages call it.
    fn name(&self) -> &str;

    /// Its columns.
    fn schema(&self) -> SchemaRef;

    /// Its rows, from the first one on.
    ///
    /// # Errors
    /// It cannot be read, or not again.
    fn batches(&self) -> Result<Batches, ArrowError>;
}

impl Source {
    /// The names of its columns, see [`names`](super::names).
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn names(&self) -> Result<Option<Vec<String>>, ReadError> {
        match self {
            Source::File(path) => super::names(path),
            #[cfg(feature = "parquet")]
            Source::Table(table) => Ok(Some(column_names(table.schema().fields()))),
        }
    }

    /// Its records, from the first one on.
    ///
    /// # Errors
    /// See [`open`](super::open).
    pub fn open(&self, fields: &InputFields) -> Result<Box<dyn Rows>, ReadError> {
        match self {
            Source::File(path) => super::open(path, fields),
            #[cfg(feature = "parquet")]
            Source::Table(table) => {
                let name = Path::new(table.name());
                let schema = table.schema();
                let is_uuid = |path: &[String]| field(schema.fields(), path).is_some_and(is_uuid);
                let chosen = choose(name, schema.fields(), fields, &is_uuid)?;
                let batches = table.batches().map_err(|error| malformed(name, error))?;
                Ok(Box::new(Columns::new(name, batches, fields, chosen)))
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => path.display().fmt(out),
            #[cfg(feature = "parquet")]
            Source::Table(table) => out.write_str(table.name()),
        }
    }
}

/// The field at a path.
#[cfg(feature = "parquet")]
fn field<'f>(fields: &'f Fields, path: &[String]) -> Option<&'f FieldRef> {
    let (first, rest) = path.split_first()?;
    let (_, found) = fields.find(first)?;
    match (rest, found.data_type()) {
        ([], _) => Some(found),
        (rest, DataType::Struct(inner)) => field(inner, rest),
        _ => None,
    }
}

/// Arrow's canonical extension type for UUIDs.
#[cfg(feature = "parquet")]
fn is_uuid(field: &FieldRef) -> bool {
    Field::extension_type_name(field) == Some("arrow.uuid")
}
