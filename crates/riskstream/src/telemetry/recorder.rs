//! Where metrics go until Prometheus asks for them.

use super::{metrics, process};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_util::MetricKindMask;
use std::time::Duration;

/// A gauge that nobody has set for this long is gone: its partition belongs to another process now.
const GAUGE_TIMEOUT: Duration = Duration::from_secs(15);

/// The pipeline as metrics name it.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// Its name.
    pub pipeline: String,
    /// Its version.
    pub version: String,
}

/// Renders the metrics of this process. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    handle: PrometheusHandle,
    labels: Labels,
}

impl Recorder {
    /// Begins to record for the whole process; once in a process.
    ///
    /// # Errors
    /// Something records already.
    pub fn install(pipeline: &str, version: &str) -> Result<Recorder, anyhow::Error> {
        let recorder = build()?;
        let handle = recorder.handle();
        ::metrics::set_global_recorder(recorder)?;
        let labels = Labels {
            pipeline: pipeline.to_owned(),
            version: version.to_owned(),
        };
        metrics::ALL.iter().for_each(|metric| metric.describe());
        Ok(Recorder { handle, labels })
    }

    /// The metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        let labels = [env!("CARGO_PKG_VERSION"), &self.labels.pipeline, &self.labels.version];
        metrics::BUILD.gauge(&labels).set(1.0);
        process::publish();
        self.handle.render()
    }

    /// Puts observations into their buckets. To be called every few seconds, or they pile up unless somebody asks.
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }
}

fn build() -> Result<PrometheusRecorder, BuildError> {
    let mut builder = PrometheusBuilder::new().idle_timeout(MetricKindMask::GAUGE, Some(GAUGE_TIMEOUT));
    for metric in metrics::ALL
        .iter()
        .filter(|metric| metric.kind == metrics::Kind::Histogram)
    {
        builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), &metrics::BUCKETS)?;
    }
    Ok(builder.build_recorder())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_rendered() {
        let recorder = build().unwrap();
        let handle = recorder.handle();
        ::metrics::with_local_recorder(&recorder, || {
            metrics::ALL.iter().for_each(|metric| metric.describe());
            metrics::DECISIONS.counter(&["decline"]).increment(3);
            metrics::COMMIT.histogram(&[]).record(0.004);
            metrics::LAG.gauge(&["transactions", "2"]).set(17.0);
            process::publish();
        });
        let text = handle.render();
        for line in [
            "# HELP riskstream_decisions_total Decisions committed, by outcome: approve, review, decline.",
            "# TYPE riskstream_decisions_total counter",
            "riskstream_decisions_total{outcome=\"decline\"} 3",
            "riskstream_commit_seconds_bucket{le=\"0.003\"} 0",
            "riskstream_commit_seconds_bucket{le=\"0.005\"} 1",
            "riskstream_commit_seconds_bucket{le=\"10\"} 1",
            "riskstream_lag_records{topic=\"transactions\",partition=\"2\"} 17",
        ] {
            assert!(
                text.lines().any(|rendered| rendered == line),
                "no line {line} in\n{text}"
            );
        }
        assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
    }
}
