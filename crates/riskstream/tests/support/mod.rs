//! Shared by the tests that run the binary: the binary as a child process, an independent Kafka client that writes
//! inputs and reads committed records, and a pipeline with topics of its own. The environment variable
//! KAFKA_BOOTSTRAP_SERVERS holds Kafka's address.

// Each test binary uses a part of it.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};

pub mod acls;
pub mod broker;
pub mod kafka;
pub mod process;
pub mod shop;
pub mod trial;

/// The schema registry's address.
///
/// # Panics
/// RISKSTREAM_TEST_REGISTRY is not set.
pub fn registry() -> String {
    std::env::var("RISKSTREAM_TEST_REGISTRY")
        .expect("this test needs a schema registry: export RISKSTREAM_TEST_REGISTRY=$(scripts/registry start)")
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// A name that no other test run uses.
pub fn unique(name: &str) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    format!("{name}-{}-{}", std::process::id(), now.as_micros())
}
