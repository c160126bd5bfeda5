//! The riskstream binary: command line, environment, network and threads around the other crates. No crate depends
//! on it.
#![forbid(unsafe_code)]

pub mod clock;
pub mod commands;
#[cfg(feature = "kafka")]
pub mod connections;
#[cfg(feature = "kafka")]
pub mod lists;
#[cfg(any(feature = "backfill", feature = "kafka"))]
mod open_state;
pub mod pipeline_file;
#[cfg(feature = "kafka")]
pub mod registry;
#[cfg(feature = "kafka")]
pub mod required_topics;
#[cfg(feature = "kafka")]
pub mod rollout;
pub mod secret;
#[cfg(feature = "kafka")]
pub mod service;
pub mod shutdown;
pub mod simulated;
#[cfg(feature = "kafka")]
pub mod telemetry;
