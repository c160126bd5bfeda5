//! Logs and metrics of the service.

pub mod logs;
pub mod metrics;
mod process;
mod recorder;
mod worker;

pub use recorder::Recorder;
pub use worker::WorkerMetrics;
