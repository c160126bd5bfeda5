//! The task without a broker: batches, order of commit, replay, dead letters, alignment.
//! Knows a log only by the trait [`log::Log`]; nothing of rdkafka or configuration files.
#![forbid(unsafe_code)]

pub mod log;
pub mod topology;
