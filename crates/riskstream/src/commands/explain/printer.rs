//! Selects the decisions that are asked for and prints their explanations.

use super::table::explanation;
use crate::commands::error::CommandError;
use anyhow::{Context, anyhow};
use riskstream_events::OwnedDecisionRecord;
use std::io::{self, StdoutLock, Write};
use std::ops::ControlFlow;

/// Prints decisions on standard output: that of one event, or all that carry contributions.
pub(super) struct Printer<'a> {
    id: Option<&'a str>,
    has_printed: bool,
    out: StdoutLock<'static>,
}

impl<'a> Printer<'a> {
    /// A printer of the decision with this event id or decision id; of all that carry contributions if there is none.
    pub(super) fn new(id: Option<&'a str>) -> Printer<'a> {
        Printer {
            id,
            has_printed: false,
            out: io::stdout().lock(),
        }
    }

    /// Prints the decision if it is asked for. Breaks if standard output was closed.
    pub(super) fn print(&mut self, decision: &OwnedDecisionRecord) -> Result<ControlFlow<()>, anyhow::Error> {
        let is_asked_for = match self.id {
            Some(id) => id == decision.event_id || id == decision.decision_id,
            None => decision.reasons.iter().any(|reason| reason.contribution.is_some()),
        };
        if !is_asked_for {
            return Ok(ControlFlow::Continue(()));
        }
        let separator = if self.has_printed { "\n" } else { "" };
        self.has_printed = true;
        match write!(self.out, "{separator}{}", explanation(decision)) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
            written => {
                written.context("cannot write to standard output")?;
                Ok(ControlFlow::Continue(()))
            }
        }
    }

    /// Whether the one decision that is asked for was printed.
    #[cfg(feature = "kafka")]
    pub(super) fn is_done(&self) -> bool {
        self.id.is_some() && self.has_printed
    }

    /// Checks that something was printed. `source` is what was read.
    pub(super) fn finish(self, source: &str) -> Result<(), CommandError> {
        match self.id {
            _ if self.has_printed => Ok(()),
            Some(id) => Err(CommandError::failed(anyhow!("{source} holds no decision on {id}"))),
            None => Err(CommandError::failed(anyhow!(
                "{source} holds no decision with contributions: `explain:` in the pipeline file says which get them"
            ))),
        }
    }
}
