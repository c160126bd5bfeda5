//! `riskstream run` and `riskstream topics` as processes. With Kafka: KAFKA_BOOTSTRAP_SERVERS says where
//! (`scripts/kafka start` prints it). With a registry: RISKSTREAM_TEST_REGISTRY says where (`scripts/registry start`).

mod help;
mod kafka;
mod process;
mod refusals;
mod registry;
