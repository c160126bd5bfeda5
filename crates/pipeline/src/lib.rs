//! The task without a broker: batches, order of commit, replay, dead letters, merging of sources.
//! Knows a log only by the trait [`log::Log`]; nothing of rdkafka or configuration files.
#![forbid(unsafe_code)]

mod assignment;
mod circuits;
mod clock;
pub mod context;
pub mod dead_letters;
pub mod decide;
pub mod decision_sink;
pub mod driver;
mod error;
pub mod faulty;
pub mod frame_set;
pub mod identity;
pub mod input_source;
pub mod journal;
mod key_rule;
mod label_record;
pub mod liveness;
pub mod log;
pub mod memory;
pub mod merge;
pub mod model_tally;
mod partition_reader;
pub mod partitioner;
mod phases;
pub mod progress;
pub mod repartition;
pub mod repartition_source;
pub mod repartition_writer;
pub mod rollout;
pub mod round;
pub mod sink;
pub mod source;
pub mod source_queue;
pub mod sources;
pub mod stage_state;
mod stores;
pub mod taken;
pub mod tally;
pub mod task;
pub mod topology;
mod waiting_labels;
pub mod worker;

pub use clock::Clock;
pub use driver::TestDriver;
pub use error::{PartitionError, TaskError, WorkerError};
pub use key_rule::{KeyRule, OnKeyMismatch};
pub use phases::CatchUpSignal;
pub use rollout::{NoRollouts, Rollouts};
pub use stage_state::{Applied, StageState, WaitedLabel};
pub use stores::Stores;
pub use tally::Tally;
pub use task::Task;
pub use topology::{DecisionFormat, InputTopic, Topology, WorkerRole};
pub use worker::{Worker, WorkerOptions};
