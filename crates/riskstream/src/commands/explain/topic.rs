//! Decisions from the topic that a pipeline writes them to.

use super::printer::Printer;
use crate::commands::decision_topic::{self, Selection};
use crate::commands::error::CommandError;
use crate::connections::kafka_options;
use crate::pipeline_file;
use crate::shutdown::Shutdown;
use anyhow::Context;
use indicatif::HumanCount;
use riskstream_definition::duration;
use std::ops::ControlFlow;
use std::path::Path;

/// Prints the decisions on the topic, until its end or until the printer is done: those written within `since` microseconds, and in
/// the partition of a key. Returns what messages call the source.
pub(super) fn read(
    pipeline: &Path,
    brokers: Option<&str>,
    (since, key): (Option<i64>, Option<&str>),
    printer: &mut Printer<'_>,
) -> Result<String, CommandError> {
    let selection = Selection { since, key };
    let compiled = pipeline_file::load(pipeline)?;
    let kafka = kafka_options(&compiled, brokers).map_err(CommandError::configuration)?;
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let records = decision_topic::read(&compiled, &kafka, selection, &shutdown, &mut |decision, bar| {
        let printed = bar.suspend(|| printer.print(decision))?;
        Ok(match printer.is_done() {
            true => ControlFlow::Break(()),
            false => printed,
        })
    })?;
    let within = since.map_or(String::new(), |since| format!(" of the last {}", duration::text(since)));
    let of_key = key.map_or(String::new(), |key| format!(" in the partition of key {key}"));
    Ok(format!(
        "topic {} ({} records{within}{of_key})",
        compiled.decisions,
        HumanCount(records)
    ))
}
