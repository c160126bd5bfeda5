//! Roll-outs: who decides on what, who only watches, who steps in; on the in-process log and on a real Kafka.
//!
//! The tests in kafka.rs need KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

#[path = "../support/mod.rs"]
mod support;

mod circuit;
mod kafka;
mod memory;
mod refusals;
mod shadows;
mod shop;
