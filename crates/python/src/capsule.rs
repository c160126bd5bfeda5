//! Arrow's PyCapsule interface: columns change hands as pointers, without being copied. The only file with `unsafe`.
//! <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>
#![allow(unsafe_code, reason = "a capsule holds a pointer to a C structure")]

use arrow_array::RecordBatchReader;
use arrow_array::ffi::FFI_ArrowSchema;
use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_schema::{ArrowError, Schema};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::ffi::CStr;

const STREAM: &CStr = c"arrow_array_stream";
const SCHEMA: &CStr = c"arrow_schema";

/// The method of a Python object that gives its columns.
pub const EXPORT: &str = "__arrow_c_stream__";

/// Takes the columns of an object that has [`EXPORT`].
///
/// # Errors
/// The object's own exception, or that its columns break the interface.
pub fn import(object: &Bound<'_, PyAny>) -> PyResult<RecordBatchStreamReader> {
    let capsule = object.call_method0(EXPORT)?.cast_into::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(STREAM))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: a capsule of this name holds a pointer to an initialised stream, which lives as long as the capsule. The
    // stream is moved out: what stays in the capsule counts as released.
    let reader = unsafe { RecordBatchStreamReader::from_raw(pointer.as_ptr()) };
    reader.map_err(|error| PyTypeError::new_err(format!("a table is needed, with a name for each column: {error}")))
}

/// A capsule with a stream of batches.
///
/// # Errors
/// Python gives no memory.
pub fn export_stream<'py>(
    py: Python<'py>,
    reader: Box<dyn RecordBatchReader + Send>,
) -> PyResult<Bound<'py, PyCapsule>> {
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), STREAM)
}

/// A capsule with names and types of columns.
///
/// # Errors
/// A type cannot be expressed in C.
pub fn export_schema<'py>(py: Python<'py>, schema: &Schema) -> PyResult<Bound<'py, PyCapsule>> {
    let exported = FFI_ArrowSchema::try_from(schema).map_err(refused)?;
    PyCapsule::new_with_value(py, exported, SCHEMA)
}

/// Columns that Arrow refuses.
pub fn refused(error: ArrowError) -> PyErr {
    PyValueError::new_err(error.to_string())
}
