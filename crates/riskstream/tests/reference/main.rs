//! The reference: the published features and scores of the Fraud Detection Handbook's data, computed from files and
//! through a real Kafka.
//!
//! The data are not part of the repository. They are read from RISKSTREAM_REFERENCE_DATA or `../shared/data`.
//! `scripts/reference` runs these tests, and reports if the data are missing. With RISKSTREAM_REFERENCE_FULL=1 the tests
//! use all rows instead of a slice.

#[path = "../support/mod.rs"]
mod support;

mod comparison;
mod data;
mod files;
mod kafka;
mod recomputation;
