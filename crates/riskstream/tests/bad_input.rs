//! Bad input of every kind, with the binary and a real Kafka. Each bad record gives a dead letter with its reason or a
//! decision with its flag, and leaves the other records undisturbed. Also failures of the registry, the broker, the
//! model file and the disk.
//!
//! Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`) and RISKSTREAM_TEST_REGISTRY (`scripts/registry start`).

mod support;

#[path = "bad_input/avro.rs"]
mod avro;
#[path = "bad_input/broker.rs"]
mod broker;
#[path = "bad_input/disk.rs"]
mod disk;
#[path = "bad_input/json.rs"]
mod json;
#[path = "bad_input/keys.rs"]
mod keys;
#[path = "bad_input/model.rs"]
mod model;
#[path = "bad_input/registry.rs"]
mod registry;
#[path = "bad_input/relay.rs"]
mod relay;
#[path = "bad_input/stopped.rs"]
mod stopped;
