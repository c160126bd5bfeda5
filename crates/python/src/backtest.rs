//! `riskstream.backtest`.

use crate::arguments::{BacktestCall, parse};
use crate::backfill::{end, records};
use crate::errors;
use crate::host::PythonHost;
use crate::table::{Input, inputs};
use anyhow::Context;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use riskstream::commands::backtest::{Backtest, Judged};
use riskstream::commands::error::CommandError;
use riskstream::commands::input_files::Given;
use riskstream::commands::temporary_stores::TemporaryStores;
use riskstream_backtest::{html, text};
use riskstream_offline::read::Source;
use std::path::{Path, PathBuf};

/// A report in the forms in which the command writes it.
struct Written {
    json: String,
    html: String,
    text: String,
}

/// Decides on history and judges it. Gives the report as JSON, HTML and text, and what became of the records.
#[pyfunction]
pub fn backtest<'py>(
    py: Python<'py>,
    pipeline: PathBuf,
    given: Vec<(String, Bound<'py, PyAny>)>,
    labels: Vec<Bound<'py, PyAny>>,
    arguments: Vec<String>,
    temporary: PathBuf,
    host: Py<PyAny>,
) -> PyResult<(String, String, String, Bound<'py, PyDict>)> {
    let call: BacktestCall = parse(py, &arguments)?;
    let inputs = inputs(given, Input::repeatable)?;
    let labels = labels
        .iter()
        .map(|object| Ok(Input::repeatable("labels", object)?.source()))
        .collect::<PyResult<Vec<_>>>()?;
    let mut host = PythonHost::new(host);
    let judged = errors::run(py, || run(&pipeline, &inputs, labels, &call, &temporary, &mut host));
    let (judged, written) = host.finish(judged)?;
    let record = records(py, &judged.summary, &judged.notes, &judged.records)?;
    end(py, judged.summary.decided, judged.records)?;
    Ok((written.json, written.html, written.text, record))
}

fn run(
    pipeline: &Path,
    inputs: &[Given],
    labels: Vec<Source>,
    call: &BacktestCall,
    temporary: &Path,
    host: &mut PythonHost,
) -> Result<(Judged, Written), CommandError> {
    let backtest = Backtest::open(pipeline, inputs, labels, &call.options, host)?;
    let judged = backtest.run(&|| TemporaryStores::within(temporary), host)?;
    let json = serde_json::to_string_pretty(&judged.report).context("the report as JSON")?;
    let written = Written {
        json: json + "\n",
        html: html(&judged.report),
        text: text(&judged.report),
    };
    Ok((judged, written))
}
