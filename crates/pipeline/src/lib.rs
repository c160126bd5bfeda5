//! The task without a broker: batches, order of commit, replay, dead letters, merging of sources.
//! Knows a log only by the trait [`log::Log`]; nothing of rdkafka or configuration files.
#![forbid(unsafe_code)]

mod assignment;
mod circuits;
pub mod dead_letters;
pub mod decide;
pub mod driver;
pub mod faulty;
mod idleness;
pub mod journal;
pub mod liveness;
pub mod log;
pub mod memory;
pub mod merge;
pub mod model_tally;
pub mod partitioner;
pub mod reader;
mod reading;
pub mod repartition;
pub mod repartition_writer;
pub mod rollout;
pub mod round;
pub mod stage;
pub mod task;
pub mod topology;
pub mod worker;

pub use driver::TestDriver;
pub use rollout::{NoRollouts, Rollouts};
pub use topology::{DecisionFormat, InputTopic, Topology};
pub use worker::{Worker, WorkerError, WorkerOptions};
