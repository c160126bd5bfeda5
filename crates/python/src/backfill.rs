//! `riskstream.backfill`.

use crate::arguments::{BackfillCall, parse};
use crate::columns::{Columns, DecidedInMemory};
use crate::errors;
use crate::host::PythonHost;
use crate::table::{Input, inputs};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use riskstream::commands::backfill::Backfill;
use riskstream::commands::error::CommandError;
use riskstream::commands::input_files::Given;
use riskstream::commands::run_report::{NOTHING_DECIDED, RunReport};
use riskstream::commands::temporary_stores::TemporaryStores;
use riskstream_offline::backfill::Summary;
use riskstream_offline::write::ParquetSink;
use std::path::{Path, PathBuf};

/// What came of a backfill.
struct Done {
    /// Unless they are in a file.
    columns: Option<Columns>,
    summary: Summary,
    notes: Vec<String>,
    records: RunReport,
}

/// Computes features and decisions. Gives columns, unless they go to a file, and what became of the records.
#[pyfunction]
pub fn backfill<'py>(
    py: Python<'py>,
    pipeline: PathBuf,
    given: Vec<(String, Bound<'py, PyAny>)>,
    arguments: Vec<String>,
    output: Option<PathBuf>,
    temporary: PathBuf,
    host: Py<PyAny>,
) -> PyResult<(Option<Columns>, Bound<'py, PyDict>)> {
    let call: BackfillCall = parse(py, &arguments)?;
    let inputs = inputs(given, Input::of)?;
    let mut host = PythonHost::new(host);
    let done = errors::run(py, || {
        run(&pipeline, &inputs, &call, output.as_deref(), &temporary, &mut host)
    });
    let done = host.finish(done)?;
    let record = records(py, &done.summary, &done.notes, &done.records)?;
    end(py, done.summary.decided, done.records)?;
    Ok((done.columns, record))
}

/// Completes the file of dead letters.
///
/// # Errors
/// Nothing was decided, or records could not be used although that was to be an error: with what the command prints of them.
pub fn end(py: Python<'_>, decided: u64, records: RunReport) -> PyResult<()> {
    let text = records.text();
    errors::run(py, || records.end(decided, NOTHING_DECIDED)).map_err(|error| errors::with_report(py, error, &text))
}

fn run(
    pipeline: &Path,
    inputs: &[Given],
    call: &BackfillCall,
    output: Option<&Path>,
    temporary: &Path,
    host: &mut PythonHost,
) -> Result<Done, CommandError> {
    let backfill = Backfill::open(pipeline, inputs, &call.options, host)?;
    let mut records = RunReport::new(&call.report)?;
    let (columns, summary, notes) = match output {
        Some(path) => {
            let stores = TemporaryStores::beside(path)?;
            let mut file = ParquetSink::create(path, backfill.columns()).map_err(CommandError::failed)?;
            let (summary, notes) = backfill.run(stores, &mut file, &mut records, host)?;
            file.finish().map_err(CommandError::failed)?;
            (None, summary, notes)
        }
        None => {
            let stores = TemporaryStores::within(temporary)?;
            let mut memory = DecidedInMemory::new(backfill.columns());
            let (summary, notes) = backfill.run(stores, &mut memory, &mut records, host)?;
            let columns = memory.finish().map_err(CommandError::failed)?;
            (Some(columns), summary, notes)
        }
    };
    Ok(Done {
        columns,
        summary,
        notes,
        records,
    })
}

/// What became of the records of a run.
///
/// # Errors
/// Python gives no memory.
pub fn records<'py>(
    py: Python<'py>,
    summary: &Summary,
    notes: &[String],
    report: &RunReport,
) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(py);
    found.set_item("records", summary.records)?;
    found.set_item("decided", summary.decided)?;
    found.set_item("filtered", summary.filtered)?;
    found.set_item("late", summary.late)?;
    found.set_item("too_late", summary.too_late)?;
    found.set_item("notes", notes)?;
    found.set_item("flags", report.flags().clone())?;
    found.set_item("unusable", report.rejections())?;
    let by_reason: Vec<(&str, &str, u64, &[String])> = report.rejections_by_reason().collect();
    found.set_item("unusable_by_reason", by_reason)?;
    found.set_item("text", report.text())?;
    Ok(found)
}
