//! `riskstream explain`: the reasons of decisions as tables.

mod printer;
mod table;
#[cfg(feature = "kafka")]
mod topic;
#[cfg(not(feature = "kafka"))]
#[path = "no_topic.rs"]
mod topic;

pub use table::explanation;

use super::error::CommandError;
use anyhow::Context;
use printer::Printer;
use riskstream_definition::duration;
use riskstream_events::OwnedDecisionRecord;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The arguments of `riskstream explain`.
#[derive(clap::Args)]
pub struct Args {
    /// Decisions as JSON Lines, such as the demo writes; standard input by default
    decisions: Option<PathBuf>,
    /// Read the decisions topic of this pipeline file instead
    #[arg(long, value_name = "PIPELINE", conflicts_with = "decisions")]
    pipeline: Option<PathBuf>,
    /// The id of the event or decision to explain; by default all decisions that carry contributions
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Read only the records of the topic that were written within this time: `90s`, `15m`, `7d`
    #[arg(long, value_name = "DURATION", requires = "pipeline", value_parser = duration::parse)]
    since: Option<i64>,
    /// Read only the partition of this key: that of the first entity, as decisions carry it
    #[arg(long, value_name = "KEY", requires = "pipeline")]
    key: Option<String>,
    /// Kafka's address, instead of that in the pipeline file: `host:port,host:port`
    #[arg(long, value_name = "BROKERS", requires = "pipeline")]
    brokers: Option<String>,
}

/// Prints the explanations.
///
/// # Errors
/// The decisions cannot be read, or those that are asked for are not among them.
pub fn execute(args: Args) -> Result<(), CommandError> {
    let mut printer = Printer::new(args.id.as_deref());
    let source = match (&args.pipeline, &args.decisions) {
        (Some(pipeline), _) => {
            let selection = (args.since, args.key.as_deref());
            topic::read(pipeline, args.brokers.as_deref(), selection, &mut printer)?
        }
        (None, Some(path)) => read_file(path, &mut printer)?,
        (None, None) => read_lines("standard input", io::stdin().lock(), &mut printer)?,
    };
    printer.finish(&source)
}

fn read_file(path: &Path, printer: &mut Printer<'_>) -> Result<String, CommandError> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("cannot read {name}"));
    let file = file.map_err(CommandError::configuration)?;
    read_lines(&name, BufReader::new(file), printer)
}

/// Prints decisions from JSON Lines. Returns what messages call the source.
fn read_lines(name: &str, lines: impl BufRead, printer: &mut Printer<'_>) -> Result<String, CommandError> {
    for (line, number) in lines.lines().zip(1..) {
        let line = line.with_context(|| format!("cannot read {name}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let decision = OwnedDecisionRecord::from_json(line.as_bytes())
            .with_context(|| format!("{name}, line {number}: this is no decision"))?;
        if printer.print(&decision)?.is_break() {
            break;
        }
    }
    Ok(name.to_owned())
}
