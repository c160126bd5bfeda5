//! Makes the decisions of a recording again and compares them with the recorded ones (docs/adr/0030-recordings.md).
//!
//! The worker of the service runs on the recording. Each task reads its own recorded log, not the records that the tasks
//! before it write now. A task is a function of its log, so it must make the recorded rows and decisions again.

mod compare;
pub(crate) mod decisions;
pub(crate) mod differences;
mod features;
pub(crate) mod log;
pub(crate) mod rows;
pub(crate) mod values;

pub use compare::Outcome;
pub use decisions::Counts;
pub use differences::{Difference, Differences};
pub use features::FeatureCheck;

use crate::recording::{Manifest, Period, Pipeline, RecordedTopic, RecordingError};
use compare::Comparison;
use log::{RecordedLog, ReleaseControl};
use riskstream_events::OwnedDecisionRecord;
use riskstream_pipeline::log::{LogError, TopicPartition};
use riskstream_pipeline::{CatchUpSignal, Clock, Prepared, Stores, Topology, Worker, WorkerError, WorkerOptions};
use rows::RowComparison;
use serde::Serialize;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a record may wait for something, such as a schema from a registry, while no other is processed.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Decodes a record of the topic of decisions; none if it is no decision.
pub type DecodeDecision<'a> = dyn FnMut(&[u8]) -> Result<Option<OwnedDecisionRecord>, io::Error> + 'a;

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The recording lacks what decisions are made from.
    #[error("{0}")]
    Nothing(String),
    /// A worker failed.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A recorded record of a repartition topic cannot be read.
    #[error("a recorded record of a repartition topic cannot be read: {0}")]
    Rows(String),
    /// A temporary file, or a decision, cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The caller has ended it.
    #[error("interrupted")]
    Interrupted,
}

/// What is replayed, and what it needs.
pub struct Replay<'a> {
    /// The recording.
    pub directory: &'a Path,
    /// Its manifest.
    pub manifest: Manifest,
    /// The pipeline. Decisions must be JSON.
    pub topology: Topology,
    /// Stores for state, which are empty.
    pub stores: Box<dyn Stores + Send>,
    /// The wall clock.
    pub clock: Box<dyn Clock + Send>,
    /// When the decisions were written that are compared. All are made again, as each depends on those before it.
    pub period: Period,
}

/// The outcome of a replay.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayReport {
    /// What was running while it was recorded, the last version last.
    pub recorded: Vec<Pipeline>,
    /// What else the reader has to know.
    pub notes: Vec<String>,
    /// What was compared.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The same by feature, in the order of the plan.
    pub features: Vec<FeatureCheck>,
}

impl ReplayReport {
    /// The number of decisions that were compared.
    pub fn compared(&self) -> u64 {
        self.outcome.decisions.equal + self.outcome.decisions.different
    }
}

impl Replay<'_> {
    /// Makes the decisions again. `prepare` makes what may come into force: it is given how far each list was read for the first
    /// recorded decisions. `progress` is given the offsets read and all of them; it answers whether to go on.
    ///
    /// # Errors
    /// The recording lacks the log of the deciding stage, is damaged, or the run was ended.
    pub fn run(
        self,
        decode: &mut DecodeDecision<'_>,
        prepare: impl FnOnce(&BTreeMap<String, i64>) -> Result<Prepared, io::Error>,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<ReplayReport, ReplayError> {
        let Replay {
            directory,
            manifest,
            topology,
            stores,
            clock,
            period,
        } = self;
        let (manifest, topology) = (Rc::new(manifest), Arc::new(topology));
        let deciding = recorded(&manifest, topology.topic_of_stage(topology.plan.stages.len() - 1))?;
        let mut notes = notes(&manifest, &topology);
        let mut comparison = Comparison::new(directory, &manifest, &topology, period, decode)?;
        comparison.decisions.is_cut = is_cut(deciding);
        comparison.decisions.lacks_first = manifest.topic(&topology.decisions).is_none_or(is_cut);
        comparison.decisions.goes_on = deciding.partitions.iter().any(|partition| partition.goes_on);
        add_rows(&mut comparison, directory, &manifest, &topology, period);
        let prepared = prepare(comparison.first_lists())?;
        let comparison = Rc::new(RefCell::new(comparison));
        let gate = Rc::new(ReleaseControl::default());
        let recorded_log = RecordedLog::open(
            directory,
            Rc::clone(&manifest),
            partitions(&manifest, &topology.input_topics()),
            &undecided(deciding),
            Rc::clone(&gate),
            comparison.clone(),
        );
        let recorded_log = recorded_log.map_err(WorkerError::from)?;
        let total = recorded_log.total();
        let worker = worker_on(recorded_log, &topology, (stores, clock, prepared));
        let mut go_on = |passed| match progress(passed, total) {
            true => Ok(true),
            false => Err(ReplayError::Interrupted),
        };
        for (partition, why) in drive(worker, &gate, &mut go_on)? {
            let mut comparison = comparison.borrow_mut();
            match *partition.topic == deciding.name {
                true => comparison.decisions.goes_on = true,
                false => comparison
                    .rows
                    .iter_mut()
                    .flatten()
                    .for_each(|rows| rows.is_incomplete = true),
            }
            notes.push(format!("{partition} was not read to its end: {why}"));
        }
        let outcome = comparison.borrow_mut().finish()?;
        Ok(ReplayReport {
            recorded: manifest.pipelines.clone(),
            notes,
            features: features::check(&outcome, &topology.plan),
            outcome,
        })
    }
}

/// What a worker needs besides its log: stores for state, a clock, and what may come into force.
pub(crate) type WorkerInputs = (Box<dyn Stores + Send>, Box<dyn Clock + Send>, Prepared);

/// The worker of the service, as it runs on a recording.
pub(crate) fn worker_on(
    log: RecordedLog,
    topology: &Arc<Topology>,
    (stores, clock, prepared): WorkerInputs,
) -> Worker<RecordedLog> {
    Worker::new(
        log.reading_headers(topology.copied_headers()),
        Arc::clone(topology),
        WorkerOptions::default(),
        stores,
        clock,
        prepared,
        CatchUpSignal::default(),
    )
}

/// The topic that the deciding stage reads.
pub(crate) fn recorded<'m>(manifest: &'m Manifest, topic: &str) -> Result<&'m RecordedTopic, ReplayError> {
    let nothing = |why: &str| {
        ReplayError::Nothing(format!(
            "{topic}, from which decisions are made, is not recorded: {why}"
        ))
    };
    let found = manifest.topic(topic);
    let found = found.ok_or_else(|| nothing("the recording is of another pipeline, or of another version of it"))?;
    match &found.left_out {
        Some(why) => Err(nothing(why)),
        None => Ok(found),
    }
}

fn is_cut(topic: &RecordedTopic) -> bool {
    topic.left_out.is_some() || topic.partitions.iter().any(|partition| partition.is_cut)
}

/// The partitions of these topics.
fn partitions(manifest: &Manifest, topics: &[Arc<str>]) -> Vec<TopicPartition> {
    let of_topic = |topic: &Arc<str>| {
        let topic = Arc::clone(topic);
        let count = manifest.topic(&topic).map_or(0, |topic| topic.partitions.len());
        (0..count as i32).map(move |partition| TopicPartition {
            topic: Arc::clone(&topic),
            partition,
        })
    };
    topics.iter().flat_map(of_topic).collect()
}

/// From where on the pipeline had not decided on the records of each partition when it was recorded.
pub(crate) fn undecided(deciding: &RecordedTopic) -> HashMap<TopicPartition, i64> {
    let name: Arc<str> = deciding.name.as_str().into();
    let partitions = (0..).zip(&deciding.partitions);
    let from = partitions.map(|(number, partition)| {
        let at = TopicPartition {
            topic: Arc::clone(&name),
            partition: number,
        };
        (at, partition.committed.unwrap_or(partition.begin))
    });
    from.collect()
}

/// Compares the rows in front of those stages for which the logs of the tasks before are there.
fn add_rows(comparison: &mut Comparison, directory: &Path, manifest: &Manifest, topology: &Topology, period: Period) {
    for (stage, topic) in topology.repartition_topics.iter().enumerate() {
        let Some(topic) = topic else { continue };
        let before = topology.topics_before_stage(stage);
        let before: Option<Vec<&RecordedTopic>> = before.into_iter().map(|name| manifest.topic(name)).collect();
        let Some(before) = before else { continue };
        let is_left_out = before.iter().any(|topic| topic.left_out.is_some());
        let is_cut = before.iter().any(|topic| is_cut(topic));
        // A stage counts the rows that its log releases: from another beginning they have other numbers.
        if is_left_out || (is_cut && stage > 0) {
            continue;
        }
        let mut rows = RowComparison::new(directory, manifest, (&topology.plan, stage), topic, period);
        rows.is_cut = is_cut;
        comparison.compare_rows(stage, rows);
    }
}

/// What cannot be compared, before anything was.
pub(crate) fn notes(manifest: &Manifest, topology: &Topology) -> Vec<String> {
    let mut notes = Vec::new();
    if !manifest.is_complete {
        notes.push("the recording was interrupted: `riskstream record` goes on with it".to_owned());
    }
    for name in topology.input_topics() {
        let Some(topic) = manifest.topic(&name) else {
            notes.push(format!(
                "{name} is not in the recording: what is made from it is not compared"
            ));
            continue;
        };
        if let Some(why) = &topic.left_out {
            notes.push(format!(
                "the records of {name} are not recorded ({why}): rows are not made again from them"
            ));
        }
        for (number, partition) in topic
            .partitions
            .iter()
            .enumerate()
            .filter(|(_, partition)| partition.is_cut)
        {
            notes.push(format!(
                "{name}[{number}] is recorded from offset {}: what depends on the records before cannot be compared",
                partition.begin
            ));
        }
    }
    notes
}

/// Runs the worker until nothing is left that it can read, or `go_on`, which is given the offsets read, says that it is enough. Returns
/// the partitions that it could not read to their end, and why.
pub(crate) fn drive(
    mut worker: Worker<RecordedLog>,
    gate: &ReleaseControl,
    go_on: &mut dyn FnMut(u64) -> Result<bool, ReplayError>,
) -> Result<Vec<(TopicPartition, String)>, ReplayError> {
    let mut quiet = Duration::ZERO;
    loop {
        let round = worker.round(Duration::ZERO)?;
        if !go_on(gate.passed())? {
            return Ok(Vec::new());
        }
        if round.events > 0 || round.aborted {
            quiet = Duration::ZERO;
            continue;
        }
        if worker.waiting().next().is_some() && quiet < PATIENCE {
            std::thread::sleep(PAUSE);
            quiet += PAUSE;
            continue;
        }
        worker.finish()?;
        if gate.is_open() {
            break;
        }
        gate.open();
    }
    let waiting = worker
        .waiting()
        .map(|(partition, why)| (partition.clone(), why.to_owned()));
    let stopped = worker.stopped().iter();
    let stopped = stopped.map(|stopped| (stopped.partition.clone(), stopped.reason.to_string()));
    Ok(waiting.chain(stopped).collect())
}

impl From<LogError> for ReplayError {
    fn from(error: LogError) -> ReplayError {
        ReplayError::Worker(error.into())
    }
}
