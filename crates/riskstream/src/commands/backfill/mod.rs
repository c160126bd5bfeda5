//! `riskstream backfill`: the pipeline over files.

mod partitions;

use super::error::CommandError;
use super::file_run::FileRun;
use super::host::{Host, Terminal};
use super::input_files::{FileArgs, Given, InputArgs, notes};
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
use riskstream_engine::plan::Plan;
use riskstream_events::{Rejection, Slot};
use riskstream_offline::backfill::{BackfillError, InputFile, Order, Partitions, Sink, Summary};
use riskstream_offline::write::{DecidedColumns, DecidedSink, ParquetSink};
use riskstream_scoring::Decision;
use std::path::{Path, PathBuf};
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
    options: BackfillArgs,
    #[command(flatten)]
    report: ReportArgs,
    /// The Parquet file to write: a row for each transaction, a column for each field and feature
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

/// How inputs are read.
#[derive(clap::Args)]
pub struct BackfillArgs {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    partitions: PartitionArgs,
}

/// Computes features and decisions.
pub fn execute(args: Args) -> Result<(), CommandError> {
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let mut terminal = Terminal::new("decided", &shutdown);
    let backfill = Backfill::open(&args.pipeline, &args.input.given(), &args.options, &mut terminal)?;
    let stores = TemporaryStores::beside(&args.output)?;
    let mut parquet = ParquetSink::create(&args.output, backfill.columns()).map_err(CommandError::failed)?;
    let mut report = RunReport::new(&args.report)?;
    let began = Instant::now();
    let (summary, notes) = backfill.run(stores, &mut parquet, &mut report, &mut terminal)?;
    parquet.finish().map_err(CommandError::failed)?;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{}: {} decisions from {} records in {seconds:.1} s ({} records/s)",
        args.output.display(),
        HumanCount(summary.decided),
        HumanCount(summary.records),
        HumanCount((summary.records as f64 / seconds) as u64),
    );
    for note in notes {
        println!("{note}");
    }
    report.finish()
}

/// A pipeline whose inputs are open.
pub struct Backfill {
    compiled: Compiled,
    files: Vec<InputFile>,
    order: Order,
    partitions: Option<Partitions>,
}

impl Backfill {
    /// Reads the pipeline file and opens the inputs.
    ///
    /// # Errors
    /// The pipeline file has diagnostics, the secret is missing, or an input cannot be read or lacks something.
    pub fn open(
        pipeline: &Path,
        inputs: &[Given],
        args: &BackfillArgs,
        host: &mut dyn Host,
    ) -> Result<Backfill, CommandError> {
        let compiled = pipeline_file::read(pipeline)?;
        if let Some(warnings) = compiled.warnings() {
            host.warn(&warnings);
        }
        let secret = secret(&compiled.settings)?;
        let partitions = args.partitions.partitions(&compiled)?;
        let files = args.files.open(&compiled, inputs, |input| {
            args.partitions.keyed_fields(&compiled, input, secret.as_deref())
        })?;
        let default = match &partitions {
            Some(_) => Order::Arrival,
            None => Order::EventTime,
        };
        Ok(Backfill {
            compiled,
            files,
            order: args.files.order().unwrap_or(default),
            partitions,
        })
    }

    /// The transaction's own fields, then features and expressions, each once.
    pub fn columns(&self) -> DecidedColumns {
        let fields = self.compiled.inputs[0].fields.iter().map(|field| field.slot);
        let features = self.compiled.plan.decide.features.iter().map(|(_, slot)| *slot);
        let mut columns: Vec<Slot> = Vec::new();
        for slot in fields.chain(features) {
            if !columns.contains(&slot) {
                columns.push(slot);
            }
        }
        DecidedColumns::new(&self.compiled.plan, &columns)
    }

    /// Gives all decisions to `output`, and records that cannot be used to `report`. Also gives remarks on the records.
    ///
    /// # Errors
    /// An input cannot be read on, state or results cannot be written, or `host` ended the run.
    pub fn run(
        self,
        stores: TemporaryStores,
        output: &mut dyn DecidedSink,
        report: &mut RunReport,
        host: &mut dyn Host,
    ) -> Result<(Summary, Vec<String>), CommandError> {
        let plan = Arc::clone(&self.compiled.plan);
        let mut sink = ReportedSink {
            plan: Arc::clone(&plan),
            output,
            report,
        };
        let run = FileRun {
            plan,
            decision: Arc::clone(&self.compiled.decision),
            files: self.files,
            order: self.order,
            partitions: self.partitions,
            stores,
        };
        let summary = run.decide(&mut sink, host)?;
        let notes = notes(&summary, &self.compiled);
        Ok((summary, notes))
    }
}

/// Decisions to the output, and the report on them.
struct ReportedSink<'a> {
    plan: Arc<Plan>,
    output: &'a mut dyn DecidedSink,
    report: &'a mut RunReport,
}

impl Sink for ReportedSink<'_> {
    fn decided(&mut self, events: &[Event], decisions: &[Decision]) -> Result<(), BackfillError> {
        for event in events {
            self.report.decided(event.flags.names());
        }
        let written = self.output.write(&self.plan, events, decisions);
        written.map_err(|error| BackfillError::Sink(error.into()))
    }

    fn rejected(&mut self, input: u8, number: u64, rejection: &Rejection) {
        let input = &self.plan.inputs[usize::from(input)].name;
        self.report
            .rejected(input, number, rejection.code.as_str(), &rejection.detail);
    }
}
