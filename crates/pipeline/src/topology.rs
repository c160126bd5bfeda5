//! Which topic is read by what and written from where: the plan's stages laid over topics.

use riskstream_engine::plan::Plan;
use riskstream_events::InputDecoder;
use std::sync::Arc;

/// The pipeline as topics. Made by the binary from the pipeline file.
pub struct Topology {
    /// What is computed.
    pub plan: Arc<Plan>,
    /// The inputs' topics, in the plan's order of inputs.
    pub inputs: Vec<InputTopic>,
    /// The topic in front of each stage: `None` for a first stage that reads the transactions topic itself,
    /// because that topic is keyed by the first entity and there is no other input.
    pub hops: Vec<Option<Arc<str>>>,
    /// Where decisions go.
    pub decisions: Arc<str>,
    /// Where records go that cannot be processed.
    pub dead_letters: Arc<str>,
    /// How decisions are written.
    pub decision_format: DecisionFormat,
    /// Whether a dead letter may hold the original bytes: not when the pipeline declares personal data.
    pub dead_letter_values: bool,
}

/// One input topic.
pub struct InputTopic {
    /// Its name.
    pub topic: Arc<str>,
    /// Makes decoders for it; each worker has its own.
    pub decoder: Arc<dyn Fn() -> InputDecoder + Send + Sync>,
}

/// The encoding of decisions on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionFormat {
    /// JSON.
    Json,
    /// Avro in Confluent's wire format, with the decision schema's id in the registry.
    Avro {
        /// The registry's id of schemas/decision.avsc.
        schema_id: u32,
    },
    /// Avro without a prefix.
    AvroPlain,
}
