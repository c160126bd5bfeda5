//! Contributions of inputs to scores.

use crate::columns::Columns;
use crate::errors;
use crate::host::Interrupt;
use crate::model::{ROWS, failed};
use crate::table::Input;
use anyhow::anyhow;
use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use pyo3::prelude::*;
use riskstream::commands::error::CommandError;
use riskstream::commands::models::rows::RowFile;
use riskstream::pipeline_file;
use riskstream_definition::cards::encode_row;
use riskstream_models::{Attribution, Method, Model};
use riskstream_offline::read::Source;
use std::path::PathBuf;
use std::sync::Arc;

/// Columns of contributions, the baseline, what both add up to, and how they are computed.
pub type Contributions = (Columns, f64, String, &'static str);

/// What moved the scores of rows, by the model that decides in a pipeline and its explanation there.
#[pyfunction]
pub fn explain(py: Python<'_>, pipeline: PathBuf, rows: &Bound<'_, PyAny>) -> PyResult<Contributions> {
    let source = Input::of(ROWS, rows)?.source();
    let mut interrupt = Interrupt::default();
    let found = errors::run(py, || {
        let compiled = pipeline_file::read(&pipeline)?;
        let refused = |why: &str| CommandError::configuration(anyhow!("{}: {why}", pipeline.display()));
        let champion = compiled.decision.lineup.champion_plan();
        let champion = champion.ok_or_else(|| refused("the pipeline has no model"))?;
        let explanation = champion.explanation.as_ref().ok_or_else(|| {
            refused("decisions are not explained: add `explain:`, or explain the rows by the model file itself")
        })?;
        if champion.columns.iter().any(|column| column.back.is_some()) {
            return Err(failed("a table cannot hold the sequences of this model"));
        }
        let slots = champion.inputs.iter();
        let inputs: Vec<String> = slots.map(|slot| compiled.plan.slots[*slot].name.clone()).collect();
        contributions(
            &champion.model,
            &explanation.attribution,
            &inputs,
            &source,
            &mut interrupt,
        )
    });
    interrupt.finish(found)
}

/// A column for each input: what it moved each row's score by.
///
/// # Errors
/// The rows cannot be read or do not fit the model.
pub fn contributions(
    model: &Model,
    attribution: &Attribution,
    inputs: &[String],
    source: &Source,
    interrupt: &mut Interrupt,
) -> Result<Contributions, CommandError> {
    let rows = RowFile {
        source,
        inputs,
        kinds: model.columns(),
        score: None,
    };
    let mut explainer = attribution.explainer();
    let (mut encoded, mut of_row) = (Vec::new(), Vec::new());
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); inputs.len()];
    rows.read_present(&mut |row| {
        interrupt.check()?;
        encoded.clear();
        encode_row(model, inputs, &row, &mut encoded).map_err(failed)?;
        explainer.explain(&encoded, &mut of_row).map_err(failed)?;
        for (column, contribution) in columns.iter_mut().zip(&of_row) {
            column.push(*contribution);
        }
        Ok(())
    })?;
    let fields = inputs.iter().map(|input| Field::new(input, DataType::Float64, false));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns
        .into_iter()
        .map(|column| Arc::new(Float64Array::from(column)) as ArrayRef);
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays.collect()).map_err(CommandError::failed)?;
    let method = match attribution.method() {
        Method::Trees => "trees",
        Method::Linear => "linear",
        Method::Sampling => "sampling",
    };
    Ok((
        Columns::new(schema, vec![batch]),
        attribution.baseline(),
        attribution.space().to_string(),
        method,
    ))
}
