//! Decisions from the topic that a pipeline writes them to.

use super::printer::Printer;
use crate::clock::SystemClock;
use crate::commands::error::CommandError;
use crate::connections::{kafka_options, registry};
use crate::pipeline_file;
use crate::registry::{Registry, RegistryError};
use crate::shutdown::Shutdown;
use anyhow::{Context, anyhow};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use riskstream_definition::{Compiled, Format, duration};
use riskstream_events::{
    AvroDecisionError, AvroDecisionReader, DecodeError, OwnedDecisionRecord, SchemaReference, framing,
};
use riskstream_kafka::{Scanned, TopicScan};
use riskstream_pipeline::Clock;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::time::Duration;

/// How long a wait for records lasts. A shutdown is noticed after it.
const WAIT: Duration = Duration::from_millis(200);

/// Prints the decisions on the topic, until its end or until the printer is done. `since` is in microseconds before
/// now. Returns what messages call the source.
pub(super) fn read(
    pipeline: &Path,
    brokers: Option<&str>,
    since: Option<i64>,
    printer: &mut Printer<'_>,
) -> Result<String, CommandError> {
    let compiled = pipeline_file::load(pipeline)?;
    let kafka = kafka_options(&compiled, brokers).map_err(CommandError::configuration)?;
    let shutdown = Shutdown::on_signals().context("cannot listen for Ctrl-C")?;
    let mut decoder = Decoder::new(&compiled).map_err(CommandError::failed)?;
    let topic = &compiled.decisions;
    let mut scan = TopicScan::begin(&kafka, topic, since.map(milliseconds_ago)).map_err(CommandError::failed)?;
    let bar = progress_bar(scan.total());
    let (mut records, mut unreadable) = (0u64, 0u64);
    loop {
        if shutdown.requested() {
            bar.finish_and_clear();
            return Err(anyhow!("interrupted after {} records of {topic}", HumanCount(records)).into());
        }
        bar.set_position(scan.total() - scan.remaining());
        let value = match scan.next(WAIT).map_err(CommandError::failed)? {
            Scanned::Record(value) => value,
            Scanned::Nothing => continue,
            Scanned::End => break,
        };
        records += 1;
        match decoder.decode(value.as_deref().unwrap_or_default()) {
            Ok(decision) => {
                let printed = bar.suspend(|| printer.print(&decision))?;
                if printed.is_break() || printer.is_done() {
                    break;
                }
            }
            Err(DecoderError::Registry(error)) if !matches!(error, RegistryError::Unknown { .. }) => {
                return Err(CommandError::failed(error));
            }
            Err(_) => unreadable += 1,
        }
    }
    bar.finish_and_clear();
    if unreadable > 0 {
        eprintln!("{} records of {topic} are no decisions", HumanCount(unreadable));
    }
    let within = since.map_or(String::new(), |since| format!(" of the last {}", duration::text(since)));
    Ok(format!("topic {topic} ({} records{within})", HumanCount(records)))
}

/// The time so many microseconds ago, in milliseconds since the epoch.
fn milliseconds_ago(micros: i64) -> i64 {
    (SystemClock.now() - micros) / 1000
}

fn progress_bar(offsets: u64) -> ProgressBar {
    let style = "{spinner} [{bar:30}] {human_pos} of {human_len} offsets, {elapsed}";
    ProgressBar::new(offsets).with_style(ProgressStyle::with_template(style).expect("the template is fixed"))
}

/// Why a record cannot be decoded.
#[derive(Debug, thiserror::Error)]
enum DecoderError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    WireFormat(#[from] DecodeError),
    #[error(transparent)]
    Avro(#[from] AvroDecisionError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Decodes decisions in the format of a pipeline's topic.
enum Decoder {
    Json,
    Avro {
        registry: Registry,
        readers: HashMap<SchemaReference, AvroDecisionReader>,
    },
    AvroPlain(Box<AvroDecisionReader>),
}

impl Decoder {
    fn new(compiled: &Compiled) -> Result<Decoder, AvroDecisionError> {
        Ok(match (compiled.decision_format, &compiled.settings.registry) {
            (Format::Json, _) => Decoder::Json,
            (Format::Avro, Some(settings)) => Decoder::Avro {
                registry: registry(settings),
                readers: HashMap::new(),
            },
            // A pipeline file with the format `avro` and no registry has a diagnostic.
            (Format::Avro | Format::AvroPlain, _) => {
                Decoder::AvroPlain(AvroDecisionReader::new(&compiled.decision_avro_schema())?.into())
            }
        })
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<OwnedDecisionRecord, DecoderError> {
        match self {
            Decoder::Json => Ok(OwnedDecisionRecord::from_json(bytes)?),
            Decoder::AvroPlain(reader) => Ok(reader.read(bytes)?),
            Decoder::Avro { registry, readers } => {
                let (id, record) = framing::split(bytes)?;
                let reference = SchemaReference::Id(id);
                let reader = match readers.entry(reference) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(AvroDecisionReader::new(&registry.schema(reference)?)?),
                };
                Ok(reader.read(record)?)
            }
        }
    }
}
