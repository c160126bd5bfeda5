//! `riskstream record`: the topics of a pipeline as files.

mod check;
mod ends;
mod head;

use super::decision_topic::{WAIT, progress_bar};
use super::error::CommandError;
use super::target::Target;
use super::time::time;
use crate::shutdown::Shutdown;
use anyhow::{Context, anyhow};
use ends::{Recorded, RecordedSpans};
pub(super) use head::head;
use indicatif::{HumanBytes, HumanCount, ProgressBar};
use riskstream_definition::Compiled;
use riskstream_kafka::{KafkaOptions, Scanned, Span, TimeRange, TopicScan};
use riskstream_offline::recording::{Manifest, Record, RecordingError, RecordingWriter};
use riskstream_pipeline::log::LogError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The arguments of `riskstream record`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// The directory of the recording. If there is one, it is continued
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Begin a new recording with the records that were written from this time on: 2026-03-14 or 2026-03-14T09:30:00Z. A replay
    /// cannot compare decisions whose windows reach back further. Default: the beginning of each topic
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<i64>,
    /// Record up to the records that were written before this time. Default: the end of each topic
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<i64>,
    /// Record the inputs of a pipeline that declares personal data, too. They are in clear, as they are on the topics
    #[arg(long)]
    personal_data: bool,
}

/// What is recorded.
#[derive(Clone, Copy)]
pub(super) struct Scope {
    /// When records were written.
    pub written: TimeRange,
    /// Whether inputs are recorded although they hold personal data in clear.
    pub personal_data: bool,
}

/// Records.
///
/// # Errors
/// The pipeline file is wrong, the recording is of other topics or would have a hole, or Kafka or a file fails.
pub fn execute(args: &Args) -> Result<(), CommandError> {
    let (compiled, kafka) = args.target.load()?;
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let milliseconds = |time: Option<i64>| time.map(|micros| micros / 1000);
    let scope = Scope {
        written: TimeRange {
            since: milliseconds(args.from),
            until: milliseconds(args.until),
        },
        personal_data: args.personal_data,
    };
    let manifest = record(&compiled, &kafka, &args.output, scope, &shutdown)?;
    print!("{}", summary(&manifest));
    println!(
        "\nto make the decisions again: riskstream replay {} --recording {}",
        args.target.pipeline.display(),
        args.output.display()
    );
    Ok(())
}

/// Records into `output`, or continues the recording there.
///
/// # Errors
/// See [`execute`].
pub(super) fn record(
    compiled: &Compiled,
    kafka: &KafkaOptions,
    output: &Path,
    scope: Scope,
    shutdown: &Shutdown,
) -> Result<Manifest, CommandError> {
    let head = head(compiled)?;
    let mut topics = ends::topics(compiled, kafka)?;
    let ends = RecordedSpans::look_up(compiled, kafka, &topics, scope.written)?;
    head::leave_out(compiled, &mut topics, scope.personal_data)?;
    let mut recorder = RecordingWriter::open(output, Manifest::new(head.clone())).map_err(failed)?;
    check::check(recorder.manifest(), &head, &topics, &ends).map_err(CommandError::configuration)?;
    recorder
        .update(|manifest| head::begin(manifest, head, &topics, &ends))
        .map_err(failed)?;
    let total = left(recorder.manifest(), &topics, &ends);
    let bar = progress_bar(total);
    let recorded = record_all(&mut recorder, kafka, &topics, &ends, shutdown, &bar);
    bar.finish_and_clear();
    recorded?;
    recorder
        .update(|manifest| head::complete(manifest, &ends))
        .map_err(failed)?;
    Ok(recorder.manifest().clone())
}

fn failed(error: RecordingError) -> CommandError {
    match error {
        RecordingError::Other(_) => CommandError::configuration(error),
        error => CommandError::failed(error),
    }
}

/// Offsets yet to be recorded.
fn left(manifest: &Manifest, topics: &[Recorded], ends: &RecordedSpans) -> u64 {
    let recorded = topics.iter().filter(|topic| topic.left_out.is_none());
    let partitions = recorded.flat_map(|topic| {
        let known = manifest.topic(&topic.name).map_or(&[][..], |topic| &topic.partitions);
        known.iter().zip(ends.of(&topic.name))
    });
    partitions
        .map(|(partition, span)| {
            Span {
                begin: partition.end(),
                end: span.end,
            }
            .len()
        })
        .sum()
}

/// Records topic by topic, so that what is made from a record is not recorded before it.
fn record_all(
    recorder: &mut RecordingWriter,
    kafka: &KafkaOptions,
    topics: &[Recorded],
    ends: &RecordedSpans,
    shutdown: &Shutdown,
    bar: &ProgressBar,
) -> Result<(), CommandError> {
    for topic in topics.iter().filter(|topic| topic.left_out.is_none()) {
        let name = topic.name.as_str();
        let index = recorder.manifest().topics.iter().position(|topic| topic.name == name);
        let index = index.expect("the manifest was prepared for all topics");
        for (partition, span) in ends.of(name).iter().enumerate() {
            record_partition(recorder, kafka, (name, index), (partition, span.end), shutdown, bar)?;
        }
    }
    Ok(())
}

fn record_partition(
    recorder: &mut RecordingWriter,
    kafka: &KafkaOptions,
    (name, topic): (&str, usize),
    (partition, end): (usize, i64),
    shutdown: &Shutdown,
    bar: &ProgressBar,
) -> Result<(), CommandError> {
    let mut writer = recorder.partition(topic, partition);
    let span = Span {
        begin: writer.position(),
        end,
    };
    if span.is_empty() {
        return Ok(());
    }
    let before = bar.position();
    let spans = BTreeMap::from([(partition as i32, span)]);
    let mut scan = TopicScan::of_spans(kafka, name, spans).map_err(CommandError::failed)?;
    let ended = loop {
        if shutdown.requested() {
            break Some(interrupted());
        }
        match scan.next(WAIT) {
            Ok(Scanned::Record(record)) => {
                let record = Record {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    key: record.key,
                    value: record.value,
                    headers: record.headers,
                };
                writer.push(record).map_err(failed)?;
                bar.set_position(before + scan.total() - scan.remaining());
            }
            Ok(Scanned::Nothing) => {}
            Ok(Scanned::End) => break None,
            Err(error) => break Some(lost(error)),
        }
    };
    // What was read is whole up to there, whatever ended it.
    let read = writer.position();
    writer
        .finish(if ended.is_none() { end } else { read })
        .map_err(failed)?;
    ended.map_or(Ok(()), Err)
}

fn interrupted() -> CommandError {
    anyhow!("interrupted: all files are whole; the same command goes on from there").into()
}

fn lost(error: LogError) -> CommandError {
    match error {
        LogError::OutOfRange {
            partition,
            position,
            low,
        } => anyhow!(
            "{partition}: the records from offset {position} to {low} were deleted by retention before they were recorded. Record into \
             another directory; give the topic a longer retention, or record more often"
        )
        .into(),
        error => CommandError::failed(error),
    }
}

/// What the recording holds, as a table.
fn summary(manifest: &Manifest) -> String {
    let mut out = String::new();
    let width = manifest.topics.iter().map(|topic| topic.name.len()).max().unwrap_or(0);
    for topic in &manifest.topics {
        let files = || topic.partitions.iter().flat_map(|partition| &partition.files);
        let records = HumanCount(files().map(|file| file.records).sum()).to_string();
        let bytes = HumanBytes(files().map(|file| file.bytes).sum()).to_string();
        let what = match &topic.left_out {
            Some(why) => format!("not recorded: {why}"),
            None => format!("{records:>14} records {bytes:>12}  {}", topic.role),
        };
        out += &format!("{:width$} {what}\n", topic.name);
    }
    for topic in manifest.topics.iter().filter(|topic| topic.left_out.is_none()) {
        let cut = (0..).zip(&topic.partitions).filter(|(_, partition)| partition.is_cut);
        for (number, partition) in cut {
            out += &format!(
                "note: {}[{number}] is recorded from offset {}\n",
                topic.name, partition.begin
            );
        }
    }
    out
}
