//! The closed set of metrics: one table, from which docs/metrics.md is made.

use metrics::{Counter, Gauge, Histogram, Label, Unit};

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it counts or measures in.
    pub unit: Unit,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says.
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

    /// Tells the recorder what the metric says.
    pub(super) fn describe(&self) {
        match self.kind {
            Kind::Counter => metrics::describe_counter!(self.name, self.unit, self.help),
            Kind::Gauge => metrics::describe_gauge!(self.name, self.unit, self.help),
            Kind::Histogram => metrics::describe_histogram!(self.name, self.unit, self.help),
        }
    }
}

/// Upper bounds of the histograms' buckets, in seconds: 1 ms to 10 s, about three to a factor of ten.
pub const BUCKETS: [f64; 14] = [
    0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.06, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Declares the metrics and [`ALL`], so that none is left out of it.
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
        "Records taken in from input and repartition topics, and committed.";
    EVENTS: Counter "riskstream_events_total" [] in Count,
        "Events applied: an event counts once in each stage that it passes.";
    DECISIONS: Counter "riskstream_decisions_total" ["outcome"] in Count,
        "Decisions committed, by outcome: approve, review, decline.";
    DEGRADED: Counter "riskstream_degraded_decisions_total" [] in Count,
        "Decisions made without the score of the model that was to decide; a fallback may have scored them.";
    MODEL_SCORES: Counter "riskstream_model_scores_total" ["model", "result"] in Count,
        "What each model did, by transaction: scored, failed, late, not_a_number, or circuit_open (not asked).";
    ROLLOUT: Gauge "riskstream_rollout_revision" ["topic", "partition"] in Count,
        "The revision of the roll-out whose models decide; 0 for the pipeline file's own.";
    ROLLOUT_READY: Gauge "riskstream_rollout_ready_revision" [] in Count,
        "The revision of the newest roll-out whose models are loaded and checked.";
    ROLLOUTS_REJECTED: Counter "riskstream_rollouts_rejected_total" [] in Count,
        "Roll-outs that were refused; the log says why.";
    DUPLICATES: Counter "riskstream_duplicate_decisions_total" [] in Count,
        "Decisions sent again because their transaction id came again.";
    LATE: Counter "riskstream_late_decisions_total" [] in Count,
        "Decisions of transactions that came after one with a later event time.";
    DEAD_LETTERS: Counter "riskstream_dead_letters_total" ["reason"] in Count,
        "Records sent to the dead-letter topic, by reason code.";
    WRITTEN: Counter "riskstream_written_records_total" [] in Count,
        "Records written and committed: decisions, dead letters and repartition frames.";
    LATENCY: Histogram "riskstream_decision_latency_seconds" [] in Seconds,
        "From the input record's timestamp in Kafka until its decision was committed.";
    BATCH: Histogram "riskstream_batch_seconds" [] in Seconds,
        "Time to take in a batch and compute its outputs.";
    COMMIT: Histogram "riskstream_commit_seconds" [] in Seconds,
        "Time to write a batch's outputs and positions and commit the transaction.";
    STATE_WRITE: Histogram "riskstream_state_write_seconds" [] in Seconds,
        "Time to write a batch's state after its commit.";
    COMMITTED: Counter "riskstream_transactions_committed_total" [] in Count,
        "Transactions committed; with at_least_once, batches.";
    ABORTED: Counter "riskstream_transactions_aborted_total" [] in Count,
        "Transactions aborted; their batches were taken again.";
    LAG: Gauge "riskstream_lag_records" ["topic", "partition"] in Count,
        "Records known to wait in a partition that this process reads.";
    STREAM_TIME: Gauge "riskstream_stream_time_seconds" ["topic", "partition"] in Seconds,
        "The largest event time that a stage has applied, in seconds since 1970. Its age: time() - this.";
    WAITING_FRAMES: Gauge "riskstream_waiting_frames" ["topic", "partition"] in Count,
        "Repartition frames that wait for slower sources, so that rows are applied in event-time order.";
    STATE_BYTES: Gauge "riskstream_state_bytes" ["topic", "partition"] in Bytes,
        "Size of a task's state on disk, about.";
    CACHED_ENTITIES: Gauge "riskstream_cached_entities" ["topic", "partition"] in Count,
        "Entities that a task holds decoded in memory.";
    CACHED_BYTES: Gauge "riskstream_cached_bytes" ["topic", "partition"] in Bytes,
        "Memory of the entities that a task holds decoded.";
    PARTITIONS: Gauge "riskstream_partitions" ["worker"] in Count,
        "Partitions that a worker reads.";
    STOPPED: Gauge "riskstream_stopped_partitions" ["worker"] in Count,
        "Partitions that a worker was given and cannot read on; /readyz says why.";
    WAITING_PARTITIONS: Gauge "riskstream_waiting_partitions" ["worker"] in Count,
        "Partitions whose next record waits for the schema registry, or for the models of a roll-out.";
    REBALANCES: Counter "riskstream_rebalances_total" [] in Count,
        "Rounds in which partitions were assigned, revoked or lost.";
    ERRORS: Counter "riskstream_errors_total" ["kind"] in Count,
        "Errors by kind: kafka_unavailable, fenced, registry, task.";
    RESIDENT_BYTES: Gauge "process_resident_memory_bytes" [] in Bytes,
        "Resident memory of the process.";
    CPU_SECONDS: Counter "process_cpu_seconds_total" [] in Seconds,
        "User and system CPU time of the process, in whole seconds.";
    START_TIME: Gauge "process_start_time_seconds" [] in Seconds,
        "When the process began, in seconds since 1970.";
    BUILD: Gauge "riskstream_build_info" ["version", "pipeline", "pipeline_version"] in Count,
        "1; the labels say which build runs which pipeline.";
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
the address). This is the whole set. What it means for operation: [operations.md](operations.md).

The page is made from the table in crates/riskstream/src/telemetry/metrics.rs; `RISKSTREAM_WRITE_DOCS=1 cargo test --release
-p riskstream` writes it anew.

| name | type | labels | meaning |
| --- | --- | --- | --- |
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_distinct_and_say_their_kind() {
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
