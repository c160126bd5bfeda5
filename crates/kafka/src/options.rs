//! What the owner of a log decides, and what follows from it for librdkafka.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use riskstream_pipeline::log::LogError;

/// How often an output may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Outputs and positions are committed in one Kafka transaction.
    ExactlyOnce,
    /// Outputs are written first, then positions: after a crash outputs may be there twice.
    AtLeastOnce,
}

/// How to reach Kafka, and as whom.
#[derive(Clone)]
pub struct KafkaOptions {
    /// `bootstrap.servers`: host:port, several separated by commas.
    pub brokers: String,
    /// The consumer group.
    pub group: String,
    /// How this member calls itself in the broker's logs and metrics.
    pub client_id: String,
    /// With the slot, the `transactional.id`: must be unique to this process and the same after a restart.
    pub transactional_id_prefix: String,
    /// The number of the worker within the process, from 0.
    pub slot: usize,
    /// Topics to read. All members of a group name the same.
    pub inputs: Vec<String>,
    /// Topics to write; output records name them by their index.
    pub outputs: Vec<String>,
    /// Exactly once or at least once.
    pub delivery: Delivery,
    /// After this time the broker aborts an open transaction of a member that died; until then readers of
    /// committed data wait. Calls that write give up after it.
    pub transaction_timeout: Duration,
    /// librdkafka properties from the user (`security.protocol`, `sasl.password`, `compression.type`…); they
    /// win over the defaults, but may not touch what the guarantees rest on.
    pub overrides: BTreeMap<String, String>,
}

/// Properties on which exactly-once, positions and waiting rest.
const RESERVED: [&str; 14] = [
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "delivery.report.only.error",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.protocol",
    "isolation.level",
    "partition.assignment.strategy",
    "transaction.timeout.ms",
    "transactional.id",
];

impl KafkaOptions {
    /// Options with the defaults: exactly once, slot 0, transactions of at most 20 seconds.
    pub fn new(brokers: &str, group: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            group: group.to_owned(),
            client_id: group.to_owned(),
            transactional_id_prefix: group.to_owned(),
            slot: 0,
            inputs: Vec::new(),
            outputs: Vec::new(),
            delivery: Delivery::ExactlyOnce,
            transaction_timeout: Duration::from_secs(20),
            overrides: BTreeMap::new(),
        }
    }

    /// The `transactional.id`.
    pub fn transactional_id(&self) -> String {
        format!("{}-{}", self.transactional_id_prefix, self.slot)
    }

    /// What every client shares: where the brokers are and how to log.
    pub(crate) fn client(&self) -> Result<ClientConfig, LogError> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.max.ms", "1000")
            .set("statistics.interval.ms", "0")
            .set_log_level(RDKafkaLogLevel::Info);
        for (name, value) in &self.overrides {
            if RESERVED.contains(&name.as_str()) {
                return Err(LogError::Fatal(format!(
                    "the Kafka property {name} is set by riskstream and cannot be changed"
                )));
            }
            config.set(name, value);
        }
        Ok(config)
    }

    /// A reader of committed records that leaves positions to us.
    pub(crate) fn consumer(&self) -> Result<ClientConfig, LogError> {
        let mut config = self.client()?;
        let defaults = [
            ("session.timeout.ms", "10000"),
            ("heartbeat.interval.ms", "3000"),
            // Records and ends of transactions end the broker's wait at once; it only delays partitions that
            // are added while a request waits.
            ("fetch.wait.max.ms", "100"),
            // Each partition has a queue of its own and these bounds hold for each: small enough for dozens
            // of partitions, large enough for what a worker reads in some milliseconds.
            ("queued.max.messages.kbytes", "2048"),
            ("queued.min.messages", "5000"),
            ("max.partition.fetch.bytes", "262144"),
            // A full queue is looked at again soon; the default of a second would starve a fast worker.
            ("fetch.queue.backoff.ms", "5"),
            ("fetch.error.backoff.ms", "50"),
            ("check.crcs", "true"),
        ];
        self.set_defaults(&mut config, &defaults);
        config
            .set("group.id", &self.group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A position that is gone is an error, never a silent jump.
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("allow.auto.create.topics", "false");
        Ok(config)
    }

    /// An idempotent producer, transactional for exactly once.
    pub(crate) fn producer(&self) -> Result<ClientConfig, LogError> {
        let mut config = self.client()?;
        let timeout = self.transaction_timeout.as_millis().to_string();
        let defaults = [
            ("compression.type", "lz4"),
            // Outputs are flushed by every commit, so this costs no latency and makes larger batches.
            ("linger.ms", "1"),
            ("batch.size", "262144"),
            ("message.max.bytes", "33554432"),
            ("queue.buffering.max.messages", "100000"),
            ("queue.buffering.max.kbytes", "65536"),
            ("partitioner", "murmur2_random"),
            // CONCURRENT_TRANSACTIONS is an everyday answer when transactions follow one another; the
            // default of 100 ms would allow ten commits a second.
            ("retry.backoff.ms", "2"),
            ("retry.backoff.max.ms", "20"),
            ("message.timeout.ms", timeout.as_str()),
        ];
        self.set_defaults(&mut config, &defaults);
        config
            .set("enable.idempotence", "true")
            // Successful deliveries are only counted, inside librdkafka.
            .set("delivery.report.only.error", "true");
        if self.delivery == Delivery::ExactlyOnce {
            config
                .set("transactional.id", self.transactional_id())
                .set("transaction.timeout.ms", &timeout);
        }
        Ok(config)
    }

    fn set_defaults(&self, config: &mut ClientConfig, defaults: &[(&str, &str)]) {
        for (name, value) in defaults {
            if !self.overrides.contains_key(*name) {
                config.set(*name, *value);
            }
        }
    }
}

/// Shows which properties the user set, but no value: any of them may be a secret.
impl fmt::Debug for KafkaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaOptions")
            .field("brokers", &self.brokers)
            .field("group", &self.group)
            .field("client_id", &self.client_id)
            .field("transactional_id_prefix", &self.transactional_id_prefix)
            .field("slot", &self.slot)
            .field("inputs", &self.inputs)
            .field("outputs", &self.outputs)
            .field("delivery", &self.delivery)
            .field("transaction_timeout", &self.transaction_timeout)
            .field("overrides", &self.overrides.keys().collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_override(name: &str, value: &str) -> KafkaOptions {
        let mut options = KafkaOptions::new("localhost:9092", "group");
        options.overrides.insert(name.to_owned(), value.to_owned());
        options
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", with_override("sasl.password", "hunter2"));
        assert!(shown.contains("sasl.password"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn overrides_win_over_defaults() {
        let options = with_override("compression.type", "zstd");
        assert_eq!(options.producer().unwrap().get("compression.type"), Some("zstd"));
    }

    #[test]
    fn guarantees_cannot_be_overridden() {
        for name in RESERVED {
            let error = with_override(name, "x").consumer().unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn at_least_once_has_no_transactions() {
        let mut options = KafkaOptions::new("localhost:9092", "group");
        options.delivery = Delivery::AtLeastOnce;
        assert_eq!(options.producer().unwrap().get("transactional.id"), None);
    }
}
