//! A valid pipeline: the plan, and what `run` needs around it.

use super::compile::RolloutScope;
use super::example::Example;
use super::syntax::{Delivery, Format, SubjectStrategy};
use riskstream_engine::plan::Plan;
use riskstream_events::{Field, FieldError, InputDecoder, InputFields, Pseudonymizer, ReaderSchema, SchemaSource};
use riskstream_pipeline::{DecisionFormat, InputTopic, Topology};
use riskstream_scoring::Lineup;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// A pipeline file without diagnostics.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What is computed.
    pub plan: Arc<Plan>,
    /// The models of the pipeline file, which decide until a roll-out changes them.
    pub lineup: Arc<Lineup>,
    /// The inputs, in the plan's order.
    pub inputs: Vec<InputSettings>,
    /// The topic in front of each stage; see [`Topology::repartition_topics`].
    pub repartition_topics: Vec<Option<Arc<str>>>,
    /// The topic of the decisions.
    pub decisions: Arc<str>,
    /// The topic of the dead letters.
    pub dead_letters: Arc<str>,
    /// The encoding of decisions.
    pub decision_format: Format,
    /// What roll-outs are compiled with.
    pub rollout: RolloutScope,
    /// Where roll-outs come from, if there are any.
    pub rollout_settings: Option<RolloutSettings>,
    /// Where Kafka is, where state lies.
    pub settings: Settings,
    /// The file's examples.
    pub examples: Vec<Example>,
    /// What messages call the file.
    pub file: Arc<str>,
    /// The file's text, which examples point into.
    pub source: Arc<str>,
}

/// An input topic and what of it is decoded.
#[derive(Clone, Debug)]
pub struct InputSettings {
    /// `transactions`, `labels`, …
    pub name: String,
    /// The topic.
    pub topic: Arc<str>,
    /// The encoding.
    pub format: Format,
    /// The text of the schema file, if there is one.
    pub schema: Option<Arc<str>>,
    /// The field that the records' Kafka key holds, if the file says so.
    pub key: Option<String>,
    /// The fields that the plan uses.
    pub fields: Vec<Field>,
}

/// Where roll-outs come from.
#[derive(Clone, Debug)]
pub struct RolloutSettings {
    /// The file to watch, relative to the pipeline file.
    pub file: Option<String>,
    /// The topic to follow.
    pub topic: Option<Arc<str>>,
}

/// What surrounds the computation.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is promised about decisions.
    pub delivery: Delivery,
    /// How to reach Kafka, if the file says so.
    pub kafka: Option<KafkaSettings>,
    /// The schema registry, if there is one.
    pub registry: Option<RegistrySettings>,
    /// Where state is kept.
    pub state_directory: PathBuf,
    /// Memory for decoded entities of each task.
    pub cache_bytes: usize,
    /// The address of the HTTP server.
    pub listen: SocketAddr,
    /// The environment variable with the secret for pseudonyms.
    pub key_env: Option<String>,
    /// Whether any field is personal data.
    pub personal: bool,
}

/// How to reach Kafka. Debug output leaves the properties' values out: there are passwords among them.
#[derive(Clone)]
pub struct KafkaSettings {
    /// `host:port,host:port`.
    pub brokers: String,
    /// The consumer group.
    pub group: String,
    /// librdkafka's properties.
    pub properties: Vec<(String, String)>,
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.properties.iter().map(|(key, _)| key.as_str()).collect();
        write!(
            f,
            "KafkaSettings {{ brokers: {:?}, group: {:?}, properties: {keys:?} }}",
            self.brokers, self.group
        )
    }
}

/// How to reach the registry. Debug output leaves the password out.
#[derive(Clone)]
pub struct RegistrySettings {
    /// Its address, without a slash at the end.
    pub url: String,
    /// How subjects are named.
    pub subject_strategy: SubjectStrategy,
    /// For HTTP basic authentication.
    pub username: Option<String>,
    /// For HTTP basic authentication.
    pub password: Option<String>,
}

impl fmt::Debug for RegistrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RegistrySettings {{ url: {:?}, username: {:?} }}",
            self.url, self.username
        )
    }
}

/// Why a topology cannot be laid over a valid pipeline file.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// There are personal fields and no secret.
    #[error("{0}")]
    Fields(#[from] FieldError),
    /// An input wants a registry and none was given.
    #[error("the input `{0}` needs the schema registry")]
    NoRegistry(String),
    /// The input's schema cannot be read as the file declares.
    #[error("the schema of `{input}`: {error}")]
    Schema {
        /// The input.
        input: String,
        /// What is wrong.
        error: riskstream_events::SchemaError,
    },
}

/// Makes a source of writer schemas for each worker's decoder.
pub type SchemaSources = Arc<dyn Fn() -> Box<dyn SchemaSource> + Send + Sync>;

impl Compiled {
    /// The roll-out file to watch, if there is to be one.
    pub fn rollout_file(&self) -> Option<PathBuf> {
        let file = self.rollout_settings.as_ref()?.file.as_ref()?;
        Some(self.rollout.directory().join(file))
    }

    /// The topic that roll-outs come from, if there is one.
    pub fn rollout_topic(&self) -> Option<&Arc<str>> {
        self.rollout_settings.as_ref()?.topic.as_ref()
    }

    /// The fields of an input for decoders. `secret` makes pseudonyms of personal fields.
    pub fn input_fields(&self, input: usize, secret: Option<&[u8]>) -> Result<InputFields, FieldError> {
        InputFields::new(self.inputs[input].fields.clone(), secret.map(Pseudonymizer::new))
    }

    /// The topics as workers need them. `schemas` reaches the registry; `decision_format` is what
    /// [`Compiled::decision_format`] comes to once the registry has told the schema's id.
    pub fn topology(
        &self,
        secret: Option<&[u8]>,
        schemas: Option<&SchemaSources>,
        decision_format: DecisionFormat,
    ) -> Result<Topology, TopologyError> {
        let mut inputs = Vec::new();
        for (index, input) in self.inputs.iter().enumerate() {
            let fields = self.input_fields(index, secret)?;
            let decoder = decoder(input, &fields, schemas)?;
            inputs.push(InputTopic {
                topic: input.topic.clone(),
                decoder,
            });
        }
        Ok(self.lay(inputs, decision_format))
    }

    /// The topics with every input as JSON, whatever the file says: for examples and simulated events.
    pub fn json_topology(&self, secret: Option<&[u8]>) -> Result<Topology, FieldError> {
        let mut inputs = Vec::new();
        for (index, input) in self.inputs.iter().enumerate() {
            let fields = self.input_fields(index, secret)?;
            let decoder = Arc::new(move || InputDecoder::json(&fields));
            inputs.push(InputTopic {
                topic: input.topic.clone(),
                decoder,
            });
        }
        Ok(self.lay(inputs, DecisionFormat::Json))
    }

    fn lay(&self, inputs: Vec<InputTopic>, decision_format: DecisionFormat) -> Topology {
        Topology {
            plan: self.plan.clone(),
            lineup: self.lineup.clone(),
            inputs,
            repartition_topics: self.repartition_topics.clone(),
            decisions: self.decisions.clone(),
            dead_letters: self.dead_letters.clone(),
            decision_format,
            dead_letter_values: !self.settings.personal,
        }
    }
}

type Decoders = Arc<dyn Fn() -> InputDecoder + Send + Sync>;

fn decoder(
    input: &InputSettings,
    fields: &InputFields,
    schemas: Option<&SchemaSources>,
) -> Result<Decoders, TopologyError> {
    let fields = fields.clone();
    let schema_error = |error| TopologyError::Schema {
        input: input.name.clone(),
        error,
    };
    match input.format {
        Format::Json => Ok(Arc::new(move || InputDecoder::json(&fields))),
        Format::AvroPlain => {
            let schema = input.schema.clone().unwrap_or_default();
            InputDecoder::avro(&schema, None, &fields).map_err(schema_error)?;
            Ok(Arc::new(move || {
                InputDecoder::avro(&schema, None, &fields).expect("the same schema compiled a moment ago")
            }))
        }
        Format::Avro => {
            let schemas = schemas
                .ok_or_else(|| TopologyError::NoRegistry(input.name.clone()))?
                .clone();
            let reader = input
                .schema
                .as_deref()
                .map(ReaderSchema::parse)
                .transpose()
                .map_err(schema_error)?;
            Ok(Arc::new(move || {
                InputDecoder::registry(schemas(), reader.clone(), &fields)
            }))
        }
    }
}
