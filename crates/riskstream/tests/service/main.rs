//! `riskstream run`, `riskstream topics` and `riskstream models` as processes.
//!
//! The tests in kafka.rs, labels.rs, rotation.rs and rules_report.rs need KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`), those in registry.rs need
//! RISKSTREAM_TEST_REGISTRY (`scripts/registry start`).

#[path = "../support/mod.rs"]
mod support;

mod backtest;
mod conversions;
mod files;
mod formats;
mod help;
mod kafka;
mod labels;
mod models;
mod over_files;
mod refusals;
mod registry;
mod rotation;
mod rules_report;
