//! Decisions from the topic that a pipeline writes them to.

use super::printer::Printer;
use crate::commands::decision_topic;
use crate::commands::error::CommandError;
use crate::connections::kafka_options;
use crate::pipeline_file;
use crate::shutdown::Shutdown;
use anyhow::Context;
use indicatif::HumanCount;
use riskstream_definition::duration;
use std::ops::ControlFlow;
use std::path::Path;

/// Prints the decisions on the topic, until its end or until the printer is done. `since` is in microseconds before
/// now. Returns what messages call the source.
pub(super) fn read(
    pipeline: &Path,
    brokers: Option<&str>,
    since: Option<i64>,
    printer: &mut Printer<'_>,
) -> Result<String, CommandError> {
    let compiled = pipeline_file::load(pipeline)?;
    let kafka = kafka_options(&compiled, brokers).map_err(CommandError::configuration)?;
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let records = decision_topic::read(&compiled, &kafka, since, &shutdown, &mut |decision, bar| {
        let printed = bar.suspend(|| printer.print(decision))?;
        Ok(match printer.is_done() {
            true => ControlFlow::Break(()),
            false => printed,
        })
    })?;
    let within = since.map_or(String::new(), |since| format!(" of the last {}", duration::text(since)));
    Ok(format!(
        "topic {} ({} records{within})",
        compiled.decisions,
        HumanCount(records)
    ))
}
