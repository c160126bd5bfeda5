//! Gauges of partitions. An owner replaces all of its own at once, so those of a partition that moved to another process are gone
//! with the next scrape. The recorder's own gauges cannot be taken back.

use super::metrics::{ALL, Kind, Metric};
use metrics_exporter_prometheus::formatting::sanitize_label_value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

/// What each owner has set, as the recorder of the process is one for all, too.
static OWNED: Mutex<BTreeMap<String, Vec<Sample>>> = Mutex::new(BTreeMap::new());

struct Sample {
    name: &'static str,
    labels: String,
    value: f64,
}

/// The gauges of one owner.
pub struct PartitionGauges {
    owner: String,
    samples: Vec<Sample>,
}

impl PartitionGauges {
    /// None yet. `owner` is a worker, or a thread.
    pub fn of(owner: &str) -> PartitionGauges {
        PartitionGauges {
            owner: owner.to_owned(),
            samples: Vec::new(),
        }
    }

    /// Sets a gauge; `values` are those of its labels, in the table's order.
    pub fn set(&mut self, metric: &'static Metric, values: &[&str], value: f64) {
        assert!(metric.is_of_partition(), "{} is no gauge of a partition", metric.name);
        assert_eq!(metric.labels.len(), values.len(), "{}", metric.name);
        let labels = metric.labels.iter().zip(values);
        let labels: Vec<String> = labels
            .map(|(name, value)| format!("{name}=\"{}\"", sanitize_label_value(value)))
            .collect();
        self.samples.push(Sample {
            name: metric.name,
            labels: labels.join(","),
            value,
        });
    }

    /// Replaces what the owner has published before.
    pub fn publish(self) {
        let mut owned = OWNED.lock().unwrap_or_else(PoisonError::into_inner);
        owned.insert(self.owner, self.samples);
    }
}

/// Adds all gauges to `text`, in Prometheus' text format.
pub(super) fn render(text: &mut String) {
    let owned = OWNED.lock().unwrap_or_else(PoisonError::into_inner);
    for metric in ALL.iter().filter(|metric| metric.is_of_partition()) {
        // While a partition moves from one worker to another, both may have it.
        let samples = owned.values().flatten().filter(|sample| sample.name == metric.name);
        let samples: BTreeMap<&str, f64> = samples.map(|sample| (sample.labels.as_str(), sample.value)).collect();
        if !samples.is_empty() {
            let _ = write!(text, "# HELP {0} {1}\n# TYPE {0} gauge\n", metric.name, metric.help);
        }
        for (labels, value) in samples {
            let _ = writeln!(text, "{}{{{labels}}} {value}", metric.name);
        }
    }
}

impl Metric {
    /// Whether it is a gauge of a partition, which is set with [`PartitionGauges`].
    pub(super) fn is_of_partition(&self) -> bool {
        self.kind == Kind::Gauge && self.labels.contains(&"partition")
    }
}

#[cfg(test)]
mod tests {
    use super::super::metrics::{LAG, STREAM_TIME};
    use super::*;

    fn lines(part: &str) -> Vec<String> {
        let mut text = String::new();
        render(&mut text);
        let lines = text.lines().filter(|line| line.contains(part));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn an_owner_replaces_what_it_has_set() {
        let mut first = PartitionGauges::of("test worker 0");
        first.set(&LAG, &["gauges", "0"], 17.0);
        first.set(&LAG, &["gauges", "1"], 2.0);
        first.set(&STREAM_TIME, &["gauges", "0"], 1_700_000_000.25);
        first.publish();
        let mut second = PartitionGauges::of("test worker 1");
        second.set(&LAG, &["gau\"ges", "2"], 5.0);
        second.set(&LAG, &["gauges", "1"], 2.0);
        second.publish();
        assert_eq!(
            lines("topic=\"gau"),
            [
                "riskstream_lag_records{topic=\"gau\\\"ges\",partition=\"2\"} 5",
                "riskstream_lag_records{topic=\"gauges\",partition=\"0\"} 17",
                "riskstream_lag_records{topic=\"gauges\",partition=\"1\"} 2",
                "riskstream_stream_time_seconds{topic=\"gauges\",partition=\"0\"} 1700000000.25",
            ]
        );
        assert_eq!(lines("# TYPE riskstream_lag_records gauge").len(), 1);
        let mut first = PartitionGauges::of("test worker 0");
        first.set(&LAG, &["gauges", "1"], 3.0);
        first.publish();
        second = PartitionGauges::of("test worker 1");
        second.publish();
        assert_eq!(
            lines("\"gauges\""),
            ["riskstream_lag_records{topic=\"gauges\",partition=\"1\"} 3"]
        );
        PartitionGauges::of("test worker 0").publish();
        assert_eq!(lines("\"gauges\""), Vec::<String>::new());
    }
}
