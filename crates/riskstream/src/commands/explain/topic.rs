//! Decisions from the topic that a pipeline writes them to.

use super::{Args, Printer};
use crate::commands::{CommandError, run};
use crate::interrupt::Interrupt;
use crate::pipeline_file;
use crate::registry::{Registry, RegistryError};
use crate::service::{kafka_options, registry};
use anyhow::{Context, anyhow};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use riskstream_definition::{Compiled, Format, duration};
use riskstream_events::{
    AvroDecisionError, AvroDecisionReader, DECISION_AVRO_SCHEMA, DecodeError, OwnedDecisionRecord, SchemaId, wire,
};
use riskstream_kafka::{Scanned, TopicScan};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a request to end may go unnoticed.
const WAIT: Duration = Duration::from_millis(200);

/// Shows what is wanted of the decisions topic, to its end or to the decision that is asked for. Says what was read.
pub fn read(pipeline: &Path, args: &Args, printer: &mut Printer<'_>) -> Result<String, CommandError> {
    let compiled = pipeline_file::load(pipeline)?;
    let kafka = kafka_options(&compiled, args.brokers.as_deref()).ok_or_else(run::no_brokers)?;
    let interrupt = Interrupt::listen().context("cannot listen for Ctrl-C")?;
    let mut decoder = Decoder::new(&compiled).map_err(anyhow::Error::from)?;
    let since = args.since.map(milliseconds_ago).transpose()?;
    let topic = &compiled.decisions;
    let mut scan = TopicScan::begin(&kafka, topic, since).map_err(anyhow::Error::from)?;
    let bar = progress_bar(scan.total());
    let (mut records, mut unreadable) = (0u64, 0u64);
    loop {
        if interrupt.requested() {
            bar.finish_and_clear();
            return Err(anyhow!("interrupted after {} records of {topic}", HumanCount(records)).into());
        }
        bar.set_position(scan.total() - scan.remaining());
        let value = match scan.next(WAIT).map_err(anyhow::Error::from)? {
            Scanned::Record(value) => value,
            Scanned::Nothing => continue,
            Scanned::End => break,
        };
        records += 1;
        match decoder.decode(value.as_deref().unwrap_or_default()) {
            Ok(decision) => {
                let shown = bar.suspend(|| printer.show(&decision))?;
                if shown.is_break() || (args.id.is_some() && printer.found) {
                    break;
                }
            }
            Err(NotRead::Registry(error)) if !matches!(error, RegistryError::Unknown { .. }) => {
                return Err(anyhow::Error::from(error).into());
            }
            Err(_) => unreadable += 1,
        }
    }
    bar.finish_and_clear();
    if unreadable > 0 {
        eprintln!("{} records of {topic} are no decisions", HumanCount(unreadable));
    }
    let within = args
        .since
        .map_or(String::new(), |since| format!(" of the last {}", duration::text(since)));
    Ok(format!("topic {topic} ({} records{within})", HumanCount(records)))
}

fn milliseconds_ago(micros: i64) -> Result<i64, anyhow::Error> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock is set before 1970")?;
    Ok(i64::try_from(now.as_millis()).unwrap_or(i64::MAX) - micros / 1000)
}

fn progress_bar(offsets: u64) -> ProgressBar {
    let style = "{spinner} [{bar:30}] {human_pos} of {human_len} offsets, {elapsed}";
    ProgressBar::new(offsets).with_style(ProgressStyle::with_template(style).expect("the template is fixed"))
}

/// Why a record is of no use.
#[derive(Debug, thiserror::Error)]
enum NotRead {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Wire(#[from] DecodeError),
    #[error(transparent)]
    Avro(#[from] AvroDecisionError),
    /// Unless the registry answered, other records would fare no better.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Reads decisions in the format of a pipeline's topic.
enum Decoder {
    Json,
    Avro {
        registry: Registry,
        readers: HashMap<SchemaId, AvroDecisionReader>,
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
            // `avro` without a registry is a diagnostic that the file was checked for.
            (Format::Avro | Format::AvroPlain, _) => {
                Decoder::AvroPlain(AvroDecisionReader::new(DECISION_AVRO_SCHEMA)?.into())
            }
        })
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<OwnedDecisionRecord, NotRead> {
        match self {
            Decoder::Json => Ok(OwnedDecisionRecord::from_json(bytes)?),
            Decoder::AvroPlain(reader) => Ok(reader.read(bytes)?),
            Decoder::Avro { registry, readers } => {
                let (id, record) = wire::split(bytes)?;
                let reader = match readers.entry(id) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(AvroDecisionReader::new(&registry.schema(id)?)?),
                };
                Ok(reader.read(record)?)
            }
        }
    }
}
