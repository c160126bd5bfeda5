//! `riskstream run`, `riskstream topics` and `riskstream models` as processes. With Kafka: KAFKA_BOOTSTRAP_SERVERS says where
//! (`scripts/kafka start` prints it). With a registry: RISKSTREAM_TEST_REGISTRY says where (`scripts/registry start`).

mod help;
mod kafka;
mod models;
mod process;
mod refusals;
mod registry;
