//! Sections that configure the running service: `delivery:`, `kafka:`, `registry:`, `state:`, `http:` and
//! `personal_data:`.

use super::read::{ByteSize, Duration, Map, PropertyText, Read, Required, Spanned, Word, section, word};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::text::{Node, NodeValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// The delivery guarantee for decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Each input event yields exactly one decision for read_committed consumers.
    #[default]
    ExactlyOnce,
    /// At least one.
    AtLeastOnce,
}

impl Word for Delivery {
    const WHAT: &'static str = "a delivery guarantee";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("exactly_once", Delivery::ExactlyOnce),
        ("at_least_once", Delivery::AtLeastOnce),
    ];
}
word!(Delivery);

section! {
    /// How to reach Kafka.
    pub struct Kafka {
        /// The bootstrap brokers: `host:port,host:port`.
        pub brokers: Required<String>,
        /// The consumer group. The pipeline's name by default.
        #[schemars(default)]
        pub group: Option<Spanned<String>>,
        /// Properties of librdkafka, such as `security.protocol` and `sasl.password: ${KAFKA_PASSWORD}`. Each value is the
        /// text that is written: `007` and `null` need no quotes.
        #[schemars(default)]
        pub properties: Map<PropertyText>,
    }
}

section! {
    /// A schema registry that speaks Confluent's API.
    pub struct Registry {
        /// Its URL: `http://localhost:8081`.
        pub url: Required<String>,
        /// The subject under which the schema of decisions is registered: `topic_name` (`risk-decisions-value`),
        /// `record_name`, or `topic_record_name`.
        #[schemars(default, extend("default" = "topic_name"))]
        pub subject_strategy: Option<SubjectStrategy>,
        /// The user name for HTTP basic authentication.
        #[schemars(default)]
        pub username: Option<String>,
        /// The password for HTTP basic authentication, from the environment: `${REGISTRY_PASSWORD}`.
        #[schemars(default)]
        pub password: Option<String>,
    }
}

/// How the subject of a schema is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectStrategy {
    /// The topic and `-value`.
    #[default]
    TopicName,
    /// The record's full name.
    RecordName,
    /// The topic, `-` and the record's full name.
    TopicRecordName,
}

impl Word for SubjectStrategy {
    const WHAT: &'static str = "a subject name strategy";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("topic_name", SubjectStrategy::TopicName),
        ("record_name", SubjectStrategy::RecordName),
        ("topic_record_name", SubjectStrategy::TopicRecordName),
    ];
}
word!(SubjectStrategy);

section! {
    /// The state of stages.
    pub struct State {
        /// The directory, relative to the working directory. Each instance needs its own.
        #[schemars(default, extend("default" = ".riskstream"))]
        pub directory: Option<Spanned<String>>,
        /// Memory for decoded entities of each task (one stage on one partition), in addition to those of the current batch.
        /// `riskstream backfill` uses four times as much for each stage.
        #[schemars(default, extend("default" = "16MiB"))]
        pub cache: Option<ByteSize>,
        /// Copies of the state in a place that outlives the machine. Without them a task that has lost its state reads its topic
        /// from the beginning.
        #[schemars(default)]
        pub checkpoints: Option<Checkpoints>,
        /// How many copies of each state other members of the group keep warm. One of them goes on with it when its owner is lost,
        /// and a new member joins the group when its states are warm.
        #[schemars(default, extend("default" = 0))]
        pub standby: Option<Spanned<u32>>,
    }
}

section! {
    /// Copies of the state in a place that outlives the machine.
    pub struct Checkpoints {
        /// A directory that all copies of the pipeline reach, as a path or as `file:///PATH`. A relative path is relative to the
        /// working directory.
        pub url: Required<String>,
        /// The time between two checkpoints of a task, from 1s.
        #[schemars(default, extend("default" = "5m"))]
        pub every: Option<Spanned<Duration>>,
        /// How many checkpoints of a task are kept, from 2: where one is damaged, the next older one is taken.
        #[schemars(default, extend("default" = 3))]
        pub keep: Option<Spanned<u32>>,
    }
}

section! {
    /// The HTTP server: `/metrics`, `/healthz`, `/readyz`.
    pub struct Http {
        /// The address to listen on.
        #[schemars(default, extend("default" = "127.0.0.1:9464"))]
        pub listen: Option<Spanned<String>>,
    }
}

section! {
    /// The secret for pseudonyms.
    pub struct PersonalData {
        /// The environment variable that holds the secret. Another secret gives other pseudonyms, and so other
        /// entities. With two variables, `[PUBLISHED, STATE]`, the state keeps pseudonyms under the second secret, and decisions
        /// carry others, under the first, which may be replaced at any time.
        pub key_env: Required<KeyVariables>,
    }
}

/// The environment variables that hold the secrets for pseudonyms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyVariables {
    /// That of the secret for what is published, if it is another one.
    pub published: Option<String>,
    /// That of the secret for state, and for all else.
    pub state: String,
}

impl Read for KeyVariables {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let NodeValue::List(items) = &node.value else {
            let state = String::read(node, diagnostics)?;
            return Some(KeyVariables { published: None, state });
        };
        let names: Option<Vec<String>> = items.iter().map(|item| String::read(item, diagnostics)).collect();
        match <[String; 2]>::try_from(names?) {
            Ok([published, state]) if published != state => Some(KeyVariables {
                published: Some(published),
                state,
            }),
            _ => {
                let message = "this is not one variable for each of the two secrets";
                diagnostics.add(
                    Diagnostic::new(message, node.span.clone())
                        .help("write `[PUBLISHED, STATE]`, or the name of one variable for both"),
                );
                None
            }
        }
    }
}

impl JsonSchema for KeyVariables {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "KeyVariables".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2 },
        ] })
    }
}
