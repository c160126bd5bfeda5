//! The log against a real broker: `scripts/kafka start` gives one. Without it these tests fail; they
//! never skip. Every test has topics and groups of its own.

mod groups;
mod harness;
mod kills;
mod reading;
mod topics;
mod transactions;
