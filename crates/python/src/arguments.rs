//! Arguments as the commands have them, read by the commands' own parser: same names, same checks, same texts.

use crate::errors;
use clap::Parser;
use pyo3::prelude::*;
use riskstream::commands::backfill::BackfillArgs;
use riskstream::commands::backtest::BacktestArgs;
use riskstream::commands::run_report::ReportArgs;

/// What `riskstream backfill` takes besides the pipeline, inputs and output.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_version_flag = true)]
pub struct BackfillCall {
    #[command(flatten)]
    pub options: BackfillArgs,
    #[command(flatten)]
    pub report: ReportArgs,
}

/// What `riskstream backtest` takes besides the pipeline, inputs, labels and outputs.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_version_flag = true)]
pub struct BacktestCall {
    #[command(flatten)]
    pub options: BacktestArgs,
}

/// Reads arguments.
///
/// # Errors
/// The parser's, without the advice on how to get help.
pub fn parse<T: Parser>(py: Python<'_>, arguments: &[String]) -> PyResult<T> {
    T::try_parse_from(arguments).map_err(|error| {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let first = text.split("\n\n").next().unwrap_or(text);
        errors::argument(py, first.trim_end())
    })
}
