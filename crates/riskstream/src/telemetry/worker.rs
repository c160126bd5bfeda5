//! The metrics of a worker's rounds.

use super::metrics as set;
use super::partition_gauges::PartitionGauges;
use metrics::{Counter, Histogram};
use riskstream_engine::plan::{InputKind, Plan};
use riskstream_pipeline::decision_sink::DecisionSink;
use riskstream_pipeline::log::Log;
use riskstream_pipeline::round::{Round, Stopped};
use riskstream_pipeline::stop_reason::StopCode;
use riskstream_pipeline::topology::Topology;
use riskstream_pipeline::{EventCounts, Worker};
use riskstream_scoring::DecisionSet;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The metrics of one worker. Counters and histograms are shared by all workers.
pub struct WorkerMetrics {
    worker: String,
    /// By the severity of outcomes.
    decisions: Vec<Counter>,
    degraded: Counter,
    duplicates: Counter,
    late: Counter,
    repeated_rows: Counter,
    inexact: Counter,
    /// By the stages of the entities.
    too_late_labels: Vec<Counter>,
    plan: Arc<Plan>,
    filtered: Counter,
    doubtful_times: Counter,
    key_mismatches: Counter,
    events: Counter,
    written: Counter,
    committed: Counter,
    aborted: Counter,
    rebalances: Counter,
    latency: Histogram,
    batch: Histogram,
    commit: Histogram,
    state_write: Histogram,
    records: BTreeMap<Arc<str>, Counter>,
    /// Names and topics of lists.
    lists: Vec<(String, Arc<str>)>,
}

impl WorkerMetrics {
    /// The metrics of worker number `worker`. All counters are created, with 0, at once.
    pub fn new(worker: usize, topology: &Topology) -> WorkerMetrics {
        for code in riskstream_events::ReasonCode::ALL {
            set::DEAD_LETTERS.counter(&[code.as_str()]).increment(0);
        }
        for kind in ["kafka_unavailable", "fenced", "registry", "task"] {
            set::ERRORS.counter(&[kind]).increment(0);
        }
        set::ROLLOUTS_REJECTED.counter(&[]).increment(0);
        create_rule_counters(&topology.decision);
        create_event_counters(&topology.plan);
        WorkerMetrics {
            worker: worker.to_string(),
            decisions: outcome_counters(topology),
            degraded: set::DEGRADED.counter(&[]),
            duplicates: set::DUPLICATES.counter(&[]),
            late: set::LATE.counter(&[]),
            repeated_rows: set::REPEATED_ROWS.counter(&[]),
            inexact: set::INEXACT.counter(&[]),
            too_late_labels: too_late_labels(topology),
            plan: Arc::clone(&topology.plan),
            filtered: set::FILTERED.counter(&[]),
            doubtful_times: set::DOUBTFUL_TIMES.counter(&[]),
            key_mismatches: set::KEY_MISMATCHES.counter(&[]),
            events: set::EVENTS.counter(&[]),
            written: set::WRITTEN.counter(&[]),
            committed: set::COMMITTED.counter(&[]),
            aborted: set::ABORTED.counter(&[]),
            rebalances: set::REBALANCES.counter(&[]),
            latency: set::LATENCY.histogram(&[]),
            batch: set::BATCH.histogram(&[]),
            commit: set::COMMIT.histogram(&[]),
            state_write: set::STATE_WRITE.histogram(&[]),
            records: topology
                .input_topics()
                .into_iter()
                .map(|topic| (Arc::clone(&topic), set::RECORDS.counter(&[&topic])))
                .collect(),
            lists: lists(topology),
        }
    }

    /// Adds what a round did.
    pub fn observe(&self, round: &Round) {
        self.rebalances.increment(u64::from(round.changes.is_rebalance()));
        self.aborted.increment(u64::from(round.aborted));
        for (outcome, decisions) in &round.tally.decisions {
            if let Some(counter) = self.decisions.get(outcome.severity()) {
                counter.increment(*decisions);
            }
        }
        self.degraded.increment(round.tally.degraded);
        for (model, result, count) in round.tally.models.iter() {
            set::MODEL_SCORES.counter(&[model, result]).increment(count);
        }
        for (rule, mode, hits) in round.tally.rules.iter() {
            let [all, unique] = rule_counters(rule, mode);
            all.increment(hits.all);
            unique.increment(hits.unique);
        }
        self.duplicates.increment(round.tally.duplicates);
        self.late.increment(round.tally.late);
        self.repeated_rows.increment(round.tally.repeated_rows);
        self.inexact.increment(round.tally.inexact);
        for (stage, labels) in &round.tally.too_late_labels {
            self.too_late_labels[*stage].increment(*labels);
        }
        for (input, stage, counts) in round.tally.other_events.iter() {
            count_events(&self.plan, input, stage, counts);
        }
        self.filtered.increment(round.tally.filtered);
        self.doubtful_times.increment(round.tally.doubtful_times);
        self.key_mismatches.increment(round.tally.key_mismatches);
        self.events.increment(round.tally.events);
        self.written.increment(round.written as u64);
        for (topic, records) in &round.records {
            if let Some(counter) = self.records.get(topic) {
                counter.increment(*records);
            }
        }
        for (reason, records) in &round.dead_letters {
            set::DEAD_LETTERS.counter(&[reason]).increment(*records);
        }
        // The tally's latencies end at the start of the batch.
        let batch = (round.processing + round.commit.unwrap_or_default()).as_secs_f64();
        for latency in &round.tally.latencies {
            self.latency.record((*latency).max(0) as f64 / 1e6 + batch);
        }
        if round.events > 0 {
            self.batch.record(round.processing.as_secs_f64());
        }
        let seconds = |histogram: &Histogram, time: Option<Duration>| {
            time.iter().for_each(|time| histogram.record(time.as_secs_f64()));
        };
        seconds(&self.commit, round.commit);
        seconds(&self.state_write, round.state_write);
        self.committed.increment(u64::from(round.commit.is_some()));
    }

    fn set_lists(&self, gauges: &mut PartitionGauges, decisions: &DecisionSink, [topic, partition]: [&str; 2]) {
        let Some(offsets) = decisions.lists() else { return };
        for (name, of_list) in &self.lists {
            if let Some(offset) = offsets.get(of_list) {
                gauges.set(&set::LIST_OFFSET, &[name, topic, partition], offset as f64);
            }
        }
    }

    fn partition_gauges(&self) -> PartitionGauges {
        PartitionGauges::of(&format!("worker {}", self.worker))
    }

    /// The worker has closed its tasks.
    pub fn closed(&self) {
        self.partition_gauges().publish();
        for metric in [set::PARTITIONS, set::WAITING_PARTITIONS] {
            metric.gauge(&[&self.worker]).set(0.0);
        }
        self.publish_stopped(&[]);
    }

    /// Sets the gauges. Some of them are read from the store, so this should not be called more than once a second.
    pub fn publish<L: Log>(&self, worker: &Worker<L>) {
        let mut partitions = 0;
        let mut gauges = self.partition_gauges();
        for (at, task, lag) in worker.tasks() {
            partitions += 1;
            let partition = at.partition.to_string();
            let labels = [&*at.topic, partition.as_str()];
            if let Some(lag) = lag {
                gauges.set(&set::LAG, &labels, lag as f64);
            }
            let Some(state) = task.state() else { continue };
            gauges.set(&set::CACHED_ENTITIES, &labels, state.cached_entities() as f64);
            gauges.set(&set::CACHED_BYTES, &labels, state.cached_bytes() as f64);
            gauges.set(&set::STATE_BYTES, &labels, state.stored_bytes() as f64);
            if let Some(decisions) = task.sink().decisions() {
                gauges.set(&set::ROLLOUT, &labels, decisions.revision() as f64);
                self.set_lists(&mut gauges, decisions, labels);
            }
            gauges.set(&set::WAITING_FRAMES, &labels, task.waiting_frames() as f64);
            gauges.set(&set::WAITING_LABELS, &labels, state.waiting_labels() as f64);
            // Before the first transaction it is `i64::MIN`.
            if state.stream_time() > 0 {
                gauges.set(&set::STREAM_TIME, &labels, state.stream_time() as f64 / 1e6);
            }
        }
        gauges.publish();
        set::PARTITIONS.gauge(&[&self.worker]).set(f64::from(partitions));
        self.publish_stopped(worker.stopped());
        set::WAITING_PARTITIONS
            .gauge(&[&self.worker])
            .set(worker.waiting().count() as f64);
    }

    fn publish_stopped(&self, stopped: &[Stopped]) {
        for code in StopCode::ALL {
            let with_code = stopped.iter().filter(|stopped| stopped.reason.code == *code);
            let gauge = set::STOPPED.gauge(&[&self.worker, code.as_str()]);
            gauge.set(with_code.count() as f64);
        }
    }
}

fn lists(topology: &Topology) -> Vec<(String, Arc<str>)> {
    let names = topology.plan.decide.lists.iter().cloned();
    names.zip(topology.list_topics.iter().cloned()).collect()
}

fn outcome_counters(topology: &Topology) -> Vec<Counter> {
    let outcomes = topology.plan.decide.policy.outcomes();
    outcomes.words().map(|word| set::DECISIONS.counter(&[word])).collect()
}

fn too_late_labels(topology: &Topology) -> Vec<Counter> {
    let stages = topology.plan.stages.iter();
    stages
        .map(|stage| set::TOO_LATE_LABELS.counter(&[&stage.entity]))
        .collect()
}

/// Creates the counters of other events and of rows at the entities that use them.
fn create_event_counters(plan: &Plan) {
    for (stage, of_stage) in plan.stages.iter().enumerate() {
        for (input, key) in (0u8..).zip(&of_stage.keys) {
            if key.is_some() && matches!(plan.kind(input), InputKind::Events | InputKind::Table) {
                count_events(plan, input, stage, EventCounts::default());
            }
        }
    }
}

fn count_events(plan: &Plan, input: u8, stage: usize, counts: EventCounts) {
    let (metric, counts) = match plan.kind(input) {
        InputKind::Table => (&set::TABLE_ROWS, counts.of_rows()),
        _ => (&set::OTHER_EVENTS, counts.of_events()),
    };
    let (input, entity) = (&plan.inputs[usize::from(input)].name, &plan.stages[stage].entity);
    for (result, count) in counts {
        metric.counter(&[input, entity, result]).increment(count);
    }
}

/// Creates the counters of all rules and thresholds: one that never fires counts 0.
pub fn create_rule_counters(decision: &DecisionSet) {
    for reason in decision.decide.policy.reasons() {
        for counter in rule_counters(&reason.name, reason.mode.as_str()) {
            counter.increment(0);
        }
    }
}

/// The hits and the unique hits of a rule or threshold.
fn rule_counters(name: &str, mode: &str) -> [Counter; 2] {
    let labels = [name, mode];
    [&set::RULE_HITS, &set::RULE_UNIQUE_HITS].map(|metric| metric.counter(&labels))
}
