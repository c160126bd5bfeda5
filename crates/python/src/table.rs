//! Inputs from Python: paths, and objects that give Arrow columns.

use crate::capsule;
use crate::errors;
use arrow_array::ffi_stream::RecordBatchStreamReader;
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use pyo3::prelude::*;
use riskstream::commands::input_files::Given;
use riskstream_offline::read::{Batches, Source, Table};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// An input as Python gives it.
pub enum Input {
    /// A path.
    File(PathBuf),
    /// A table.
    Table(Arc<dyn Table>),
}

impl Input {
    /// From a path as text, or an object with columns. `name` is what messages call the object.
    ///
    /// # Errors
    /// The object gives no columns.
    pub fn of(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Input> {
        match object.extract::<PathBuf>() {
            Ok(path) => Ok(Input::File(path)),
            Err(_) => Ok(Input::Table(Arc::new(PythonTable::new(name, object)?))),
        }
    }

    /// As what a command reads.
    pub fn source(self) -> Source {
        match self {
            Input::File(path) => Source::File(path),
            Input::Table(table) => Source::Table(table),
        }
    }

    /// As an input of a pipeline.
    fn given(self, name: String) -> Given {
        match self {
            Input::File(path) => Given::Argument(format!("{name}={}", path.display())),
            Input::Table(table) => Given::Table(Some(name), table),
        }
    }
}

/// The inputs of a pipeline: the name of each, and a path or an object with columns.
///
/// # Errors
/// An object gives no columns.
pub fn inputs(given: Vec<(String, Bound<'_, PyAny>)>) -> PyResult<Vec<Given>> {
    let given = given.into_iter();
    given
        .map(|(name, object)| Ok(Input::of(&name, &object)?.given(name)))
        .collect()
}

/// A Python object with columns.
struct PythonTable {
    name: String,
    object: Py<PyAny>,
    schema: SchemaRef,
    rows: Mutex<RowsOf>,
}

/// Where the rows of an object are.
enum RowsOf {
    /// In the stream from which its columns are known.
    First(RecordBatchStreamReader),
    /// In the object, which gives them again.
    Object,
    /// In a stream that can be read once: kept since then.
    Kept(Vec<RecordBatch>),
}

impl PythonTable {
    fn new(name: &str, object: &Bound<'_, PyAny>) -> PyResult<PythonTable> {
        let reader = capsule::import(object).map_err(|error| errors::input(object.py(), name, &error))?;
        Ok(PythonTable {
            name: name.to_owned(),
            object: object.clone().unbind(),
            schema: reader.schema(),
            rows: Mutex::new(RowsOf::First(reader)),
        })
    }

    /// Whether it gives its rows more than once. A stream has no length, and after the first time no rows.
    fn is_repeatable(&self) -> bool {
        Python::attach(|py| self.object.bind(py).hasattr("__len__").unwrap_or(false))
    }
}

impl Table for PythonTable {
    fn name(&self) -> &str {
        &self.name
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn batches(&self) -> Result<Batches, ArrowError> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = match std::mem::replace(&mut *rows, RowsOf::Object) {
            RowsOf::First(reader) if self.is_repeatable() => reader,
            RowsOf::Object => {
                let reader = Python::attach(|py| capsule::import(self.object.bind(py)));
                reader.map_err(|error| ArrowError::ExternalError(error.into()))?
            }
            RowsOf::First(reader) => {
                let batches = reader.collect::<Result<Vec<_>, _>>()?;
                *rows = RowsOf::Kept(batches.clone());
                return Ok(Box::new(batches.into_iter().map(Ok)));
            }
            RowsOf::Kept(batches) => {
                *rows = RowsOf::Kept(batches.clone());
                return Ok(Box::new(batches.into_iter().map(Ok)));
            }
        };
        match reader.schema() == self.schema {
            true => Ok(Box::new(reader)),
            false => Err(ArrowError::SchemaError("its columns have changed meanwhile".to_owned())),
        }
    }
}
