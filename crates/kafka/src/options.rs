//! Options of a log, and the properties of librdkafka that follow from them.

use crate::agreement::Fingerprints;
use crate::last_transaction::LastTransaction;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use riskstream_pipeline::log::LogError;

/// The delivery guarantee of outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Outputs and positions are committed in one Kafka transaction.
    ExactlyOnce,
    /// Outputs are written first, then positions. After a crash outputs may be written twice.
    AtLeastOnce,
}

/// How to connect to Kafka, and the identity of this member.
#[derive(Clone)]
pub struct KafkaOptions {
    /// `bootstrap.servers`: host:port, several separated by commas.
    pub brokers: String,
    /// The consumer group.
    pub group: String,
    /// The name of this member in the broker's logs and metrics.
    pub client_id: String,
    /// With the slot, the `transactional.id`. It must be unique to this process, and the same after a restart.
    pub transactional_id_prefix: String,
    /// The disk with the state of this process, in a word without dots: members of one home lose their state together.
    pub home: String,
    /// The number of the worker within its home, from 0.
    pub slot: usize,
    /// Larger than that of each predecessor with the same transactional id.
    pub incarnation: u64,
    /// Of the predecessors with the same transactional id in this process.
    pub last_transaction: LastTransaction,
    /// Topics to read, the same for all members of a group.
    pub inputs: Vec<String>,
    /// Topics to write; output records name them by their index.
    pub outputs: Vec<String>,
    /// Names of headers that are read with each record.
    pub headers: Vec<String>,
    /// Exactly once or at least once.
    pub delivery: Delivery,
    /// After this time the broker aborts the open transaction of a member that died; until then readers of committed
    /// data wait. It is also the timeout of commits.
    pub transaction_timeout: Duration,
    /// Tell the secrets for pseudonyms from others without revealing them. Members of a group that differ in the state's refuse to
    /// read.
    pub pseudonyms: Fingerprints,
    /// librdkafka properties from the user (`security.protocol`, `sasl.password`, `compression.type`…); they
    /// override the defaults. Properties that the guarantees depend on cannot be set.
    pub overrides: BTreeMap<String, String>,
}

/// Properties that exactly-once, positions and waiting depend on.
const RESERVED: [&str; 15] = [
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "delivery.report.only.error",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
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
            home: String::new(),
            slot: 0,
            incarnation: 0,
            last_transaction: LastTransaction::default(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            headers: Vec::new(),
            delivery: Delivery::ExactlyOnce,
            transaction_timeout: Duration::from_secs(20),
            pseudonyms: Fingerprints::default(),
            overrides: BTreeMap::new(),
        }
    }

    /// The `transactional.id`.
    pub fn transactional_id(&self) -> String {
        format!("{}-{}", self.transactional_id_prefix, self.slot)
    }

    /// The properties common to all clients: brokers and logging.
    pub(crate) fn client(&self) -> Result<ClientConfig, LogError> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.max.ms", "1000")
            // A broker that is gone without a word (a machine without power) ends no connection. Others lead its partitions within
            // seconds, and this says which; with the default of five minutes a client waits for the broker's answer for a minute. It is
            // also the time within which partitions that a topic gets are noticed, and assigned.
            .set("topic.metadata.refresh.interval.ms", "3000")
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
        self.check_tokens()?;
        Ok(config)
    }

    /// Checks that OAUTHBEARER has a source of tokens: without one librdkafka waits for ever.
    fn check_tokens(&self) -> Result<(), LogError> {
        let is = |name: &str, words: &[&str]| {
            let value = self.overrides.get(name);
            value.is_some_and(|value| words.iter().any(|word| value.eq_ignore_ascii_case(word)))
        };
        let mechanisms = ["sasl.mechanism", "sasl.mechanisms"];
        let needs_tokens = mechanisms.iter().any(|name| is(name, &["OAUTHBEARER"]));
        let has_source =
            is("sasl.oauthbearer.method", &["oidc"]) || is("enable.sasl.oauthbearer.unsecure.jwt", &["true", "t", "1"]);
        if needs_tokens && !has_source {
            let message = "OAUTHBEARER needs a source of tokens: set sasl.oauthbearer.method to oidc, with its other \
                           properties, or for trials enable.sasl.oauthbearer.unsecure.jwt to true";
            return Err(LogError::Fatal(message.to_owned()));
        }
        Ok(())
    }

    /// A consumer of committed records that joins no group.
    pub(crate) fn fetcher(&self) -> Result<ClientConfig, LogError> {
        self.consumer()
    }

    /// The member of the group. Its client id ends with its home, which the other members see.
    pub(crate) fn member(&self) -> Result<ClientConfig, LogError> {
        let mut config = self.consumer()?;
        // If the coordinator's broker hangs, its successor hears of this member before the session times out there: so the group goes
        // on as it was. With the default of ten minutes the member would wait for an answer until its session is over, and come back
        // as another one, while the group waits for what it was before.
        self.set_defaults(&mut config, &[("coordinator.query.interval.ms", "1000")]);
        config.set("client.id", self.member_client_id());
        Ok(config)
    }

    /// The client id of the group's member.
    pub fn member_client_id(&self) -> String {
        format!("{}.{}", self.client_id, self.home)
    }

    /// A consumer of committed records that does not commit positions by itself: a dynamic member, if it joins the group (ADR 10).
    pub(crate) fn consumer(&self) -> Result<ClientConfig, LogError> {
        let mut config = self.client()?;
        let defaults = [
            // The shortest that brokers accept unless they are configured otherwise: so long are the partitions of a member that was
            // killed not read.
            ("session.timeout.ms", "6000"),
            // By a heartbeat a member hears of a rebalance, and the others wait for it to join.
            ("heartbeat.interval.ms", "100"),
            // Records and ends of transactions end the broker's wait at once. The wait only delays partitions that are
            // added while a request waits.
            ("fetch.wait.max.ms", "100"),
            // Each partition has its own queue, and these limits apply to each: small enough for dozens of partitions,
            // large enough for what a worker reads in some milliseconds.
            ("queued.max.messages.kbytes", "2048"),
            ("queued.min.messages", "5000"),
            ("max.partition.fetch.bytes", "262144"),
            // With the default of 1 s a fast worker would wait for records after a queue was full.
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
            // A position whose records were deleted is an error instead of a silent jump.
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("allow.auto.create.topics", "false");
        Ok(config)
    }

    /// The producer of outputs: transactional for exactly once.
    pub(crate) fn committer(&self) -> Result<ClientConfig, LogError> {
        let mut config = self.producer()?;
        if self.delivery == Delivery::ExactlyOnce {
            let timeout = self.transaction_timeout.as_millis().to_string();
            config
                .set("transactional.id", self.transactional_id())
                .set("transaction.timeout.ms", &timeout);
        }
        Ok(config)
    }

    /// The producer of records without transactions. After a record that could not be written it writes no other: readers
    /// rely on rows without gaps.
    pub(crate) fn appender(&self) -> Result<ClientConfig, LogError> {
        let mut config = self.producer()?;
        self.set_defaults(&mut config, &[("linger.ms", "0")]);
        config.set("enable.gapless.guarantee", "true");
        Ok(config)
    }

    fn producer(&self) -> Result<ClientConfig, LogError> {
        let mut config = self.client()?;
        let timeout = self.transaction_timeout.as_millis().to_string();
        let defaults = [
            ("compression.type", "lz4"),
            // Every commit flushes outputs, so this adds no latency and makes larger batches.
            ("linger.ms", "1"),
            ("batch.size", "262144"),
            ("message.max.bytes", "33554432"),
            ("queue.buffering.max.messages", "100000"),
            ("queue.buffering.max.kbytes", "65536"),
            ("partitioner", "murmur2_random"),
            // CONCURRENT_TRANSACTIONS is common when transactions follow one another. With the default of 100 ms there
            // would be at most ten commits a second.
            ("retry.backoff.ms", "2"),
            ("retry.backoff.max.ms", "20"),
            ("message.timeout.ms", timeout.as_str()),
            // Where a leader hangs, its successor gets the records before they are given up.
            ("request.timeout.ms", "5000"),
        ];
        self.set_defaults(&mut config, &defaults);
        config
            .set("enable.idempotence", "true")
            // librdkafka counts successful deliveries; callbacks are for errors only.
            .set("delivery.report.only.error", "true");
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

/// Shows the names of the properties that the user set, but not their values, which may be secrets.
impl fmt::Debug for KafkaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaOptions")
            .field("brokers", &self.brokers)
            .field("group", &self.group)
            .field("client_id", &self.client_id)
            .field("transactional_id_prefix", &self.transactional_id_prefix)
            .field("home", &self.home)
            .field("slot", &self.slot)
            .field("incarnation", &self.incarnation)
            .field("inputs", &self.inputs)
            .field("outputs", &self.outputs)
            .field("delivery", &self.delivery)
            .field("transaction_timeout", &self.transaction_timeout)
            .field("pseudonyms", &self.pseudonyms)
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
        assert_eq!(options.committer().unwrap().get("compression.type"), Some("zstd"));
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
        assert_eq!(options.committer().unwrap().get("transactional.id"), None);
    }
}
