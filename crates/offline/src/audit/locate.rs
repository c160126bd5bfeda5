//! Finds a transaction in the recorded logs of the stages: in which partitions its rows are, and under which keys.

use crate::recording::{Manifest, Period, Record, Records};
use crate::replay::ReplayError;
use crate::replay::rows::decode;
use riskstream_engine::plan::TRANSACTIONS;
use riskstream_engine::{Engine, Event};
use riskstream_events::{DecisionId, DecodeError, InputDecoder, Row, Value};
use riskstream_pipeline::Topology;
use riskstream_pipeline::input_source::{Admission, Admitted};
use riskstream_pipeline::log::{SCHEMA_ID_HEADER, TopicPartition};
use riskstream_pipeline::repartition::RepartitionFormat;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Records between two looks at whether to go on.
const RECORDS: u64 = 1024;

/// The transaction that is looked for.
#[derive(Clone, Debug)]
pub(super) struct TargetTransaction {
    pub(super) pipeline: String,
    pub(super) decision_id: String,
}

impl TargetTransaction {
    pub(super) fn is(&self, event: &Event) -> bool {
        event.input == TRANSACTIONS && DecisionId::new(&self.pipeline, event.id()).as_str() == self.decision_id
    }
}

/// Where the transaction is. It may have been sent more than once.
#[derive(Debug, Default)]
pub(super) struct Locations {
    /// The partitions with its rows.
    pub(super) partitions: BTreeSet<TopicPartition>,
    /// Its keys at each stage.
    pub(super) keys: Vec<BTreeSet<String>>,
    /// How many rows of it each stage reads.
    pub(super) rows: Vec<usize>,
}

/// See the module.
pub(super) struct Search<'a> {
    pub(super) directory: &'a Path,
    pub(super) manifest: &'a Manifest,
    pub(super) topology: &'a Topology,
    pub(super) target: &'a TargetTransaction,
    /// When the rows were written.
    pub(super) period: Period,
    /// Whether to go on.
    pub(super) go_on: &'a mut dyn FnMut() -> Result<(), ReplayError>,
}

impl Search<'_> {
    /// Reads the logs of all stages.
    pub(super) fn run(mut self) -> Result<Locations, ReplayError> {
        let stages = self.topology.plan.stages.len();
        let mut locations = Locations::default();
        for stage in 0..stages {
            let (keys, rows) = self.search_stage(stage, &mut locations.partitions)?;
            locations.keys.push(keys);
            locations.rows.push(rows);
        }
        Ok(locations)
    }

    /// The keys of the transaction at a stage, and how many rows of it there are.
    fn search_stage(
        &mut self,
        stage: usize,
        partitions: &mut BTreeSet<TopicPartition>,
    ) -> Result<(BTreeSet<String>, usize), ReplayError> {
        let topology = self.topology;
        let topic: Arc<str> = topology.topic_of_stage(stage).into();
        let recorded = self.manifest.topic(&topic).filter(|topic| topic.left_out.is_none());
        let count = recorded.map_or(0, |topic| topic.partitions.len());
        let engine = Engine::new(Arc::clone(&topology.plan));
        let mut reader = match topology.repartition_topics[stage] {
            Some(_) => Reader::Rows(RepartitionFormat::new(&topology.plan, stage), Vec::new()),
            None => Reader::Records(
                (topology.inputs[0].decoder)().into(),
                Engine::new(Arc::clone(&topology.plan)),
            ),
        };
        let (mut keys, mut places) = (BTreeSet::new(), BTreeSet::new());
        let mut key = String::new();
        for partition in 0..count {
            let mut records = Records::of(self.directory, self.manifest, &topic, partition).written_in(self.period);
            let mut read = 0;
            while let Some(record) = records.read_next()? {
                read += 1;
                if read % RECORDS == 0 {
                    (self.go_on)()?;
                }
                for (source, number, event) in reader.events(record)? {
                    if !self.target.is(&event) {
                        continue;
                    }
                    // A row may have been written twice.
                    places.insert((partition, source, number));
                    keys.extend(engine.key(stage, &event, &mut key).map(str::to_owned));
                    partitions.insert(TopicPartition {
                        topic: Arc::clone(&topic),
                        partition: partition as i32,
                    });
                }
            }
        }
        Ok((keys, places.len()))
    }
}

/// Makes events of the records of a stage's log.
enum Reader {
    /// Of a repartition topic.
    Rows(RepartitionFormat, Vec<Row>),
    /// Of the transactions' own topic.
    Records(Box<InputDecoder>, Engine),
}

impl Reader {
    /// The events of a record, each with its source and its number.
    fn events(&mut self, record: Record) -> Result<Vec<(u32, i64, Event)>, ReplayError> {
        match self {
            Reader::Rows(format, spare) => {
                let value = record.value.as_deref().unwrap_or_default();
                let sources = decode(format, value, spare).map_err(ReplayError::Rows)?;
                let of_source = |(source, rows)| {
                    let rows: std::collections::VecDeque<riskstream_pipeline::record_result::Sequenced> = rows;
                    rows.into_iter().map(move |row| (source, row.sequence, row.event))
                };
                Ok(sources.into_iter().flat_map(of_source).collect())
            }
            Reader::Records(decoder, engine) => {
                let Some(value) = &record.value else {
                    return Ok(Vec::new());
                };
                let mut row = vec![Value::Null; engine.plan().slots.len()];
                match decoder.decode_with_header(record.header(SCHEMA_ID_HEADER), value, &mut row) {
                    Ok(()) => {}
                    Err(DecodeError::Unavailable(why)) => return Err(ReplayError::Nothing(why)),
                    Err(DecodeError::Rejected(_)) => return Ok(Vec::new()),
                }
                match Admission::new(TRANSACTIONS).admit(engine, record.timestamp, row) {
                    Admitted::Event(event) => Ok(vec![(0, record.offset, event)]),
                    Admitted::Filtered(_) | Admitted::Rejected(..) => Ok(Vec::new()),
                }
            }
        }
    }
}
