//! The pipeline's log on Apache Kafka: consumer groups, transactions, topics. The only user of rdkafka.
//!
//! [`KafkaLog`] is one member of a consumer group with one transactional producer; a worker thread owns
//! it. It sees bytes, never events or decisions. [`topics`] describes and creates topics, [`TopicScan`] reads one once,
//! [`TopicTail`] follows one.
//! [`TransactionWatch`] lets another thread see how long a call to the broker has been running.
#![deny(unsafe_code)]

mod connection;
mod consumer;
mod failure;
mod log;
mod native;
mod options;
mod positions;
mod producer;
mod quiet;
mod reader;
mod scan;
mod signal;
mod simple_producer;
mod tail;
pub mod topics;
mod watch;

pub use log::KafkaLog;
pub use options::{Delivery, KafkaOptions};
pub use scan::{Scanned, TopicScan};
pub use simple_producer::Producer;
pub use tail::{Tailed, TopicTail};
pub use watch::TransactionWatch;
