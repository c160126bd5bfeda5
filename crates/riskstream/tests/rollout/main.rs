//! Roll-outs on a real Kafka, with the commands and the binary as a process.
//!
//! Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

mod models;
mod rules;
#[path = "../support/mod.rs"]
mod support;
