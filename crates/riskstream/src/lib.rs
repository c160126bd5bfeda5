//! riskstream, the binary's parts: command line, configuration, wiring. Nothing else depends on it.
#![forbid(unsafe_code)]

pub mod commands;
pub mod demo;
pub mod interrupt;
pub mod pipeline_file;
#[cfg(feature = "kafka")]
pub mod registry;
#[cfg(feature = "kafka")]
pub mod rollout;
pub mod secret;
#[cfg(feature = "kafka")]
pub mod service;
pub mod simulated;
#[cfg(feature = "kafka")]
pub mod telemetry;
#[cfg(feature = "kafka")]
pub mod topics;
