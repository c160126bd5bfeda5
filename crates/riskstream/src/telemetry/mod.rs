//! What the service tells about itself: logs and metrics.

pub mod logs;
pub mod metrics;
mod process;
mod recorder;
mod worker;

pub use recorder::Recorder;
pub use worker::WorkerMetrics;
