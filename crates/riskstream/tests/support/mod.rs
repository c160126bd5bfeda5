//! What the tests on a real Kafka share: topics of their own, the binary as child processes, an independent client
//! that writes inputs and reads what was committed. KAFKA_BOOTSTRAP_SERVERS says where Kafka is.

// Each test binary uses its part.
#![allow(dead_code)]

pub mod kafka;
pub mod process;

/// A name that no other test run uses.
pub fn unique(name: &str) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    format!("{name}-{}-{}", std::process::id(), now.as_micros())
}
