//! `riskstream state build`: the states of a pipeline that begins, from files (docs/adr/0036-states-from-files.md).

mod place;
mod until;

use crate::commands::error::CommandError;
use crate::commands::file_run::with_progress;
use crate::commands::host::Terminal;
use crate::commands::input_files::{FileArgs, InputArgs, record_notes};
use crate::commands::record_key::{key_of, keyed_fields, without_key};
use crate::commands::run_report::{ReportArgs, RunReport};
use crate::commands::target::Target;
use crate::commands::temporary_stores::TemporaryStores;
use crate::secret::{fingerprint, published_fingerprint, secret, variable};
use crate::service::{check_secret_mark, claim_state_directory, pipeline_directory};
use crate::shutdown::Shutdown;
use anyhow::{Context, anyhow};
use indicatif::HumanCount;
use jiff::Timestamp;
use place::{Built, Existing, Place};
use riskstream_definition::Compiled;
use riskstream_engine::Engine;
use riskstream_events::{InputFields, Rejection};
use riskstream_kafka::{Fingerprints, GroupTopic, KafkaOptions, commit_positions, group_topics};
use riskstream_offline::backfill::{
    Build, InputFile, Options, Order, Partitions, RecordKey, SORT_MEMORY, StateBuild, Summary,
};
use riskstream_pipeline::CutOver;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use until::{Resolved, Until};

/// The arguments of `riskstream state build`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    input: InputArgs,
    /// The first offsets that the files do not hold: `TOPIC:PARTITION=OFFSET,…` for each partition of each input; `latest`, the
    /// ends of the topics; or a time (or a duration before now), the first records written from then on
    #[arg(long, value_name = "OFFSETS", value_parser = until::until)]
    until: Until,
    #[command(flatten)]
    files: FileArgs,
    /// The field that is the Kafka key of the transactions, NAME=FIELD for another input. Default: `key:` of the input
    #[arg(long = "key", value_name = "[NAME=]FIELD")]
    keys: Vec<String>,
    #[command(flatten)]
    report: ReportArgs,
    /// The state directory, instead of that in the pipeline file
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Only check, and show the positions; no file is read to its end, and nothing is written
    #[arg(long)]
    dry_run: bool,
}

/// A cut-over that may be carried out.
struct Planned {
    inputs: Vec<GroupTopic>,
    resolved: Resolved,
    cut_over: CutOver,
    existing: Existing,
    partitions: Partitions,
}

/// Builds states.
///
/// # Errors
/// The user's input is wrong; the pipeline has run under this name; Kafka, a file or the state directory cannot be used; or a
/// shutdown was requested. Nothing is left half done: a run that ends early is repeated.
pub(super) fn execute(args: &Args) -> Result<(), CommandError> {
    let (compiled, mut kafka) = args.target.load()?;
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let secret = secret(&compiled.settings)?;
    let mark = secret.as_deref().map(fingerprint);
    kafka.pseudonyms = Fingerprints {
        state: mark.clone(),
        published: published_fingerprint(&compiled.settings),
    };
    let planned = plan(args, &compiled, &kafka, secret.as_deref())?;
    let parent = args.state_dir.as_deref().unwrap_or(&compiled.settings.state_directory);
    let place = Place::new(&compiled, mark.clone(), pipeline_directory(parent, &compiled.plan.name));
    if planned.existing == Existing::Nothing {
        place.check_empty(&planned.cut_over)?;
    }
    let files = args.files.open(&compiled, &args.input.given(), |input| {
        args.reading(&compiled, input, &planned, secret.as_deref())
    })?;
    print_plan(&planned, &kafka.group);
    if args.dry_run {
        println!("nothing was written (--dry-run)");
        return Ok(());
    }
    let state = claim_state_directory(parent, &compiled.plan.name).map_err(CommandError::configuration)?;
    if let Some(fingerprint) = &mark {
        check_secret_mark(&state, fingerprint, variable(&compiled.settings)).map_err(CommandError::configuration)?;
    }
    let stores = TemporaryStores::beside(&state.join("states"))?;
    let building = Building {
        args,
        compiled: &compiled,
        kafka: &kafka,
        planned: &planned,
        place: &place,
    };
    let built = building.build(files, stores, &shutdown)?;
    built.iter().for_each(|built| println!("{}", line(built)));
    println!(
        "riskstream run goes on at the cut-over; it has to start before the brokers forget the positions of a group \
              without members (offsets.retention.minutes, 7 days by default)"
    );
    Ok(())
}

/// Looks up topics and positions, and checks that states may be built.
fn plan(
    args: &Args,
    compiled: &Compiled,
    kafka: &KafkaOptions,
    secret: Option<&[u8]>,
) -> Result<Planned, CommandError> {
    place::check_members(kafka)?;
    let inputs = compiled.inputs.iter().map(|input| &*input.topic);
    let repartition_topics = compiled.repartition_topics.iter().flatten().map(|topic| &**topic);
    let names: Vec<&str> = inputs.chain(repartition_topics).collect();
    let mut topics = Vec::with_capacity(names.len());
    for (name, topic) in names
        .iter()
        .zip(group_topics(kafka, &names).map_err(CommandError::failed)?)
    {
        topics.push(topic.ok_or_else(|| {
            CommandError::failed(anyhow!(
                "there is no topic {name}: riskstream topics create PIPELINE creates what is missing"
            ))
        })?);
    }
    let topology = compiled.json_topology(secret).map_err(CommandError::configuration)?;
    let resolved = until::resolve(&args.until, compiled, kafka, &topics[..compiled.inputs.len()])?;
    let look_up = &mut |name: &str| -> Result<_, anyhow::Error> {
        let topic = topics.iter().find(|topic| topic.name == name);
        topic
            .map(|topic| topic.topic.clone())
            .ok_or_else(|| anyhow!("there is no topic {name}"))
    };
    let cut_over = CutOver::new(&topology, resolved.offsets.clone(), look_up).map_err(CommandError::failed)?;
    let existing = place::existing(&kafka.group, &topics, &cut_over).map_err(CommandError::failed)?;
    let repartition_topics = topics.split_off(compiled.inputs.len());
    if existing == Existing::Nothing {
        place::check_empty(&repartition_topics).map_err(CommandError::failed)?;
    }
    let count = |name: &Arc<str>| {
        repartition_topics
            .iter()
            .find(|topic| *topic.name == **name)
            .map(|topic| topic.topic.partitions)
    };
    Ok(Planned {
        partitions: Partitions {
            inputs: topics.iter().map(|topic| topic.topic.partitions).collect(),
            stages: compiled
                .repartition_topics
                .iter()
                .map(|topic| topic.as_ref().and_then(count))
                .collect(),
        },
        inputs: topics,
        resolved,
        cut_over,
        existing,
    })
}

fn print_plan(planned: &Planned, group: &str) {
    println!("--until {}", until::text(&planned.inputs, &planned.resolved.offsets));
    match planned.existing {
        Existing::Nothing => println!("the group {group} begins there; files take the place of what is before"),
        Existing::SameCutOver => {
            println!("the group {group} has begun there: its positions stay, states that are lacking are built again");
        }
    }
}

fn time(microseconds: i64) -> String {
    Timestamp::from_microsecond(microseconds).map_or_else(|_| microseconds.to_string(), |at| format!("{at:.0}"))
}

fn line(
    Built {
        task,
        placed,
        is_checkpoint,
    }: &Built,
) -> String {
    let Some((position, bytes)) = placed else {
        return format!("{task}  stays as it is");
    };
    let checkpoint = if *is_checkpoint { ", and a checkpoint" } else { "" };
    format!("{task}  position {position}  {:.1} MB{checkpoint}", *bytes as f64 / 1e6)
}

impl Args {
    /// The fields to read of an input, and its records' key if it is known. Where nothing depends on it, it need not be.
    fn reading(
        &self,
        compiled: &Compiled,
        input: usize,
        planned: &Planned,
        secret: Option<&[u8]>,
    ) -> Result<(InputFields, Option<RecordKey>), CommandError> {
        if let Some(name) = key_of(&self.keys, compiled, input)? {
            let (fields, key) = keyed_fields(compiled, input, secret, &name)?;
            return Ok((fields, Some(key)));
        }
        if planned.partitions.stages[0].is_none() && planned.partitions.inputs[input] > 1 {
            return Err(without_key(compiled, input));
        }
        let fields = compiled.input_fields(input, secret);
        Ok((fields.map_err(CommandError::configuration)?, None))
    }
}

/// What states are built for, and where they go.
struct Building<'a> {
    args: &'a Args,
    compiled: &'a Compiled,
    kafka: &'a KafkaOptions,
    planned: &'a Planned,
    place: &'a Place<'a>,
}

impl Building<'_> {
    /// Builds states, sets the group's positions, and puts the states into their places. In this order: a task without state whose
    /// position names a cut-over is not begun.
    fn build(
        &self,
        files: Vec<InputFile>,
        mut stores: TemporaryStores,
        shutdown: &Shutdown,
    ) -> Result<Vec<Built>, CommandError> {
        let Building {
            args,
            compiled,
            kafka,
            planned,
            place,
        } = self;
        let began = Instant::now();
        let mut report = RunReport::new(&args.report)?;
        let mut rejected = |input: u8, number: u64, rejection: &Rejection| {
            let input = &compiled.plan.inputs[usize::from(input)].name;
            report.rejected(input, number, rejection.code.as_str(), &rejection.detail);
        };
        let options = Options {
            order: args.files.order().unwrap_or(Order::EventTime),
            partitions: Some(planned.partitions.clone()),
            sort_memory: SORT_MEMORY,
            directory: stores.directory().to_owned(),
        };
        let mut engine = Engine::new(Arc::clone(&compiled.plan));
        let build = StateBuild::new(Build {
            cut_over: &planned.cut_over,
            time: planned.resolved.time,
            engine: &mut engine,
            stores: &mut stores,
            files,
            options,
            rejected: &mut rejected,
        });
        let build = build.map_err(CommandError::failed)?;
        let built = with_progress(&mut Terminal::new("in the states", shutdown), |go_on| build.run(go_on))?;
        let (summary, watermarks) = built.context("interrupted; nothing was written")?;
        self.print_summary(&summary, began);
        report.finish_of(summary.decided, "no transaction could be used; nothing was written")?;
        place.verify(&stores, &planned.cut_over, &watermarks)?;
        if planned.existing == Existing::Nothing {
            commit_positions(kafka, &planned.cut_over.positions(&watermarks)).map_err(CommandError::failed)?;
        }
        Ok(place.take(&stores, &planned.cut_over)?)
    }

    fn print_summary(&self, summary: &Summary, began: Instant) {
        let Building {
            args,
            compiled,
            planned,
            ..
        } = self;
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "{} records, {} transactions in the states, in {seconds:.1} s ({} records/s)",
            HumanCount(summary.records),
            HumanCount(summary.decided),
            HumanCount((summary.records as f64 / seconds) as u64),
        );
        let cut_over = time(planned.resolved.time);
        for (input, (first, last)) in &summary.times {
            let name = &compiled.inputs[usize::from(*input)].name;
            println!(
                "  {name}: from {} to {}; the topic goes on at {cut_over}",
                time(*first),
                time(*last)
            );
            let later = summary.after_cut_over.get(input).copied().unwrap_or(0);
            if later > 0 {
                println!(
                    "  {} of them are not before {cut_over}: those that the topic holds as well count once, as long as `dedupe` \
                     remembers their ids, and their decisions have the flag `duplicate`",
                    HumanCount(later)
                );
            }
        }
        for (input, partitions) in planned.partitions.inputs.iter().enumerate() {
            if *partitions > 1 && matches!(key_of(&args.keys, compiled, input), Ok(None)) {
                let name = &compiled.inputs[input].name;
                println!(
                    "  {name}: without --key {name}=FIELD it is not known which partition a record was on: the flag `late` does not \
                     compare with records of the files, and records of equal time count in the order of the file"
                );
            }
        }
        for note in record_notes(summary, compiled) {
            println!("{note}");
        }
    }
}
