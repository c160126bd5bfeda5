//! The reference: the features and scores that the Fraud Detection Handbook's data are published with, through files
//! and through a real Kafka.
//!
//! The data lie outside the checkout, under `RISKSTREAM_REFERENCE_DATA` or `../shared/data`; `scripts/reference` runs
//! these tests and says so if they are absent. RISKSTREAM_REFERENCE_FULL=1: all rows instead of the slice.

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod data;
mod files;
mod kafka;
mod recomputation;
