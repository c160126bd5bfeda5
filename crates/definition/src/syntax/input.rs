//! `inputs:`.

use super::field::FieldDeclaration;
use super::read::{Duration, ExpressionText, Keys, Map, Read, Required, Spanned, Time, Word, section, word};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::text::{Node, NodeValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

section! {
    /// An input topic.
    pub struct Input {
        /// The Kafka topic.
        pub topic: Required<String>,
        /// What the records of an input beside `transactions` are: `labels`, facts about transactions, whose ids they have;
        /// `events`, other things that happen to entities, such as logins, with ids of their own; or `table`, rows that say
        /// what is known of an entity from their time on, such as a merchant's category.
        #[schemars(default, extend("default" = "labels"))]
        pub kind: Option<Spanned<Kind>>,
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
        /// letter. Otherwise there is a repartition topic in between. A table must have it: it is the key of an entity, and says
        /// which row a record without a value deletes.
        #[schemars(default)]
        pub key: Option<Spanned<String>>,
        /// What is done about a record whose Kafka key is not the value of `key`, where the first stage reads this topic
        /// directly: `warn` counts it and logs the first one of each partition; `stop` does not read the partition on.
        #[schemars(default, extend("default" = "warn"))]
        pub on_key_mismatch: Option<Spanned<KeyMismatch>>,
        /// The field with the event's id, by which duplicates within its input are known; of a label, with the id of its
        /// transaction. Text or int. All inputs but tables must have it.
        #[schemars(default)]
        pub id: Option<Spanned<String>>,
        /// The field with the event time; of a label, with the time at which it became known; of a table's row, with the time
        /// from which on it holds. `{from: record}` is the timestamp of the Kafka record.
        pub event_time: Required<EventTime>,
        /// The earliest event time that can be meant: `2020-01-01`. A record with an earlier one is a dead letter. Without
        /// it, event times before 2000 are counted and warned of.
        #[schemars(default)]
        pub min_time: Option<Spanned<Time>>,
        /// Only records for which this expression over the input's fields holds are events: `where: op in ["c", "r"]`.
        /// Others are passed over and counted.
        #[schemars(default)]
        pub r#where: Option<Spanned<ExpressionText>>,
        /// Of a table: a record for which this expression over the input's fields holds deletes the row of its key, as one
        /// without a value does: `delete_when: status == "closed"`. Default: with `envelope: debezium` its deletions, `op == "d"`.
        #[schemars(default)]
        pub delete_when: Option<Spanned<ExpressionText>>,
        /// `debezium`: the fields lie in `after` of Debezium's change events, and `op` is a field. Unless `where:` says
        /// otherwise, events are made of creations, snapshots and updates.
        #[schemars(default)]
        pub envelope: Option<Spanned<Envelope>>,
        /// Whether a record without a value is a `dead_letter`, or passed over: `ignore`. Default: `ignore` with
        /// `envelope: debezium`, else `dead_letter`. Of a table it deletes the row of its key by default.
        #[schemars(default)]
        pub tombstones: Option<Spanned<Tombstones>>,
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

/// What the records of an input beside the transactions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Facts about transactions.
    Labels,
    /// Other things that happen to entities.
    Events,
    /// Rows that say what is known of entities.
    Table,
}

impl Word for Kind {
    const WHAT: &'static str = "a kind of input";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("labels", Kind::Labels),
        ("events", Kind::Events),
        ("table", Kind::Table),
    ];
}
word!(Kind);

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

/// What the records of a topic are wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// Change events of Debezium: `before`, `after`, `op`, `source`.
    Debezium,
}

impl Word for Envelope {
    const WHAT: &'static str = "an envelope";
    const WORDS: &'static [(&'static str, Self)] = &[("debezium", Envelope::Debezium)];
}
word!(Envelope);

/// What is done about a record with another key than the topic is keyed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMismatch {
    /// It is counted, and the first one is logged.
    Warn,
    /// The partition is not read on.
    Stop,
}

impl Word for KeyMismatch {
    const WHAT: &'static str = "a reaction to another key";
    const WORDS: &'static [(&'static str, Self)] = &[("warn", KeyMismatch::Warn), ("stop", KeyMismatch::Stop)];
}
word!(KeyMismatch);

/// What becomes of records without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tombstones {
    /// They are passed over.
    Ignore,
    /// They are dead letters.
    DeadLetter,
}

impl Word for Tombstones {
    const WHAT: &'static str = "a treatment of tombstones";
    const WORDS: &'static [(&'static str, Self)] =
        &[("ignore", Tombstones::Ignore), ("dead_letter", Tombstones::DeadLetter)];
}
word!(Tombstones);

/// Where the event time is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventTime {
    /// In this field.
    Field(String),
    /// It is the timestamp of the record.
    Record,
}

impl Read for EventTime {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        if !matches!(node.value, NodeValue::Map(_)) {
            return String::read(node, diagnostics).map(EventTime::Field);
        }
        let keys = Keys::of(node, &["from"], diagnostics)?;
        let from = keys.take::<Spanned<String>>("from", diagnostics)?;
        if from.value != "record" {
            diagnostics.add(
                Diagnostic::new(format!("`{}` is no source of event times", from.value), from.span)
                    .help("write `{from: record}` for the record's timestamp, or the name of a field"),
            );
            return None;
        }
        Some(EventTime::Record)
    }
}

impl JsonSchema for EventTime {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "EventTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            {
                "type": "object",
                "properties": { "from": { "type": "string", "enum": ["record"] } },
                "required": ["from"],
                "additionalProperties": false,
            },
        ] })
    }
}
