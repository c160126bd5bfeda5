//! The syntax of the pipeline file: every key, as it is typed. The doc comments are the reference
//! (docs/pipeline-file.md) and the JSON Schema's descriptions.

use super::example::Example;
use super::feature::Feature;
use super::field::FieldDeclaration;
use super::read::{ByteSize, Duration, ExpressionText, List, Map, Raw, Required, Spanned, Word, section, word};
use riskstream_events::Outcome;

section! {
    /// A pipeline: what comes in, what is computed of it, and what is decided.
    pub struct PipelineFile {
        /// The pipeline's name. Part of every decision id, of the names of repartition topics and, unless `kafka.group` says
        /// otherwise, the consumer group.
        pub name: Required<String>,
        /// What the pipeline is for, in a sentence. For people.
        #[schemars(default)]
        pub description: Option<String>,
        /// The topics that are read, by name. `transactions` must be there; every other one brings labels: later
        /// verdicts on transactions.
        pub inputs: Map<Input>,
        /// What features are kept per, by name: customer, card, terminal, … The order is the order of the stages.
        pub entities: Map<Entity>,
        /// The features, by name. Each is one aggregation over a window of an entity's events, or an expression over
        /// fields and other features. A decision lists them in this order.
        #[schemars(default)]
        pub features: Map<Feature>,
        /// Lists of constants by name, for `x in name` in expressions: `[DE, FR]`.
        #[schemars(default)]
        pub lists: Map<Required<List<Raw>>>,
        /// The model that scores transactions. Without one the score is null and rules decide.
        #[schemars(default)]
        pub model: Option<Spanned<ModelSection>>,
        /// How other models take over while the pipeline runs. Until one does, `model` decides.
        #[schemars(default)]
        pub rollout: Option<Spanned<Rollout>>,
        /// Which decisions say what moved the score: the model's inputs with the largest contributions.
        #[schemars(default)]
        pub explain: Option<Spanned<Explain>>,
        /// Named rules. All that hold are listed in the decision; the most severe outcome counts.
        #[schemars(default)]
        pub rules: List<Rule>,
        /// The thresholds. What neither a rule nor a threshold declines or sends to review is approved.
        #[schemars(default)]
        pub decision: Option<Spanned<Thresholds>>,
        /// Where decisions and dead letters go.
        pub outputs: Required<Outputs>,
        /// `exactly_once` (Kafka transactions) or `at_least_once` (lower latency; decisions may come twice after a
        /// crash).
        #[schemars(default, extend("default" = "exactly_once"))]
        pub delivery: Option<Delivery>,
        /// How to reach Kafka. `run` needs it; `demo`, `check` and `backfill` do not.
        #[schemars(default)]
        pub kafka: Option<Spanned<Kafka>>,
        /// The schema registry of inputs and outputs whose format is `avro`.
        #[schemars(default)]
        pub registry: Option<Spanned<Registry>>,
        /// Where state is kept.
        #[schemars(default)]
        pub state: Option<State>,
        /// The HTTP server for metrics and health.
        #[schemars(default)]
        pub http: Option<Http>,
        /// How fields that are `personal` are made pseudonyms.
        #[schemars(default)]
        pub personal_data: Option<PersonalData>,
        /// How far an event time may lie ahead of the time at which Kafka received the record. Beyond it the record is
        /// a dead letter: one bad clock must not expire everybody's windows.
        #[schemars(default, extend("default" = "1h"))]
        pub max_future: Option<Duration>,
        /// Sequences of events and what must come out. `riskstream check` runs them through the real engine.
        #[schemars(default)]
        pub examples: List<Example>,
    }
}

section! {
    /// An input topic.
    pub struct Input {
        /// The Kafka topic.
        pub topic: Required<String>,
        /// `json`; `avro` in Confluent's wire format, with the `registry`; or `avro_plain`, bare Avro of the schema in
        /// `schema`.
        #[schemars(default, extend("default" = "json"))]
        pub format: Option<Spanned<Format>>,
        /// The Avro schema file (.avsc), relative to the pipeline file. Fields then take their types from it. With
        /// `format: avro` it is the reader's schema; each record's own schema comes from the registry.
        #[schemars(default)]
        pub schema: Option<Spanned<String>>,
        /// The field that the records' Kafka key holds. If it is the first entity's key and transactions are the only
        /// input that features use, the first stage reads this topic itself, and a record without a Kafka key is a dead
        /// letter; otherwise a repartition topic is in between.
        #[schemars(default)]
        pub key: Option<Spanned<String>>,
        /// The field with the event's id. A label's is the id of the transaction that it is about. Text or int.
        pub id: Required<String>,
        /// The field with the event time. A label's is the time at which the verdict became known.
        pub event_time: Required<String>,
        /// Of labels that lack a later entity's key: how long after its transaction a label may come and still be
        /// completed from it. The longer, the more state the first stage keeps.
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

section! {
    /// An entity: what features are kept per.
    pub struct Entity {
        /// The field whose value names one entity, such as `customer_id`. Text or int; 42 and "42" are the same.
        pub key: Required<String>,
        /// How late an event may come and still be put where it belongs. Later ones are scored and flagged `too_late`,
        /// but not remembered. The longer, the more state is kept.
        #[schemars(default, extend("default" = "1d"))]
        pub lateness: Option<Spanned<Duration>>,
        /// How long a transaction id is remembered, so that the same transaction sent twice counts once.
        #[schemars(default, extend("default" = "1d"))]
        pub dedupe: Option<Spanned<Duration>>,
        /// The longest that events of this entity may be kept. A feature that looks further back (delay + window +
        /// lateness) is a diagnostic. Without it, as long as the features need.
        #[schemars(default)]
        pub retention: Option<Spanned<Duration>>,
        /// A number enters sums in whole multiples of this, so that they are exact.
        #[schemars(default, extend("default" = 0.000001))]
        pub precision: Option<Spanned<f64>>,
    }
}

section! {
    /// The model that scores transactions.
    pub struct ModelSection {
        /// The ONNX file, relative to the pipeline file.
        pub file: Required<String>,
        /// The model's name in decisions; unless given, its card's, or the file's name.
        #[schemars(default)]
        pub name: Option<Spanned<String>>,
        /// The model's version in decisions; unless given, its card's, or the beginning of the file's hash.
        #[schemars(default)]
        pub version: Option<Spanned<String>>,
        /// The model's inputs in its order: features and fields, numbers where it takes numbers and texts where it takes
        /// texts. A null number goes in as NaN, a null text as the empty text. A `last_k` feature fills k columns, the oldest
        /// event first. A model with a card has its inputs there; listed here as well they must be the same.
        #[schemars(default)]
        pub inputs: Option<Spanned<List<String>>>,
        /// What stands in the places of a `last_k` feature of numbers for which there is no event; NaN unless given.
        #[schemars(default)]
        pub pad: Option<Spanned<f64>>,
        /// Which output is the score: `probabilities[1]` is the second column of the output `probabilities`. Unless
        /// given, what its card says, or the probability of the second class, or the only output.
        #[schemars(default)]
        pub score: Option<Spanned<String>>,
        /// The model's time budget for one call, which may be for many transactions: `5ms`. Exceeding it is a failure. Without
        /// it the model takes as long as it takes.
        #[schemars(default)]
        pub within: Option<Spanned<Duration>>,
        /// The model that steps in where this one fails, exceeds its time budget or answers with something that is no finite
        /// number; the decision is flagged `degraded`. Without one, or where it fails too, `decision.without_score` counts.
        #[schemars(default)]
        pub fallback: Option<Box<Spanned<ModelSection>>>,
    }
}

section! {
    /// Where roll-outs come from: which model is the champion, which challengers decide on a share of the entities, and which
    /// shadows only watch. docs/rollout.md tells what a roll-out says.
    pub struct Rollout {
        /// A roll-out file, relative to the pipeline file, that is watched: it takes effect when its `revision` is larger than
        /// that in force.
        #[schemars(default)]
        pub file: Option<Spanned<String>>,
        /// The topic that `riskstream rollout` writes to.
        #[schemars(default)]
        pub topic: Option<Spanned<String>>,
    }
}

section! {
    /// Which decisions are explained: those of an outcome, of a score, or of a sample; each of the three suffices. The
    /// model card, which lies beside the model's file as `NAME.card.yaml`, gives the `background` rows that the score is
    /// compared with.
    pub struct Explain {
        /// Decisions of these outcomes: `[decline, review]`.
        #[schemars(default)]
        pub outcomes: List<OutcomeWord>,
        /// Decisions with at least this score.
        #[schemars(default)]
        pub score: Option<Spanned<f64>>,
        /// This share of all decisions, from 0 to 1, chosen by the decision id.
        #[schemars(default)]
        pub sample: Option<Spanned<f64>>,
        /// How many inputs a decision names at most, those that moved the score most.
        #[schemars(default, extend("default" = 3))]
        pub top: Option<Spanned<u32>>,
    }
}

section! {
    /// A rule: when it holds, its outcome counts and its reason is listed.
    pub struct Rule {
        /// The rule's name. Unique.
        pub name: Required<String>,
        /// The condition, over fields, features and `score`. What is null makes it false.
        pub when: Required<ExpressionText>,
        /// `approve`, `review` or `decline`.
        pub then: Required<OutcomeWord>,
        /// The reason code that the decision lists: letters, digits, `_`, `-` and `.`. The rule's name unless given.
        #[schemars(default)]
        pub reason: Option<Spanned<String>>,
        /// What the rule is for, in words; part of the decision.
        #[schemars(default)]
        pub description: Option<String>,
    }
}

/// What a decision can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeWord(pub Outcome);

impl Word for OutcomeWord {
    const WHAT: &'static str = "an outcome";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("approve", OutcomeWord(Outcome::Approve)),
        ("review", OutcomeWord(Outcome::Review)),
        ("decline", OutcomeWord(Outcome::Decline)),
    ];
}
word!(OutcomeWord);

section! {
    /// The thresholds: conditions over `score`, fields and features.
    pub struct Thresholds {
        /// When to decline: `score >= 0.95`.
        #[schemars(default)]
        pub decline: Option<Spanned<ExpressionText>>,
        /// When to send to review, unless declined: `score >= 0.7`.
        #[schemars(default)]
        pub review: Option<Spanned<ExpressionText>>,
        /// The reason code of the decline threshold.
        #[schemars(default, extend("default" = "SCORE_DECLINE"))]
        pub decline_reason: Option<Spanned<String>>,
        /// The reason code of the review threshold.
        #[schemars(default, extend("default" = "SCORE_REVIEW"))]
        pub review_reason: Option<Spanned<String>>,
        /// The mildest outcome where a model is declared and gave no score: thresholds cannot hold then. The decision
        /// is flagged `degraded`.
        #[schemars(default, extend("default" = "review"))]
        pub without_score: Option<OutcomeWord>,
    }
}

section! {
    /// Where results go.
    pub struct Outputs {
        /// The topic of the decisions.
        pub decisions: Required<String>,
        /// The topic of records that cannot be processed, with the reason and the origin.
        pub dead_letters: Required<String>,
        /// The encoding of decisions: `json`, `avro` (Confluent's wire format, with the `registry`) or `avro_plain`.
        #[schemars(default, extend("default" = "json"))]
        pub format: Option<Spanned<Format>>,
    }
}

/// What is promised about decisions after a failure.
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
        /// Where to find the brokers: `host:port,host:port`.
        pub brokers: Required<String>,
        /// The consumer group; the pipeline's name unless given.
        #[schemars(default)]
        pub group: Option<Spanned<String>>,
        /// Any of librdkafka's properties, such as `security.protocol` and `sasl.password: ${KAFKA_PASSWORD}`.
        #[schemars(default)]
        pub properties: Map<ExpressionText>,
    }
}

section! {
    /// A schema registry that speaks Confluent's API.
    pub struct Registry {
        /// Its address: `http://localhost:8081`.
        pub url: Required<String>,
        /// Under which subject the decision's schema is registered: `topic_name` (`risk-decisions-value`),
        /// `record_name`, or `topic_record_name`.
        #[schemars(default, extend("default" = "topic_name"))]
        pub subject_strategy: Option<SubjectStrategy>,
        /// The user name for HTTP basic authentication.
        #[schemars(default)]
        pub username: Option<String>,
        /// The password. Take it from the environment: `${REGISTRY_PASSWORD}`.
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
    /// Where state is kept.
    pub struct State {
        /// The directory, relative to where riskstream is started. Each copy needs its own.
        #[schemars(default, extend("default" = ".riskstream"))]
        pub directory: Option<Spanned<String>>,
        /// Memory for decoded entities of each task (one stage of one partition), beyond those of the current batch.
        #[schemars(default, extend("default" = "16MiB"))]
        pub cache: Option<ByteSize>,
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
    /// How personal data is protected.
    pub struct PersonalData {
        /// The environment variable that holds the secret from which pseudonyms are made. Another secret gives other
        /// pseudonyms, and so other entities.
        pub key_env: Required<String>,
    }
}
