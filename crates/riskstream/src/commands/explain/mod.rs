//! `riskstream explain`: why decisions are what they are, as tables.

mod table;
#[cfg(feature = "kafka")]
mod topic;
#[cfg(not(feature = "kafka"))]
#[path = "no_topic.rs"]
mod topic;

pub use table::explanation;

use super::CommandError;
use anyhow::{Context, anyhow};
use riskstream_definition::duration;
use riskstream_events::OwnedDecisionRecord;
use std::fs::File;
use std::io::{self, BufRead, BufReader, StdoutLock, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The arguments of `riskstream explain`.
#[derive(clap::Args)]
pub struct Args {
    /// Decisions as JSON, one a line, as the demo writes them; standard input unless given
    decisions: Option<PathBuf>,
    /// Read the decisions topic of this pipeline file instead
    #[arg(long, value_name = "PIPELINE", conflicts_with = "decisions")]
    pipeline: Option<PathBuf>,
    /// The event or decision to explain; all decisions that carry contributions unless given
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Of a topic only what was written within this time: `90s`, `15m`, `7d`; everything unless given
    #[arg(long, value_name = "DURATION", requires = "pipeline", value_parser = duration::parse)]
    since: Option<i64>,
    /// Where Kafka is, instead of what the pipeline file says: `host:port,host:port`
    #[arg(long, value_name = "BROKERS", requires = "pipeline")]
    brokers: Option<String>,
}

/// Prints the explanations.
///
/// # Errors
/// The decisions cannot be read, or those that are asked for are not there.
pub fn execute(args: &Args) -> Result<(), CommandError> {
    let mut printer = Printer::new(args.id.as_deref());
    let source = match (&args.pipeline, &args.decisions) {
        (Some(pipeline), _) => topic::read(pipeline, args, &mut printer)?,
        (None, Some(path)) => read_file(path, &mut printer)?,
        (None, None) => read_lines("standard input", io::stdin().lock(), &mut printer)?,
    };
    printer.finish(&source)
}

fn read_file(path: &Path, printer: &mut Printer<'_>) -> Result<String, CommandError> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("cannot read {name}"));
    read_lines(
        &name,
        BufReader::new(file.map_err(CommandError::Configuration)?),
        printer,
    )
}

/// Shows what is wanted of a decision a line. Says what was read.
fn read_lines(name: &str, lines: impl BufRead, printer: &mut Printer<'_>) -> Result<String, CommandError> {
    for (line, number) in lines.lines().zip(1..) {
        let line = line.with_context(|| format!("cannot read {name}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let decision = OwnedDecisionRecord::from_json(line.as_bytes())
            .with_context(|| format!("{name}, line {number}: this is no decision"))?;
        if printer.show(&decision)?.is_break() {
            break;
        }
    }
    Ok(name.to_owned())
}

/// Picks decisions and prints them.
struct Printer<'a> {
    id: Option<&'a str>,
    found: bool,
    out: StdoutLock<'static>,
}

impl<'a> Printer<'a> {
    fn new(id: Option<&'a str>) -> Printer<'a> {
        Printer {
            id,
            found: false,
            out: io::stdout().lock(),
        }
    }

    /// Prints the decision if it is wanted. Breaks when nobody reads on.
    fn show(&mut self, decision: &OwnedDecisionRecord) -> Result<ControlFlow<()>, anyhow::Error> {
        let is_wanted = match self.id {
            Some(id) => id == decision.event_id || id == decision.decision_id,
            None => decision.reasons.iter().any(|reason| reason.contribution.is_some()),
        };
        if !is_wanted {
            return Ok(ControlFlow::Continue(()));
        }
        let blank = if self.found { "\n" } else { "" };
        self.found = true;
        match write!(self.out, "{blank}{}", explanation(decision)) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
            written => {
                written.context("cannot write to standard output")?;
                Ok(ControlFlow::Continue(()))
            }
        }
    }

    /// What was asked for is there, or `source` does not hold it.
    fn finish(self, source: &str) -> Result<(), CommandError> {
        match self.id {
            _ if self.found => Ok(()),
            Some(id) => Err(CommandError::Failed(anyhow!("{source} holds no decision on {id}"))),
            None => Err(CommandError::Failed(anyhow!(
                "{source} holds no decision with contributions: `explain:` in the pipeline file says which get them"
            ))),
        }
    }
}
