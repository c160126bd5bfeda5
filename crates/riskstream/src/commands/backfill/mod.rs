//! `riskstream backfill`: the pipeline over files.

mod partitions;

use super::error::CommandError;
use super::file_run::FileRun;
use super::input_files::{FileArgs, InputArgs, notes};
use super::run_report::{ReportArgs, RunReport};
use super::temporary_stores::TemporaryStores;
use crate::pipeline_file;
use crate::secret::secret;
use crate::shutdown::Shutdown;
use anyhow::Context;
use indicatif::HumanCount;
use partitions::PartitionArgs;
use riskstream_definition::Compiled;
use riskstream_engine::Event;
use riskstream_events::{Rejection, Slot};
use riskstream_offline::backfill::{BackfillError, Order, Sink};
use riskstream_offline::write::ParquetSink;
use riskstream_scoring::Decision;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// The arguments of `riskstream backfill`.
#[derive(clap::Args)]
pub struct Args {
    /// The pipeline file
    pipeline: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    partitions: PartitionArgs,
    #[command(flatten)]
    report: ReportArgs,
    /// The Parquet file to write: a row for each transaction, a column for each field and feature
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

/// Computes features and decisions.
pub fn execute(args: Args) -> Result<(), CommandError> {
    let compiled = pipeline_file::load(&args.pipeline)?;
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let secret = secret(&compiled.settings)?;
    let partitions = args.partitions.partitions(&compiled)?;
    let files = args.files.open(&compiled, &args.input.inputs, |input| {
        args.partitions.keyed_fields(&compiled, input, secret.as_deref())
    })?;
    let plan = Arc::clone(&compiled.plan);
    let stores = TemporaryStores::beside(&args.output)?;
    let parquet = ParquetSink::create(&args.output, &plan, &columns(&compiled)).map_err(CommandError::failed)?;
    let mut sink = FileSink {
        plan: Arc::clone(&plan),
        parquet,
        report: RunReport::new(&args.report)?,
    };
    let began = Instant::now();
    let default = match &partitions {
        Some(_) => Order::Arrival,
        None => Order::EventTime,
    };
    let run = FileRun {
        plan,
        decision: Arc::clone(&compiled.decision),
        files,
        order: args.files.order().unwrap_or(default),
        partitions,
        stores,
    };
    let summary = run.decide(&mut sink, &shutdown)?;
    sink.parquet.finish().map_err(CommandError::failed)?;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{}: {} decisions from {} records in {seconds:.1} s ({} records/s)",
        args.output.display(),
        HumanCount(summary.decided),
        HumanCount(summary.records),
        HumanCount((summary.records as f64 / seconds) as u64),
    );
    for note in notes(&summary, &compiled) {
        println!("{note}");
    }
    sink.report.finish()
}

/// The transaction's own fields, then features and expressions, each once.
fn columns(compiled: &Compiled) -> Vec<Slot> {
    let fields = compiled.inputs[0].fields.iter().map(|field| field.slot);
    let features = compiled.plan.decide.features.iter().map(|(_, slot)| *slot);
    let mut columns = Vec::new();
    for slot in fields.chain(features) {
        if !columns.contains(&slot) {
            columns.push(slot);
        }
    }
    columns
}

/// Decisions to Parquet, and the report on them.
struct FileSink {
    plan: Arc<riskstream_engine::plan::Plan>,
    parquet: ParquetSink,
    report: RunReport,
}

impl Sink for FileSink {
    fn decided(&mut self, events: &[Event], decisions: &[Decision]) -> Result<(), BackfillError> {
        for event in events {
            self.report.decided(event.flags.names());
        }
        let written = self.parquet.write(&self.plan, events, decisions);
        written.map_err(|error| BackfillError::Sink(error.into()))
    }

    fn rejected(&mut self, input: u8, number: u64, rejection: &Rejection) {
        let input = &self.plan.inputs[usize::from(input)].name;
        self.report
            .rejected(input, number, rejection.code.as_str(), &rejection.detail);
    }
}
