//! What the tests on a real Kafka share: topics of their own, the binary as child processes, an independent client
//! that writes inputs and reads what was committed. KAFKA_BOOTSTRAP_SERVERS says where Kafka is.

// Each test binary uses its part.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

pub mod kafka;
pub mod process;
pub mod trial;

/// The schema registry's address.
///
/// # Panics
/// RISKSTREAM_TEST_REGISTRY does not say.
pub fn registry() -> String {
    std::env::var("RISKSTREAM_TEST_REGISTRY")
        .expect("this test needs a schema registry: export RISKSTREAM_TEST_REGISTRY=$(scripts/registry start)")
}

/// The checkout.
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
