//! `riskstream replay --decision`: one decision, made again and taken apart.

mod table;
mod words;

pub(super) use words::text;

use super::source::Source;
use crate::commands::error::CommandError;
use crate::shutdown::Shutdown;
use anyhow::anyhow;
use riskstream_offline::audit::AuditReport;
use riskstream_offline::recording::Period;

/// Makes a decision again, which was written in a period.
///
/// # Errors
/// The recording does not hold it, or the run fails.
pub(super) fn audit(
    source: &Source,
    (id, period): (&str, Period),
    shutdown: &Shutdown,
) -> Result<AuditReport, CommandError> {
    let (mut report, notes) = source.run(shutdown, period, |replay, inputs| {
        replay.audit(id, inputs.decode, inputs.prepare, inputs.progress)
    })?;
    report.notes.splice(0..0, notes);
    Ok(report)
}

/// # Errors
/// The decision is another one, or a feature is not what its events give.
pub(super) fn conclude(report: &AuditReport) -> Result<(), CommandError> {
    if report.is_confirmed {
        return Ok(());
    }
    let windows = report.decisions.iter().flat_map(|decision| &decision.stages);
    let windows = windows.flat_map(|stage| &stage.windows);
    let features = windows.flat_map(|window| &window.features);
    let wrong: Vec<&str> = features
        .filter(|feature| !feature.is_confirmed)
        .map(|feature| feature.name.as_str())
        .collect();
    if !wrong.is_empty() {
        return Err(anyhow!("not confirmed: {}", wrong.join(", ")).into());
    }
    Err(anyhow!("the decision that was made again is not the recorded one").into())
}
