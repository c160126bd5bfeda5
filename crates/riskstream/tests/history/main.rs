//! Recordings of a real Kafka, and replays of them: a service with late and doubled events, a roll-out, changes of a list and
//! kills, recorded while it runs and afterwards.
//!
//! Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

mod decision;
mod record;
mod replay;
mod shop;
#[path = "../support/mod.rs"]
mod support;
mod verify;
