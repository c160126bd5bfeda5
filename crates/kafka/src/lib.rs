//! The pipeline's log on Apache Kafka: consumer groups, transactions, topics. The only user of rdkafka.
//!
//! [`KafkaLog`] is one member of a consumer group with one transactional producer. A worker thread owns it. It handles
//! bytes, not events or decisions. [`topics`] describes and creates topics, [`TopicScan`] reads a topic once,
//! [`TopicTail`] follows a topic. [`KafkaObserver`] reads partitions of a group without being a member, [`GroupView`] shows its
//! members, and [`assign`] foretells what they get. [`TransactionWatch`] shows another thread how long a call to the broker has been
//! running.
#![deny(unsafe_code)]

mod agreement;
mod appender;
mod assign;
mod bootstrap;
mod check;
mod committer;
mod connection;
mod consumer;
mod errors;
mod fetchers;
mod groupless;
mod hanging;
mod last_transaction;
mod log;
mod lookup;
mod members;
mod native;
mod observer;
mod options;
mod outage;
mod position_committer;
mod position_sender;
mod positions;
mod predecessor;
mod producer;
mod reader;
mod readers;
mod requests;
mod reset;
mod rights;
mod scan;
mod signal;
mod simple_producer;
mod spans;
mod tail;
mod tls;
mod topic_watch;
pub mod topics;
mod watch;

pub use agreement::Fingerprints;
pub use assign::{assign, standbys};
pub use check::check;
pub use last_transaction::LastTransaction;
pub use log::KafkaLog;
pub use lookup::{committed_offsets, look_up};
pub use members::{Group, GroupView, Member};
pub use observer::KafkaObserver;
pub use options::{Delivery, KafkaOptions};
pub use predecessor::end_transaction_of;
pub use reset::{GroupTopic, ResetPosition, TopicReset, commit_positions, group_topics};
pub use scan::{Scanned, ScannedRecord, TopicScan};
pub use simple_producer::Producer;
pub use spans::{Span, TimeRange, settled_spans, spans};
pub use tail::{Tailed, TailedRecord, TopicTail};
pub use watch::TransactionWatch;
