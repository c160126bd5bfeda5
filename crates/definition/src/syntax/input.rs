//! `inputs:`.

use super::field::FieldDeclaration;
use super::read::{Duration, Map, Required, Spanned, Word, section, word};

section! {
    /// An input topic.
    pub struct Input {
        /// The Kafka topic.
        pub topic: Required<String>,
        /// `json`; `avro` in Confluent's wire format, with the `registry`; or `avro_plain`, Avro without a prefix in the
        /// schema of `schema`.
        #[schemars(default, extend("default" = "json"))]
        pub format: Option<Spanned<Format>>,
        /// The Avro schema file (.avsc), relative to the pipeline file. It gives the fields their types. With
        /// `format: avro` it is the reader's schema; the writer's schema of each record comes from the registry.
        #[schemars(default)]
        pub schema: Option<Spanned<String>>,
        /// The field that is the records' Kafka key. If it is the first entity's key and transactions are the only input
        /// that features use, the first stage reads this topic directly, and a record without a Kafka key is a dead
        /// letter. Otherwise there is a repartition topic in between.
        #[schemars(default)]
        pub key: Option<Spanned<String>>,
        /// The field with the event's id; of a label, with the id of its transaction. Text or int.
        pub id: Required<String>,
        /// The field with the event time; of a label, with the time at which it became known.
        pub event_time: Required<String>,
        /// For labels without the key of a later entity: how long after its transaction a label may arrive and get the key
        /// from it; and how long after its own event time one that comes first waits for its transaction. A longer time takes
        /// more state in the first stage.
        #[schemars(default, extend("default" = "30d"))]
        pub arrives_within: Option<Spanned<Duration>>,
        /// The fields that expressions, features and entities use: `name: type`, or `name: {type, path, …}`.
        #[schemars(default)]
        pub fields: Map<FieldDeclaration>,
    }
}

/// The encoding of a topic's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON objects.
    Json,
    /// Avro in Confluent's wire format.
    Avro,
    /// Avro without a prefix.
    AvroPlain,
}

impl Word for Format {
    const WHAT: &'static str = "a format";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("json", Format::Json),
        ("avro", Format::Avro),
        ("avro_plain", Format::AvroPlain),
    ];
}
word!(Format);
