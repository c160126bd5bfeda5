//! The recorder of metrics, and their text for Prometheus.

use super::metrics;
use super::partition_gauges;
use super::process;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use std::sync::Arc;

/// Records and renders the metrics of this process. Cheap to clone.
#[derive(Clone)]
pub struct MetricsRecorder {
    handle: PrometheusHandle,
    /// The labels of `riskstream_build_info`.
    build: Arc<[String; 3]>,
}

impl MetricsRecorder {
    /// Installs the recorder of the process. `pipeline` and `version` are those of the pipeline.
    ///
    /// # Errors
    /// A recorder is installed already.
    pub fn install(pipeline: &str, version: &str) -> Result<MetricsRecorder, anyhow::Error> {
        process::start_time();
        let recorder = build()?;
        let handle = recorder.handle();
        ::metrics::set_global_recorder(recorder)?;
        metrics::ALL.iter().for_each(|metric| metric.describe());
        let build = [env!("CARGO_PKG_VERSION"), pipeline, version].map(str::to_owned);
        Ok(MetricsRecorder {
            handle,
            build: Arc::new(build),
        })
    }

    /// The metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        let labels = self.build.each_ref().map(String::as_str);
        metrics::BUILD.gauge(&labels).set(1.0);
        process::publish();
        let mut text = self.handle.render();
        partition_gauges::render(&mut text);
        text
    }

    /// Moves observations into their buckets. Must be called every few seconds: they accumulate in memory between calls
    /// of this or of [`MetricsRecorder::render`].
    pub fn keep_up(&self) {
        self.handle.run_upkeep();
    }
}

fn build() -> Result<PrometheusRecorder, BuildError> {
    let mut builder = PrometheusBuilder::new();
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
    fn recorded_metrics_are_rendered() {
        let recorder = build().unwrap();
        let handle = recorder.handle();
        ::metrics::with_local_recorder(&recorder, || {
            metrics::ALL.iter().for_each(|metric| metric.describe());
            metrics::DECISIONS.counter(&["decline"]).increment(3);
            metrics::COMMIT.histogram(&[]).record(0.004);
            metrics::ROLLOUT_READY.gauge(&[]).set(17.0);
            process::publish();
        });
        let text = handle.render();
        for line in [
            "# HELP riskstream_decisions_total Decisions committed, by outcome: approve, review and decline, or the outcomes that the pipeline file lists.",
            "# TYPE riskstream_decisions_total counter",
            "riskstream_decisions_total{outcome=\"decline\"} 3",
            "riskstream_commit_seconds_bucket{le=\"0.003\"} 0",
            "riskstream_commit_seconds_bucket{le=\"0.005\"} 1",
            "riskstream_commit_seconds_bucket{le=\"10\"} 1",
            "riskstream_rollout_ready_revision 17",
        ] {
            assert!(
                text.lines().any(|rendered| rendered == line),
                "no line {line} in\n{text}"
            );
        }
        assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
    }
}
