//! Tests of the log on a real broker, which `scripts/kafka start` starts. Without a broker these tests fail; they are
//! never skipped. Every test has its own topics and groups.

mod groups;
mod harness;
mod kills;
mod reading;
mod topics;
mod transactions;
