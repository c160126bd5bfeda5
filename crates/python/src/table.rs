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

    /// The same for an input that is read more than once: the rows of a stream are kept.
    ///
    /// # Errors
    /// The object gives no columns, or its rows cannot be read.
    pub fn repeatable(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Input> {
        match object.extract::<PathBuf>().is_ok() || is_repeatable(object) {
            true => Input::of(name, object),
            false => Ok(Input::Table(Arc::new(KeptTable::read(name, object)?))),
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

/// How an input is taken from Python: [`Input::of`] or [`Input::repeatable`].
type Take = fn(&str, &Bound<'_, PyAny>) -> PyResult<Input>;

/// The inputs of a pipeline: the name of each, and a path or an object with columns.
///
/// # Errors
/// An object gives no columns.
pub fn inputs(given: Vec<(String, Bound<'_, PyAny>)>, take: Take) -> PyResult<Vec<Given>> {
    let given = given.into_iter();
    given
        .map(|(name, object)| Ok(take(&name, &object)?.given(name)))
        .collect()
}

/// A Python object with columns.
struct PythonTable {
    name: String,
    object: Py<PyAny>,
    schema: SchemaRef,
    /// The stream from which its columns are known, until it is read.
    first: Mutex<Option<RecordBatchStreamReader>>,
    is_repeatable: bool,
}

impl PythonTable {
    fn new(name: &str, object: &Bound<'_, PyAny>) -> PyResult<PythonTable> {
        let reader = capsule::import(object).map_err(|error| errors::input(object.py(), name, &error))?;
        Ok(PythonTable {
            name: name.to_owned(),
            object: object.clone().unbind(),
            schema: reader.schema(),
            first: Mutex::new(Some(reader)),
            is_repeatable: is_repeatable(object),
        })
    }
}

/// Whether an object gives its rows more than once. A stream has no length, and after the first time no rows.
fn is_repeatable(object: &Bound<'_, PyAny>) -> bool {
    object.hasattr("__len__").unwrap_or(false)
}

impl Table for PythonTable {
    fn name(&self) -> &str {
        &self.name
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn batches(&self) -> Result<Batches, ArrowError> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = first {
            return Ok(Box::new(reader));
        }
        if !self.is_repeatable {
            return Err(ArrowError::CDataInterface("its rows were read already".to_owned()));
        }
        let reader = Python::attach(|py| capsule::import(self.object.bind(py)));
        let reader = reader.map_err(|error| ArrowError::ExternalError(error.into()))?;
        match reader.schema() == self.schema {
            true => Ok(Box::new(reader)),
            false => Err(ArrowError::SchemaError("its columns have changed meanwhile".to_owned())),
        }
    }
}

/// The rows of a stream, which are needed more than once.
struct KeptTable {
    name: String,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl KeptTable {
    fn read(name: &str, object: &Bound<'_, PyAny>) -> PyResult<KeptTable> {
        let failed = |error: &PyErr| errors::input(object.py(), name, error);
        let reader = capsule::import(object).map_err(|error| failed(&error))?;
        let schema = reader.schema();
        let batches = reader.collect::<Result<Vec<_>, _>>();
        Ok(KeptTable {
            name: name.to_owned(),
            schema,
            batches: batches.map_err(|error| failed(&capsule::refused(error)))?,
        })
    }
}

impl Table for KeptTable {
    fn name(&self) -> &str {
        &self.name
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn batches(&self) -> Result<Batches, ArrowError> {
        Ok(Box::new(self.batches.clone().into_iter().map(Ok)))
    }
}
