//! `riskstream backtest`: decisions on history, judged by labels, compared with those of other rules, thresholds and models.

mod labels;
mod output;
mod variants;

use super::error::CommandError;
use super::file_run::FileRun;
use super::host::{Host, Terminal};
use super::input_files::{FileArgs, Given, InputArgs, notes};
use super::run_report::{ReportArgs, RunReport};
use super::temporary_stores::TemporaryStores;
use super::time::time;
use crate::secret::secret;
use crate::shutdown::Shutdown;
use anyhow::{Context, anyhow};
use indicatif::HumanCount;
use labels::{LabelArgs, LabelFiles, with_labels};
use output::OutputArgs;
use riskstream_backtest::report::{Report, ReportOptions, report};
use riskstream_backtest::{FurtherPass, Labels, Ledger, LedgerWriter, Observer, PaymentFields, Variant, text};
use riskstream_definition::{Compiled, nearest};
use riskstream_events::{Flags, Rejection, Slot, ValueType};
use riskstream_offline::backfill::{Order, Sink, Summary};
use riskstream_offline::evaluation::{Costs, Resampling};
use riskstream_offline::read::Source;
use riskstream_scoring::DecisionSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use variants::{VariantArgs, Variants};

/// The arguments of `riskstream backtest`.
#[derive(clap::Args)]
pub struct Args {
    /// The pipeline file
    pipeline: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    labels: LabelFiles,
    #[command(flatten)]
    options: BacktestArgs,
    #[command(flatten)]
    outputs: OutputArgs,
}

/// What is judged, and compared with what.
#[derive(clap::Args)]
pub struct BacktestArgs {
    #[command(flatten)]
    labels: LabelArgs,
    #[command(flatten)]
    variants: VariantArgs,
    #[command(flatten)]
    judging: JudgingArgs,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    report: ReportArgs,
}

/// What is judged, and by what.
#[derive(clap::Args)]
struct JudgingArgs {
    /// Payments from this time on are judged; those before only fill windows: 2026-03-14 or 2026-03-14T09:30:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<i64>,
    /// Payments before this time are judged
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<i64>,
    /// The field with the amount. Default: `amount`, if the pipeline has it
    #[arg(long, value_name = "FIELD")]
    amount: Option<String>,
    /// The entity whose keys are the cards of card precision. Default: the first
    #[arg(long, value_name = "ENTITY")]
    card: Option<String>,
    /// Segments by the values of these fields or features. May be repeated
    #[arg(long, value_name = "FIELD,…")]
    by: Vec<String>,
    /// How many payments and cards can be looked at each day, for precision@k
    #[arg(long, value_name = "K", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    /// What an alert costs. With it the report has the costs by threshold, and the cheapest
    #[arg(long, value_name = "MONEY")]
    cost_alert: Option<f64>,
    /// What an alert on a genuine payment costs on top
    #[arg(long, value_name = "MONEY", requires = "cost_alert")]
    cost_false_alarm: Option<f64>,
    /// What a missed fraud costs. Default: its amount
    #[arg(long, value_name = "MONEY", requires = "cost_alert")]
    cost_missed: Option<f64>,
    /// How often cards are resampled for the intervals of differences
    #[arg(long, value_name = "N", default_value_t = 200)]
    replicas: usize,
    /// Seed of the resampling: the same seed gives the same intervals
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Decides, judges and reports.
///
/// # Errors
/// The user's input is wrong, the run was interrupted, or a file cannot be read or written.
pub fn execute(args: &Args) -> Result<(), CommandError> {
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let mut terminal = Terminal::new("decided", &shutdown);
    let inputs = args.input.given();
    let backtest = Backtest::open(
        &args.pipeline,
        &inputs,
        args.labels.sources(),
        &args.options,
        &mut terminal,
    )?;
    let outputs = args.outputs.create().map_err(CommandError::configuration)?;
    let began = Instant::now();
    let stores = || TemporaryStores::beside(args.outputs.path());
    let judged = backtest.run(&stores, &mut terminal)?;
    print!("{}", text(&judged.report));
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "\n{} decisions from {} records in {seconds:.1} s",
        HumanCount(judged.summary.decided),
        HumanCount(judged.summary.records)
    );
    for note in &judged.notes {
        println!("{note}");
    }
    outputs.finish(&judged.report)?;
    judged.records.finish()
}

/// A pipeline, what is compared with it, and labels.
pub struct Backtest<'a> {
    inputs: &'a [Given],
    label_sources: Vec<Source>,
    args: &'a BacktestArgs,
    variants: Variants,
    observed: PaymentFields,
    secret: Option<Vec<u8>>,
    labels: Labels,
    records: RunReport,
}

/// What came of a backtest.
pub struct Judged {
    /// The report.
    pub report: Report,
    /// What became of the records.
    pub summary: Summary,
    /// Remarks on them.
    pub notes: Vec<String>,
    /// Those that could not be used.
    pub records: RunReport,
}

impl<'a> Backtest<'a> {
    /// Reads the pipeline file, everything that is compared with it, and the labels.
    ///
    /// # Errors
    /// A file has diagnostics or cannot be read, or an argument does not fit the pipeline.
    pub fn open(
        pipeline: &Path,
        inputs: &'a [Given],
        label_sources: Vec<Source>,
        args: &'a BacktestArgs,
        host: &mut dyn Host,
    ) -> Result<Backtest<'a>, CommandError> {
        let variants = args.variants.load(pipeline, args.judging.fields(), host)?;
        let base = &variants.base;
        let observed = args.judging.observed(base, args.labels.as_of().time)?;
        let secret = secret(&base.settings)?;
        let mut records = RunReport::new(&args.report)?;
        let labels = args
            .labels
            .read(base, &label_sources, &args.files, secret.as_deref(), &mut records)?;
        Ok(Backtest {
            inputs,
            label_sources,
            args,
            variants,
            observed,
            secret,
            labels,
            records,
        })
    }

    /// Decides and judges. `stores` makes the stores of a pass over the inputs.
    ///
    /// # Errors
    /// An input cannot be read, nothing can be judged, or `host` ended the run.
    pub fn run(
        self,
        stores: &dyn Fn() -> anyhow::Result<TemporaryStores>,
        host: &mut dyn Host,
    ) -> Result<Judged, CommandError> {
        let mut records = self.records;
        let options = self
            .args
            .judging
            .options(&self.variants, &self.observed, &self.args.labels);
        let mut ledger = Ledger::new(self.observed, self.variants.planned.len());
        let mut run = Run {
            inputs: self.inputs,
            label_sources: &self.label_sources,
            args: self.args,
            variants: &self.variants,
            secret: self.secret.as_deref(),
            stores,
            host,
        };
        let summary = run.first_pass(&mut ledger, &mut records)?;
        run.further_passes(&mut ledger)?;
        if ledger.is_empty() {
            return Err(anyhow!("no payment was decided in the period: nothing can be judged").into());
        }
        Ok(Judged {
            report: report(&ledger, &self.labels, &options),
            notes: notes(&summary, &self.variants.base),
            summary,
            records,
        })
    }
}

impl JudgingArgs {
    /// The fields that are read besides those that the pipeline uses.
    fn fields(&self) -> Vec<String> {
        let segments = self.by.iter().flat_map(|by| by.split(','));
        let amount = self.amount.as_deref().unwrap_or("amount");
        segments.chain([amount]).map(|name| name.trim().to_owned()).collect()
    }

    /// What is kept of payments.
    ///
    /// # Errors
    /// A field or an entity is not known, or the amount is no number.
    fn observed(&self, base: &Compiled, as_of: Option<i64>) -> Result<PaymentFields, CommandError> {
        let amount = match &self.amount {
            Some(name) => Some(slot(base, "--amount", name)?),
            None => slot(base, "", "amount").ok(),
        };
        let is_number = |slot: Slot| matches!(base.plan.slots[slot].value_type, ValueType::Int | ValueType::Float);
        if let (Some(name), Some(slot)) = (&self.amount, amount.filter(|slot| !is_number(*slot))) {
            let found = base.plan.slots[slot].value_type.name();
            return Err(CommandError::configuration(anyhow!(
                "--amount {name}: it is a {found}, not a number"
            )));
        }
        let segments = self
            .by
            .iter()
            .map(|by| by.split(',').map(|name| slot(base, "--by", name.trim())).collect());
        Ok(PaymentFields {
            amount: amount.filter(|slot| is_number(*slot)),
            card: self.card(base)?,
            segments: segments.collect::<Result<_, CommandError>>()?,
            from: self.from,
            // What was not known by then includes later payments.
            until: match (self.until, as_of) {
                (Some(until), Some(as_of)) => Some(until.min(as_of.saturating_add(1))),
                (until, as_of) => until.or(as_of.map(|as_of| as_of.saturating_add(1))),
            },
        })
    }

    fn card(&self, base: &Compiled) -> Result<Option<Slot>, CommandError> {
        let entities = &base.plan.decide.entities;
        let Some(name) = &self.card else {
            return Ok(entities.first().map(|(_, slot)| *slot));
        };
        let found = entities.iter().find(|(entity, _)| entity == name);
        let found = found.ok_or_else(|| {
            let names: Vec<&str> = entities.iter().map(|(name, _)| name.as_str()).collect();
            anyhow!(
                "--card {name}: the pipeline has no such entity; it has {}",
                names.join(", ")
            )
        });
        found.map(|(_, slot)| Some(*slot)).map_err(CommandError::configuration)
    }

    fn options(&self, variants: &Variants, observed: &PaymentFields, labels: &LabelArgs) -> ReportOptions {
        let amount = observed.amount.map(|slot| variants.base.plan.slots[slot].name.clone());
        let planned = variants.planned.iter();
        ReportOptions {
            as_of: labels.as_of(),
            k: self.top as usize,
            costs: self.cost_alert.map(|alert| Costs {
                alert,
                false_alarm: self.cost_false_alarm.unwrap_or(0.0),
            }),
            missed_fraud: self.cost_missed,
            resampling: Resampling {
                seed: self.seed,
                replicas: self.replicas,
            },
            segmentations: self.by.clone(),
            amount,
            variants: planned
                .map(|variant| (variant.name.clone(), Arc::clone(&variant.plan)))
                .collect(),
        }
    }
}

/// The slot of a field or feature of transactions.
fn slot(base: &Compiled, argument: &str, name: &str) -> Result<Slot, CommandError> {
    let fields = base.inputs[0]
        .fields
        .iter()
        .map(|field| (field.name.as_str(), field.slot));
    let derived = base.inputs[0]
        .derived
        .iter()
        .map(|field| (base.plan.slots[field.to].name.as_str(), field.to));
    let features = base
        .plan
        .decide
        .features
        .iter()
        .map(|(name, slot)| (name.as_str(), *slot));
    let names: Vec<(&str, Slot)> = fields.chain(derived).chain(features).collect();
    let found = names.iter().find(|(known, _)| *known == name);
    found.map(|(_, slot)| *slot).ok_or_else(|| {
        let nearest = nearest(name, names.iter().map(|(name, _)| *name));
        let nearest = nearest.map_or(String::new(), |nearest| format!(" (did you mean `{nearest}`?)"));
        CommandError::configuration(anyhow!(
            "{argument} {name}: it is neither a field of the transactions nor a feature{nearest}; declare a field under \
             `inputs.transactions.fields`"
        ))
    })
}

/// Tells the report on records of the first pass.
struct Reported<'a> {
    base: &'a Compiled,
    report: &'a mut RunReport,
}

impl Observer for Reported<'_> {
    fn decided(&mut self, flags: Flags) {
        self.report.decided(flags.names());
    }

    fn rejected(&mut self, input: u8, number: u64, rejection: &Rejection) {
        let input = &self.base.plan.inputs[usize::from(input)].name;
        self.report
            .rejected(input, number, rejection.code.as_str(), &rejection.detail);
    }
}

/// What all passes over the inputs need.
struct Run<'a> {
    inputs: &'a [Given],
    label_sources: &'a [Source],
    args: &'a BacktestArgs,
    variants: &'a Variants,
    secret: Option<&'a [u8]>,
    stores: &'a dyn Fn() -> anyhow::Result<TemporaryStores>,
    host: &'a mut dyn Host,
}

impl Run<'_> {
    fn first_pass(&mut self, ledger: &mut Ledger, report: &mut RunReport) -> Result<Summary, CommandError> {
        let Variants { base, planned } = &self.variants;
        let others = planned.iter().enumerate().skip(1);
        let others = others.filter(|(_, planned)| planned.with_other_features.is_none());
        let others = others.map(|(place, planned)| {
            let (plan, set) = (Arc::clone(&planned.plan), Arc::clone(&planned.decision));
            (place, Variant::new(&base.plan, plan, set))
        });
        let mut observer = Reported { base, report };
        let mut recorder = LedgerWriter::new(&base.plan, ledger, others.collect(), &mut observer);
        self.pass(base, &planned[0].decision, &mut recorder)
    }

    /// Reads the inputs again for each variant with other features.
    fn further_passes(&mut self, ledger: &mut Ledger) -> Result<(), CommandError> {
        for (place, planned) in self.variants.planned.iter().enumerate() {
            if let Some(compiled) = &planned.with_other_features {
                let name = &planned.name;
                self.host
                    .remark(&format!("{name}: its features are others, so the files are read again"));
                let mut further = FurtherPass::new(&compiled.plan, ledger, place);
                self.pass(compiled, &planned.decision, &mut further)?;
            }
        }
        Ok(())
    }

    fn pass(
        &mut self,
        compiled: &Compiled,
        decision: &Arc<DecisionSet>,
        sink: &mut dyn Sink,
    ) -> Result<Summary, CommandError> {
        let inputs = with_labels(compiled, self.inputs, self.label_sources);
        let files = self.args.files.open(compiled, &inputs, |input| {
            let fields = compiled.input_fields(input, self.secret);
            Ok((fields.map_err(CommandError::configuration)?, None))
        })?;
        let run = FileRun {
            plan: Arc::clone(&compiled.plan),
            decision: Arc::clone(decision),
            files,
            order: self.args.files.order().unwrap_or(Order::EventTime),
            partitions: None,
            stores: (self.stores)()?,
        };
        run.decide(sink, self.host)
    }
}
