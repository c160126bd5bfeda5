//! The outcome of a verification in Prometheus' text format.

use riskstream_offline::replay::ReplayReport;
use std::fmt::Write as _;

/// A family of metrics: gauges, as each run writes the file anew.
struct Family<'o> {
    out: &'o mut String,
    name: &'static str,
}

impl Family<'_> {
    fn new<'o>(out: &'o mut String, name: &'static str, help: &str) -> Family<'o> {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
        Family { out, name }
    }

    fn value(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
        let labels = labels.collect::<Vec<_>>().join(",");
        let _ = writeln!(self.out, "{}{{{labels}}} {value}", self.name);
    }
}

/// The metrics. `now`: microseconds since the epoch.
pub(super) fn metrics(report: &ReplayReport, pipeline: &str, now: i64) -> String {
    let mut out = String::new();
    let pipeline = ("pipeline", pipeline);
    let decisions = &report.outcome.decisions;
    let help = "Decisions of the period that were made again, by whether they were equal";
    let mut family = Family::new(&mut out, "riskstream_verify_decisions", help);
    for (result, count) in [("equal", decisions.equal), ("different", decisions.different)] {
        family.value(&[pipeline, ("result", result)], count);
    }
    let help = "Decisions and rows of the period that were not compared";
    let not_compared: u64 = report.outcome.not_compared.values().sum();
    Family::new(&mut out, "riskstream_verify_not_compared", help).value(&[pipeline], not_compared);
    let help = "Differences in features, other fields of decisions, and rows between stages";
    let differences = report.outcome.differences.count;
    Family::new(&mut out, "riskstream_verify_differences", help).value(&[pipeline], differences);
    let help = "Transactions of the period whose value of a feature was compared, by whether it was equal";
    let mut family = Family::new(&mut out, "riskstream_verify_feature_values", help);
    for check in &report.features {
        for (result, count) in [("equal", check.equal), ("different", check.different)] {
            family.value(&[pipeline, ("feature", &check.feature), ("result", result)], count);
        }
    }
    let help = "The largest difference between a recorded and a recomputed value of a feature";
    let mut family = Family::new(&mut out, "riskstream_verify_feature_largest_difference", help);
    for check in &report.features {
        family.value(&[pipeline, ("feature", &check.feature)], check.largest.unwrap_or(0.0));
    }
    let help = "When the last verification that came to its end ended, in seconds since the epoch";
    Family::new(&mut out, "riskstream_verify_completed_timestamp_seconds", help).value(&[pipeline], now / 1_000_000);
    out
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut out = String::new();
        Family::new(&mut out, "m", "What it is").value(&[("feature", "a\"b\\c\nd")], 1);
        assert_eq!(
            out,
            "# HELP m What it is\n# TYPE m gauge\nm{feature=\"a\\\"b\\\\c\\nd\"} 1\n"
        );
    }
}
