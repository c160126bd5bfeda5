//! Tests of the log with a real broker. They need KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`), and fail without it.
//! Every test has topics and groups of its own.

mod assignor;
mod groups;
mod harness;
mod kills;
mod metadata;
mod reading;
mod relay;
mod topics;
mod transactions;
