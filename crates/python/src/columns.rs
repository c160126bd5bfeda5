//! Results as Arrow columns, which Python's libraries take without copying.

use crate::capsule;
use arrow_array::{RecordBatch, RecordBatchIterator};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use riskstream_engine::Event;
use riskstream_engine::plan::Plan;
use riskstream_offline::write::{DecidedColumns, DecidedSink, WriteError};
use riskstream_scoring::Decision;
use std::path::PathBuf;
use std::sync::Arc;

/// Columns of the same length, in one or more batches.
#[pyclass(frozen, module = "riskstream._riskstream")]
pub struct Columns {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Columns {
    /// Batches of the same columns.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Columns {
        Columns { schema, batches }
    }
}

#[pymethods]
impl Columns {
    /// A capsule with a stream of the batches. Types are not changed to those that are asked for.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The interface leaves it to the producer; consumers convert by themselves.
        drop(requested_schema);
        let batches = self.batches.clone().into_iter().map(Ok);
        let reader = RecordBatchIterator::new(batches, Arc::clone(&self.schema));
        capsule::export_stream(py, Box::new(reader))
    }

    /// A capsule with the names and types.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::export_schema(py, &self.schema)
    }

    /// The number of rows.
    fn __len__(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The names of the columns.
    #[getter]
    fn names(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The columns' names and types as text.
    fn described(&self) -> Vec<(String, String)> {
        let fields = self.schema.fields().iter();
        fields
            .map(|field| (field.name().clone(), field.data_type().to_string()))
            .collect()
    }
}

/// Rows that are put together: consumers work on a batch at a time, and the engine decides a thousand payments at once.
const ROWS: usize = 1 << 16;

/// Decided transactions in memory.
pub struct DecidedInMemory {
    columns: DecidedColumns,
    small: Vec<RecordBatch>,
    small_rows: usize,
    batches: Vec<RecordBatch>,
}

impl DecidedInMemory {
    /// None yet.
    pub fn new(columns: DecidedColumns) -> DecidedInMemory {
        DecidedInMemory {
            columns,
            small: Vec::new(),
            small_rows: 0,
            batches: Vec::new(),
        }
    }

    /// All of them.
    ///
    /// # Errors
    /// Texts of a column are longer than 2 GiB in one batch.
    pub fn finish(mut self) -> Result<Columns, ArrowError> {
        self.put_together()?;
        Ok(Columns::new(Arc::clone(self.columns.schema()), self.batches))
    }

    fn put_together(&mut self) -> Result<(), ArrowError> {
        if self.small_rows > 0 {
            self.batches.push(concat_batches(self.columns.schema(), &self.small)?);
            self.small.clear();
            self.small_rows = 0;
        }
        Ok(())
    }
}

impl DecidedSink for DecidedInMemory {
    fn write(&mut self, plan: &Plan, events: &[Event], decisions: &[Decision]) -> Result<(), WriteError> {
        let failed = |error: ArrowError| WriteError {
            path: PathBuf::from("the result"),
            why: error.to_string(),
        };
        let batch = self.columns.batch(plan, events, decisions).map_err(failed)?;
        self.small_rows += batch.num_rows();
        self.small.push(batch);
        match self.small_rows >= ROWS {
            true => self.put_together().map_err(failed),
            false => Ok(()),
        }
    }
}
