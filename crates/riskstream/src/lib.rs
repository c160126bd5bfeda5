//! The riskstream binary: command line, environment, network and threads around the other crates. No crate depends
//! on it.
#![forbid(unsafe_code)]

pub mod clock;
pub mod commands;
pub mod connections;
pub mod pipeline_file;
pub mod registry;
pub mod required_topics;
pub mod rollout;
pub mod secret;
pub mod service;
pub mod shutdown;
pub mod simulated;
pub mod telemetry;
