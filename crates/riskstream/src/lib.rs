//! riskstream, the binary's parts: command line, configuration, wiring. Nothing else depends on it.
#![forbid(unsafe_code)]

pub mod commands;
pub mod demo;
pub mod interrupt;
pub mod pipeline_file;
pub mod registry;
pub mod rollout;
pub mod secret;
pub mod service;
pub mod telemetry;
pub mod topics;
