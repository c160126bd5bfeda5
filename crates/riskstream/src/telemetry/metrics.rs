//! The closed set of metrics: one table, from which docs/metrics.md is generated.

use metrics::{Counter, Gauge, Histogram, Label, Unit};

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A count that only grows, from 0 at the start of the process.
    Counter,
    /// A value that can go up and down.
    Gauge,
    /// Counts of observations by size.
    Histogram,
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its unit.
    pub unit: Unit,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// Its help text.
    pub help: &'static str,
}

impl Metric {
    /// The counter with these values of the labels, in the table's order.
    pub fn counter(&self, values: &[&str]) -> Counter {
        assert_eq!(self.kind, Kind::Counter);
        metrics::counter!(self.name, self.labels(values))
    }

    /// The gauge with these values of the labels, in the table's order.
    pub fn gauge(&self, values: &[&str]) -> Gauge {
        assert_eq!(self.kind, Kind::Gauge);
        assert!(!self.is_of_partition(), "{} is set with PartitionGauges", self.name);
        metrics::gauge!(self.name, self.labels(values))
    }

    /// The histogram with these values of the labels, in the table's order.
    pub fn histogram(&self, values: &[&str]) -> Histogram {
        assert_eq!(self.kind, Kind::Histogram);
        metrics::histogram!(self.name, self.labels(values))
    }

    fn labels(&self, values: &[&str]) -> Vec<Label> {
        assert_eq!(
            self.labels.len(),
            values.len(),
            "{} has the labels {:?}",
            self.name,
            self.labels
        );
        self.labels
            .iter()
            .zip(values)
            .map(|(name, value)| Label::new(*name, (*value).to_owned()))
            .collect()
    }

    /// Registers the help text with the recorder.
    pub(super) fn describe(&self) {
        match self.kind {
            Kind::Counter => metrics::describe_counter!(self.name, self.unit, self.help),
            Kind::Gauge => metrics::describe_gauge!(self.name, self.unit, self.help),
            Kind::Histogram => metrics::describe_histogram!(self.name, self.unit, self.help),
        }
    }
}

/// Upper bounds of the histograms' buckets, in seconds: 1 ms to 10 s, about three for each power of ten.
pub const BUCKETS: [f64; 14] = [
    0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.06, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Declares the metrics, and [`ALL`] with all of them.
macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] in $unit:ident, $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: $name, kind: Kind::$kind, unit: Unit::$unit, labels: &[$($label),*], help: $help,
            };
        )+

        /// Every metric, in the order of the reference page.
        pub const ALL: &[&Metric] = &[$(&$constant),+];
    };
}

metrics! {
    RECORDS: Counter "riskstream_records_total" ["topic"] in Count,
        "Records read from input and repartition topics. After an abort some are read and counted again.";
    EVENTS: Counter "riskstream_events_total" [] in Count,
        "Events applied. An event is counted once in the ingest stage, if there is one, and in each stage that it goes to.";
    DECISIONS: Counter "riskstream_decisions_total" ["outcome"] in Count,
        "Decisions committed, by outcome: approve, review and decline, or the outcomes that the pipeline file lists.";
    DEGRADED: Counter "riskstream_degraded_decisions_total" [] in Count,
        "Decisions without a score of the model in force; a fallback may have scored them.";
    MODEL_SCORES: Counter "riskstream_model_scores_total" ["model", "result"] in Count,
        "Results of each model, one for each transaction: scored, failed, late, not_a_number, or circuit_open (not run).";
    RULE_HITS: Counter "riskstream_rule_hits_total" ["rule", "mode"] in Count,
        "Decisions on which a rule or threshold fired, by its name and whether it is active or a shadow, which decides nothing.";
    RULE_UNIQUE_HITS: Counter "riskstream_rule_unique_hits_total" ["rule", "mode"] in Count,
        "Those of them on which no other rule or threshold fired that decides: what the rule adds.";
    ROLLOUT: Gauge "riskstream_rollout_revision" ["topic", "partition"] in Count,
        "The revision of the roll-out that decides; 0 if the pipeline file does.";
    ROLLOUT_READY: Gauge "riskstream_rollout_ready_revision" [] in Count,
        "The revision of the newest roll-out that is compiled, checked and ready to decide.";
    ROLLOUTS_REJECTED: Counter "riskstream_rollouts_rejected_total" [] in Count,
        "Roll-outs that were refused. The log gives the reason.";
    LIST_ENTRIES: Gauge "riskstream_list_entries" ["list"] in Count,
        "Entries of a list, or rows of a table from a topic, in its newest version that this process has read. Those whose `until` has passed count until `riskstream lists expire` removes them.";
    LIST_BYTES: Gauge "riskstream_list_bytes" ["list"] in Bytes,
        "Memory of a list's or table's newest version. Older versions of a list that still decide share most of it.";
    LIST_READ_OFFSET: Gauge "riskstream_list_read_offset" ["list"] in Count,
        "The offset in a list's or table's topic up to which this process has read it.";
    LIST_OFFSET: Gauge "riskstream_list_offset" ["list", "topic", "partition"] in Count,
        "The offset in a list's or table's topic up to which the version reaches that decides in a partition.";
    LIST_READ: Gauge "riskstream_list_read_seconds" ["list"] in Seconds,
        "When this process last asked for records of a list or table without an error, once it had read all, in seconds since 1970. Its age is time() minus this.";
    LIST_UNUSABLE: Counter "riskstream_list_unusable_records_total" ["list"] in Count,
        "Records of a list's or table's topic that cannot be used and changed nothing. The log gives offset and reason.";
    DUPLICATES: Counter "riskstream_duplicate_decisions_total" [] in Count,
        "Decisions that were repeated because their transaction id was read again.";
    LATE: Counter "riskstream_late_decisions_total" [] in Count,
        "Decisions on transactions that came after one with a later event time, in their partition or to one of their entities.";
    REPEATED_ROWS: Counter "riskstream_repeated_rows_total" [] in Count,
        "Rows of repartition topics that were written twice, after a crash or a hand-over, and dropped the second time.";
    INEXACT: Counter "riskstream_inexact_events_total" [] in Count,
        "Transactions, labels and other events with a number that a feature aggregates and that is left out (NaN, infinite or too large) or rounded to 0.";
    TOO_LATE_LABELS: Counter "riskstream_too_late_labels_total" ["entity"] in Count,
        "Labels that came later than the entity's `lateness`, so that none of its features counts them. The log tells of the first of each entity and partition.";
    OTHER_EVENTS: Counter "riskstream_other_events_total" ["input", "entity", "result"] in Count,
        "Events of inputs of `kind: events`, by what became of them at an entity whose features use them: counted, duplicate (their id was seen within the entity's `dedupe`) or too_late (they came later than its `lateness`, and no feature counts them). The log tells of the first that is too late of each input, entity and partition.";
    TABLE_ROWS: Counter "riskstream_table_rows_total" ["input", "entity", "result"] in Count,
        "Rows of inputs of `kind: table`, deletions among them, by what became of them at their entity: in_time, late (a transaction from which on the row holds had been decided before it came; later ones see it) or superseded (it is older than the entity's `lateness`, and a newer row had taken its place by then). The log tells of the first late one of each input, entity and partition.";
    FILTERED: Counter "riskstream_filtered_records_total" [] in Count,
        "Input records that are no events: an input's `where:` does not hold, or a tombstone is ignored.";
    DOUBTFUL_TIMES: Counter "riskstream_doubtful_event_times_total" [] in Count,
        "Events with a time before the year 2000 on an input without `min_time:`: most likely numbers in another unit. The log names the first.";
    KEY_MISMATCHES: Counter "riskstream_key_mismatches_total" [] in Count,
        "Events of a topic that the first stage reads itself whose Kafka key is not the value of the input's `key:`. Features are then most likely wrong. The log names the first of each partition. With `on_key_mismatch: stop`, records before which a partition was stopped.";
    DEAD_LETTERS: Counter "riskstream_dead_letters_total" ["reason"] in Count,
        "Records written to the dead-letter topic, by reason code.";
    WRITTEN: Counter "riskstream_written_records_total" [] in Count,
        "Records written: decisions, dead letters and records of repartition topics. After an abort some are written and counted again.";
    LATENCY: Histogram "riskstream_decision_latency_seconds" [] in Seconds,
        "Time from the timestamp of the input record until the commit of its decision.";
    BATCH: Histogram "riskstream_batch_seconds" [] in Seconds,
        "Time to read a batch and compute its outputs.";
    COMMIT: Histogram "riskstream_commit_seconds" [] in Seconds,
        "Time until the rows for later stages are acknowledged, and outputs and positions are committed.";
    STATE_WRITE: Histogram "riskstream_state_write_seconds" [] in Seconds,
        "Time to write the state of a batch after its commit.";
    COMMITTED: Counter "riskstream_transactions_committed_total" [] in Count,
        "Commits of positions, with or without outputs.";
    ABORTED: Counter "riskstream_transactions_aborted_total" [] in Count,
        "Transactions aborted. Their batches were processed again.";
    LAG: Gauge "riskstream_lag_records" ["topic", "partition"] in Count,
        "Records in a partition of this process that were not read yet.";
    STREAM_TIME: Gauge "riskstream_stream_time_seconds" ["topic", "partition"] in Seconds,
        "Stream time: the largest event time of a transaction that a stage has applied, in seconds since 1970. Its age is time() minus this.";
    WAITING_FRAMES: Gauge "riskstream_waiting_frames" ["topic", "partition"] in Count,
        "Repartition frames that wait for the watermarks of slower sources, so that rows are applied in event-time order.";
    WAITING_LABELS: Gauge "riskstream_waiting_labels" ["topic", "partition"] in Count,
        "Labels that came before their transactions and wait for them in the state of the first stage.";
    STATE_BYTES: Gauge "riskstream_state_bytes" ["topic", "partition"] in Bytes,
        "Approximate size of a task's state on disk.";
    CHECKPOINTS: Counter "riskstream_checkpoints_total" ["result"] in Count,
        "Checkpoints of tasks' state: written, or failed. The log gives the reason; a checkpoint that failed is tried again.";
    CHECKPOINT_UPLOADED: Counter "riskstream_checkpoint_uploaded_bytes_total" [] in Bytes,
        "Bytes of checkpoints that were not in their store yet and were written to it.";
    CHECKPOINT_TIME: Gauge "riskstream_checkpoint_time_seconds" ["entity", "partition"] in Seconds,
        "Time of the newest checkpoint of a task that this process has written, in seconds since 1970. Its age is time() minus this. A state that does not change gets no further one.";
    CHECKPOINT_BYTES: Gauge "riskstream_checkpoint_bytes" ["entity", "partition"] in Bytes,
        "Size of the newest checkpoint of a task that this process has written.";
    RESTORATIONS: Counter "riskstream_restorations_total" ["result"] in Count,
        "Attempts to restore the state of a task from a checkpoint: restored, none (no checkpoint can be used), or failed.";
    STANDBY_LAG: Gauge "riskstream_standby_lag_records" ["topic", "partition"] in Count,
        "Records before the group's committed position that a standby copy in this process lacks. There is one for each copy that it keeps.";
    CACHED_ENTITIES: Gauge "riskstream_cached_entities" ["topic", "partition"] in Count,
        "Entities that a task keeps decoded in memory.";
    CACHED_BYTES: Gauge "riskstream_cached_bytes" ["topic", "partition"] in Bytes,
        "Memory of the entities that a task keeps decoded.";
    PARTITIONS: Gauge "riskstream_partitions" ["worker"] in Count,
        "Partitions that a worker reads.";
    STOPPED: Gauge "riskstream_stopped_partitions" ["worker", "code"] in Count,
        "Partitions of a worker that it does not read, by the [code](errors.md) of the reason. /readyz gives the reason.";
    WAITING_PARTITIONS: Gauge "riskstream_waiting_partitions" ["worker"] in Count,
        "Partitions whose next record waits for the schema registry, for a roll-out or for a state that is being restored.";
    REBALANCES: Counter "riskstream_rebalances_total" [] in Count,
        "Rounds in which partitions were assigned or revoked.";
    ERRORS: Counter "riskstream_errors_total" ["kind"] in Count,
        "Errors by kind: kafka_unavailable, fenced, state, registry, task.";
    RESIDENT_BYTES: Gauge "process_resident_memory_bytes" [] in Bytes,
        "Resident memory of the process.";
    CPU_SECONDS: Counter "process_cpu_seconds_total" [] in Seconds,
        "User and system CPU time of the process, in whole seconds.";
    START_TIME: Gauge "process_start_time_seconds" [] in Seconds,
        "Start time of the process, in seconds since 1970.";
    BUILD: Gauge "riskstream_build_info" ["version", "pipeline", "pipeline_version"] in Count,
        "Always 1. The labels hold the build and the pipeline that it runs.";
}

/// The reference page, docs/metrics.md.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    for metric in ALL {
        let labels = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect::<Vec<_>>()
            .join(", ");
        let kind = format!("{:?}", metric.kind).to_lowercase();
        page.push_str(&format!(
            "| `{}` | {kind} | {labels} | {} |\n",
            metric.name, metric.help
        ));
    }
    let buckets = BUCKETS.map(|bound| bound.to_string()).join(", ");
    page.push_str(&format!(
        "\nThe upper bounds of the histograms' buckets, in seconds: {buckets}.\n"
    ));
    page.push_str("\n## Reason codes of dead letters\n\n| reason | meaning |\n| --- | --- |\n");
    for code in riskstream_events::ReasonCode::ALL {
        page.push_str(&format!("| `{code}` | {} |\n", code.meaning()));
    }
    page
}

const HEAD: &str = "# Metrics

`riskstream run` serves its metrics for Prometheus at `http://127.0.0.1:9464/metrics` (`--http` and `http.listen` change
the address). This is the complete set. How to use them: [operations.md](operations.md).

This page is generated from the table in crates/riskstream/src/telemetry/metrics.rs by `RISKSTREAM_WRITE_DOCS=1 cargo test
--release -p riskstream --lib`.

| name | type | labels | meaning |
| --- | --- | --- | --- |
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_distinct_and_have_the_suffix_of_their_type() {
        let names: HashSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.kind == Kind::Counter,
                "{}",
                metric.name
            );
            assert!(metric.help.ends_with('.'), "{}", metric.name);
            if metric.kind == Kind::Histogram {
                assert!(metric.name.ends_with("_seconds"), "{}", metric.name);
            }
        }
    }

    #[test]
    fn the_reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        if std::env::var_os("RISKSTREAM_WRITE_DOCS").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == reference(),
            "docs/metrics.md is not current: write it with RISKSTREAM_WRITE_DOCS=1"
        );
    }
}
