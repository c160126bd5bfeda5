//! Decisions from the topic that a pipeline writes them to.

use crate::clock::SystemClock;
use crate::commands::error::CommandError;
use crate::connections::registry;
use crate::registry::{Registry, RegistryError};
use crate::shutdown::Shutdown;
use anyhow::anyhow;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use riskstream_definition::{Compiled, Format};
use riskstream_events::{
    AvroDecisionError, AvroDecisionReader, DecodeError, OwnedDecisionRecord, SchemaReference, framing,
};
use riskstream_kafka::{KafkaOptions, Scanned, TopicScan};
use riskstream_pipeline::Clock;
use riskstream_pipeline::partitioner::partition;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;
use std::time::Duration;

/// How long a wait for records lasts. A shutdown is noticed after it.
pub(super) const WAIT: Duration = Duration::from_millis(200);

/// Is given each decision, and the progress bar that is on the terminal. Reading ends when it breaks.
type Each<'a> = &'a mut dyn FnMut(&OwnedDecisionRecord, &ProgressBar) -> Result<ControlFlow<()>, CommandError>;

/// Which decisions of the topic are read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Selection<'a> {
    /// Those that were written within so many microseconds.
    pub(super) since: Option<i64>,
    /// Those in the partition of this key.
    pub(super) key: Option<&'a str>,
}

/// Gives the selected decisions on the topic to `each`, up to the topic's end. Returns the number of records read.
///
/// # Errors
/// The topic or the registry cannot be reached, the run was interrupted, or `each` fails.
pub(super) fn read(
    compiled: &Compiled,
    kafka: &KafkaOptions,
    selection: Selection<'_>,
    shutdown: &Shutdown,
    each: Each<'_>,
) -> Result<u64, CommandError> {
    let mut decoder = Decoder::new(compiled).map_err(CommandError::failed)?;
    let topic = &compiled.decisions;
    let since = selection.since.map(milliseconds_ago);
    let scan = match selection.key {
        Some(key) => TopicScan::of_partition(kafka, topic, since, |count| partition(key.as_bytes(), count)),
        None => TopicScan::begin(kafka, topic, since),
    };
    let mut scan = scan.map_err(CommandError::failed)?;
    let bar = progress_bar(scan.total());
    let (mut records, mut unreadable) = (0u64, 0u64);
    loop {
        if shutdown.requested() {
            bar.finish_and_clear();
            return Err(anyhow!("interrupted after {} records of {topic}", HumanCount(records)).into());
        }
        bar.set_position(scan.total() - scan.remaining());
        let value = match scan.next(WAIT).map_err(CommandError::failed)? {
            Scanned::Record(record) => record.value,
            Scanned::Nothing => continue,
            Scanned::End => break,
        };
        records += 1;
        match decoder.decode(value.as_deref().unwrap_or_default()) {
            Ok(decision) => {
                if each(&decision, &bar)?.is_break() {
                    break;
                }
            }
            Err(error) if error.is_of_registry() => return Err(CommandError::failed(error)),
            Err(_) => unreadable += 1,
        }
    }
    bar.finish_and_clear();
    if unreadable > 0 {
        eprintln!("{} records of {topic} are no decisions", HumanCount(unreadable));
    }
    Ok(records)
}

/// The time so many microseconds ago, in milliseconds since the epoch.
pub(super) fn milliseconds_ago(micros: i64) -> i64 {
    (SystemClock.now() - micros) / 1000
}

pub(super) fn progress_bar(offsets: u64) -> ProgressBar {
    let style = "{spinner} [{bar:30}] {human_pos} of {human_len} offsets, {elapsed}";
    ProgressBar::new(offsets).with_style(ProgressStyle::with_template(style).expect("the template is fixed"))
}

/// Why a record cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecoderError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    WireFormat(#[from] DecodeError),
    #[error(transparent)]
    Avro(#[from] AvroDecisionError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl DecoderError {
    /// Whether the registry did not answer. The record may be a decision.
    pub(super) fn is_of_registry(&self) -> bool {
        matches!(self, DecoderError::Registry(error) if !matches!(error, RegistryError::Unknown { .. }))
    }
}

/// Decodes decisions in the format of a pipeline's topic.
pub(super) enum Decoder {
    Json,
    Avro {
        registry: Registry,
        readers: HashMap<SchemaReference, AvroDecisionReader>,
    },
    AvroPlain(Box<AvroDecisionReader>),
}

impl Decoder {
    pub(super) fn new(compiled: &Compiled) -> Result<Decoder, AvroDecisionError> {
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

    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<OwnedDecisionRecord, DecoderError> {
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
