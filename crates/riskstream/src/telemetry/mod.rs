//! Logs and metrics of the service.

pub mod logs;
pub mod metrics;
mod partition_gauges;
mod process;
mod recorder;
mod worker;

pub use partition_gauges::PartitionGauges;
pub use recorder::MetricsRecorder;
pub use worker::{WorkerMetrics, create_rule_counters};
