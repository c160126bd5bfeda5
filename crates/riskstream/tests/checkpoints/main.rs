//! Checkpoints: states that are lost are restored from them, in this process and by the service on a real Kafka.
//!
//! Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

mod build;
mod commands;
mod machine;
mod restored;
mod service;
#[path = "../support/mod.rs"]
mod support;
