//! Makes one recorded decision again and takes it apart: the events in each of its windows, each feature's arithmetic, the rules
//! with the values that they saw, the score with its contributions, and what was in force.
//!
//! The worker of the service runs on those partitions of the recording in which the transaction is, from their beginning until it is
//! decided. An observer keeps the events of the transaction's entities. From these each feature is computed anew
//! ([`EntityHistory`](riskstream_features::history::EntityHistory)) and compared with what the state gave.

mod builder;
mod locate;
mod observer;
mod recorded;
mod report;

pub use report::{
    AuditReport, AuditedContribution, AuditedDecision, AuditedEvent, AuditedExpression, AuditedFeature, AuditedRule,
    AuditedScore, AuditedStage, AuditedWindow, FieldDifference, ListInForce, Recorded,
};

use crate::recording::{Manifest, Period};
use crate::replay::log::{OutputSink, RecordedLog, ReleaseControl};
use crate::replay::{
    DecodeDecision, Replay, ReplayError, WorkerInputs, drive, notes, recorded as recorded_topic, undecided, worker_on,
};
use builder::ReportBuilder;
use locate::{Locations, Search, TargetTransaction};
use observer::{AuditObserver, Observations};
use recorded::{RecordedDecision, ReplayedDecision, distinct, find, rows_written};
use riskstream_events::OwnedDecisionRecord;
use riskstream_pipeline::log::Outputs;
use riskstream_pipeline::{Prepared, Topology, WorkerError};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

/// The decisions of a worker on the target transaction.
struct Decisions {
    /// The index of the topic of decisions.
    topic: usize,
    decision_id: String,
    made: Vec<ReplayedDecision>,
}

impl OutputSink for Decisions {
    fn appended(&mut self, _: &Outputs) -> Result<(), ReplayError> {
        Ok(())
    }

    fn committed(&mut self, outputs: &Outputs, _: bool) -> Result<(), ReplayError> {
        for record in outputs.records().iter().filter(|record| record.topic == self.topic) {
            let decision = OwnedDecisionRecord::from_json(outputs.value(record).unwrap_or_default());
            let decision = decision.map_err(io::Error::other)?;
            if decision.decision_id == self.decision_id {
                let headers = outputs.headers(record);
                let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
                self.made.push(ReplayedDecision::new(
                    decision,
                    (outputs.key(record), headers.collect()),
                ));
            }
        }
        Ok(())
    }
}

impl Replay<'_> {
    /// Makes the decision with this id, or on the event with this id, again. It is looked for among the decisions that were written in
    /// the period. `prepare` and `progress` as of [`Replay::run`].
    ///
    /// # Errors
    /// The recording does not hold the decision, or lacks the log of the deciding stage, or is damaged, or the run was ended.
    pub fn audit(
        self,
        id: &str,
        decode: &mut DecodeDecision<'_>,
        prepare: impl FnOnce(&BTreeMap<String, i64>) -> Result<Prepared, io::Error>,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<AuditReport, ReplayError> {
        let mut go_on = || match progress(0, 0) {
            true => Ok(()),
            false => Err(ReplayError::Interrupted),
        };
        let last = self.topology.plan.stages.len() - 1;
        recorded_topic(&self.manifest, self.topology.topic_of_stage(last))?;
        let recorded = find(
            self.directory,
            &self.manifest,
            &self.topology.decisions,
            (id, self.period),
            decode,
            &mut go_on,
        )?;
        let Some(first) = recorded.first() else {
            return Err(ReplayError::Nothing(match self.period == Period::default() {
                true => format!("the recording holds no decision on {id}"),
                false => format!("the recording holds no decision on {id} that was written in the period"),
            }));
        };
        let target = TargetTransaction {
            pipeline: self.topology.plan.name.clone(),
            decision_id: first.decision.decision_id.clone(),
        };
        let mut search = |period| {
            let search = Search {
                directory: self.directory,
                manifest: &self.manifest,
                topology: &self.topology,
                target: &target,
                period,
                go_on: &mut go_on,
            };
            search.run()
        };
        let written = rows_written(&recorded);
        let mut locations = search(written)?;
        // Clocks may be further apart, or the recorded decision may not be as it was made.
        let least = distinct(&recorded);
        if written != Period::default() && locations.rows.iter().any(|rows| *rows < least) {
            locations = search(Period::default())?;
        }
        let lists = lists_of(&recorded);
        let mut notes = notes(&self.manifest, &self.topology);
        let (manifest, topology) = (Rc::new(self.manifest), Arc::new(self.topology));
        let run = Run {
            directory: self.directory,
            manifest: Rc::clone(&manifest),
            topology: Arc::clone(&topology),
            target: &target,
            locations: &locations,
        };
        let worker = (self.stores, self.clock, prepare(&lists)?);
        let (seen, made, stopped) = run.until_decided(worker, progress)?;
        notes.extend(stopped);
        notes.extend(versions(&recorded, &topology));
        Ok(report(&manifest, &topology, &locations, &seen, recorded, made, notes))
    }
}

/// How far the lists were read for the recorded decisions: what is in force before the first notice.
fn lists_of(recorded: &[RecordedDecision]) -> BTreeMap<String, i64> {
    let mut lists = BTreeMap::new();
    for (name, offset) in recorded.iter().flat_map(|recorded| &recorded.decision.lists) {
        let first = lists.entry(name.clone()).or_insert(*offset);
        *first = (*first).min(*offset);
    }
    lists
}

/// That another version of the pipeline file or of the program made the recorded decision.
fn versions(recorded: &[RecordedDecision], topology: &Topology) -> Vec<String> {
    let Some(first) = recorded.first().map(|recorded| &recorded.decision) else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    if first.pipeline_version != topology.plan.version {
        notes.push(format!(
            "the decision is of version {} of the pipeline file, and the file is version {}",
            first.pipeline_version, topology.plan.version
        ));
    }
    if first.binary_version != env!("CARGO_PKG_VERSION") {
        notes.push(format!(
            "riskstream {} made the decision, and {} makes it again",
            first.binary_version,
            env!("CARGO_PKG_VERSION")
        ));
    }
    notes
}

/// What is run.
struct Run<'a> {
    directory: &'a Path,
    manifest: Rc<Manifest>,
    topology: Arc<Topology>,
    target: &'a TargetTransaction,
    locations: &'a Locations,
}

impl Run<'_> {
    /// Runs the worker until the transaction is decided as often as the log holds it. Gives what was seen, the decisions, and the
    /// partitions that were not read to their end.
    fn until_decided(
        &self,
        inputs: WorkerInputs,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<(Observations, Vec<ReplayedDecision>, Vec<String>), ReplayError> {
        let topology = &self.topology;
        let deciding = recorded_topic(&self.manifest, topology.topic_of_stage(topology.plan.stages.len() - 1))?;
        let gate = Rc::new(ReleaseControl::default());
        let decisions = Rc::new(RefCell::new(Decisions {
            topic: topology.routes().decisions,
            decision_id: self.target.decision_id.clone(),
            made: Vec::new(),
        }));
        let log = RecordedLog::open(
            self.directory,
            Rc::clone(&self.manifest),
            self.locations.partitions.iter().cloned().collect(),
            &undecided(deciding),
            Rc::clone(&gate),
            decisions.clone(),
        );
        let log = log.map_err(WorkerError::from)?;
        let total = log.total();
        let (observer, seen) = AuditObserver::new(&topology.plan, self.target, &self.locations.keys);
        let worker = worker_on(log, topology, inputs);
        let mut go_on = |passed| match progress(passed, total) {
            true => Ok(!self.is_done(&seen)),
            false => Err(ReplayError::Interrupted),
        };
        let stopped = drive(worker.observed_by(Box::new(observer)), &gate, &mut go_on)?;
        let stopped = stopped
            .into_iter()
            .map(|(partition, why)| format!("{partition} was not read to its end: {why}"));
        let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        let made = std::mem::take(&mut decisions.borrow_mut().made);
        Ok((seen, made, stopped.collect()))
    }

    /// Whether each stage has applied the transaction, and the last has decided it, as often as its log holds it.
    fn is_done(&self, seen: &Mutex<Observations>) -> bool {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stages = seen
            .at_stages
            .iter()
            .zip(&self.locations.keys)
            .zip(&self.locations.rows);
        let is_applied = stages.all(|((seen, keys), rows)| keys.is_empty() || seen.len() >= *rows);
        is_applied && seen.decided.len() >= self.locations.rows.last().copied().unwrap_or(0)
    }
}

fn report(
    manifest: &Manifest,
    topology: &Topology,
    locations: &Locations,
    seen: &Observations,
    recorded: Vec<RecordedDecision>,
    made: Vec<ReplayedDecision>,
    notes: Vec<String>,
) -> AuditReport {
    let plan = &topology.plan;
    let event_id = recorded[0].decision.event_id.clone();
    let decision_id = recorded[0].decision.decision_id.clone();
    let mut left = recorded;
    let mut decisions = Vec::new();
    for (number, (again, decided)) in made.into_iter().zip(&seen.decided).enumerate() {
        let (recorded, differences) = again.match_with(&mut left);
        let builder = ReportBuilder {
            plan,
            decided,
            recorded: recorded.as_ref().map(|recorded| &recorded.decision),
        };
        let stages = (0..plan.stages.len()).map(|stage| {
            let why_not = left_out(manifest, topology, locations, stage);
            builder.stage(stage, seen.at_stages[stage].get(number), why_not.as_deref())
        });
        decisions.push(AuditedDecision {
            is_identical: recorded.is_some() && differences.is_empty(),
            differences,
            stages: stages.collect(),
            expressions: builder.expressions(),
            rules: builder.rules(),
            score: builder.score(),
            lists: builder.lists(),
            decision: again.decision,
            recorded: recorded.map(Recorded::from),
        });
    }
    // What `delivery: at_least_once` has written again after a crash is there twice.
    left.retain(|recorded| !recorded.is_repeated);
    let is_confirmed = |decision: &AuditedDecision| {
        let windows = decision.stages.iter().flat_map(|stage| &stage.windows);
        let mut features = windows.flat_map(|window| &window.features);
        decision.is_identical && features.all(|feature| feature.is_confirmed)
    };
    AuditReport {
        decision_id,
        event_id,
        is_confirmed: !decisions.is_empty() && left.is_empty() && decisions.iter().all(is_confirmed),
        notes,
        decisions,
        not_made_again: left.into_iter().map(Recorded::from).collect(),
    }
}

/// Why the windows of a stage cannot be listed, if its log is not there.
fn left_out(manifest: &Manifest, topology: &Topology, locations: &Locations, stage: usize) -> Option<String> {
    if locations.rows[stage] > 0 {
        return None;
    }
    let name = topology.topic_of_stage(stage);
    Some(match manifest.topic(name) {
        None => format!("{name}, which this stage reads, is not in the recording"),
        Some(topic) => match &topic.left_out {
            Some(why) => format!("{name}, which this stage reads, is not recorded: {why}"),
            None => format!("{name}, which this stage reads, does not hold the transaction"),
        },
    })
}
