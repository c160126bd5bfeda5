//! `riskstream.check`.

use crate::errors;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use riskstream::commands::check::{check as check_all, read};
use riskstream::pipeline_file::load_draft;
use riskstream_definition::explain;
use std::path::PathBuf;

/// Checks a pipeline file as the command does. Gives what it found, and what the file declares.
#[pyfunction]
pub fn check(py: Python<'_>, pipeline: PathBuf, rollout: Option<PathBuf>) -> PyResult<Bound<'_, PyDict>> {
    let mut lines = Vec::new();
    let compiled = errors::run(py, || read(&pipeline))?;
    errors::run(py, || {
        check_all(&compiled, &mut |line| lines.push(line))?;
        if let Some(path) = &rollout {
            load_draft(path, &compiled)?;
            lines.push(format!("{}: ok", path.display()));
        }
        Ok(())
    })?;
    let warnings = compiled.warnings();
    let plan = &compiled.plan;
    let found = PyDict::new(py);
    found.set_item("lines", lines)?;
    found.set_item("version", plan.version.clone())?;
    let inputs: Vec<&str> = compiled.inputs.iter().map(|input| input.name.as_str()).collect();
    found.set_item("inputs", inputs)?;
    let entities: Vec<&str> = plan.stages.iter().map(|stage| stage.entity.as_str()).collect();
    found.set_item("entities", entities)?;
    let features: Vec<&str> = plan.decide.features.iter().map(|(name, _)| name.as_str()).collect();
    found.set_item("features", features)?;
    found.set_item("plan", explain(&compiled))?;
    let warnings = warnings
        .as_ref()
        .map(|report| errors::diagnostics(py, report))
        .transpose()?;
    found.set_item("warnings", warnings)?;
    Ok(found)
}
