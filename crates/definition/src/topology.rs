//! Makes of a compiled pipeline the topology that workers run: decoders for inputs, and the topics.

use crate::compile::{Compiled, InputSettings};
use crate::syntax::{Envelope, Format, KeyMismatch};
use riskstream_events::{Field, FieldError, InputDecoder, InputFields, Pseudonymizer, ReaderSchema, SchemaSource};
use riskstream_pipeline::{DecisionFormat, InputTopic, KeyRule, OnKeyMismatch, Topology};
use std::sync::Arc;

/// Why a pipeline has no topology.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// There are personal fields but no secret.
    #[error("{0}")]
    Fields(#[from] FieldError),
    /// An input needs the registry, which was not given.
    #[error("the input `{0}` needs the schema registry")]
    NoRegistry(String),
    /// The input's schema does not match the declared fields.
    #[error("the schema of `{input}`: {error}")]
    Schema {
        /// The input.
        input: String,
        /// Why not.
        error: riskstream_events::SchemaError,
    },
}

/// Makes the source of writer schemas for a worker's decoder.
pub type SchemaSources = Arc<dyn Fn() -> Box<dyn SchemaSource> + Send + Sync>;

impl Compiled {
    /// The fields of an input for decoders. `secret` is the key of pseudonyms.
    ///
    /// # Errors
    /// A field is personal and there is no secret.
    pub fn input_fields(&self, input: usize, secret: Option<&[u8]>) -> Result<InputFields, FieldError> {
        self.fields_of(input, self.inputs[input].fields.clone(), secret)
    }

    /// The fields of an input for decoders, and another one that the plan does not use.
    ///
    /// # Errors
    /// A field is personal and there is no secret; or the other field lies at the place of one that is used.
    pub fn input_fields_with(
        &self,
        input: usize,
        secret: Option<&[u8]>,
        other: Field,
    ) -> Result<InputFields, FieldError> {
        let fields = self.inputs[input].fields.iter().cloned();
        self.fields_of(input, fields.chain([other]).collect(), secret)
    }

    fn fields_of(&self, input: usize, fields: Vec<Field>, secret: Option<&[u8]>) -> Result<InputFields, FieldError> {
        let fields = InputFields::new(fields, secret.map(Pseudonymizer::new))?;
        let fields = fields.deriving(self.inputs[input].derived.clone());
        Ok(match self.inputs[input].envelope {
            Some(Envelope::Debezium) => fields.in_wrapper(),
            None => fields,
        })
    }

    /// The topology for `riskstream run`. `schemas` reaches the registry; `decision_format` is
    /// [`Compiled::decision_format`] with the schema's id in the registry.
    ///
    /// # Errors
    /// See [`TopologyError`].
    pub fn topology(
        &self,
        secret: Option<&[u8]>,
        schemas: Option<&SchemaSources>,
        decision_format: DecisionFormat,
    ) -> Result<Topology, TopologyError> {
        let mut inputs = Vec::new();
        for (index, input) in self.inputs.iter().enumerate() {
            let fields = self.input_fields(index, secret)?;
            let decoder = self.with_key(index, decoder(input, &fields, schemas)?, secret)?;
            inputs.push(InputTopic {
                topic: input.topic.clone(),
                decoder,
                key: self.key_rule(index, &fields, secret),
            });
        }
        Ok(self.topology_of(inputs, decision_format))
    }

    /// The topology with all inputs in JSON, for examples and simulated events.
    ///
    /// # Errors
    /// A field is personal and there is no secret.
    pub fn json_topology(&self, secret: Option<&[u8]>) -> Result<Topology, FieldError> {
        let mut inputs = Vec::new();
        for (index, input) in self.inputs.iter().enumerate() {
            let fields = self.input_fields(index, secret)?;
            let key = self.key_rule(index, &fields, secret);
            let decoder = self.with_key(index, Arc::new(move || InputDecoder::json(&fields)), secret)?;
            inputs.push(InputTopic {
                topic: input.topic.clone(),
                decoder,
                key,
            });
        }
        Ok(self.topology_of(inputs, DecisionFormat::Json))
    }

    /// Decoders that read keys as well, if the input is a table: a record without a value deletes the row of its key.
    fn with_key(&self, input: usize, decoder: Decoders, secret: Option<&[u8]>) -> Result<Decoders, FieldError> {
        let (plan, settings) = (&self.plan.inputs[input], &self.inputs[input]);
        let key = settings.fields.iter().find(|field| field.slot == plan.id);
        let Some(key) = key.filter(|_| plan.rows.is_some()) else {
            return Ok(decoder);
        };
        let derived = settings.derived.iter().filter(|derived| derived.from == key.slot);
        let field = InputFields::new(vec![key.clone()], secret.map(Pseudonymizer::new))?;
        let field = field.deriving(derived.cloned().collect());
        Ok(Arc::new(move || decoder().with_key(&field)))
    }

    /// What the records of an input must be keyed by, if the first stage reads its topic itself.
    fn key_rule(&self, input: usize, fields: &InputFields, secret: Option<&[u8]>) -> Option<KeyRule> {
        if self.repartition_topics.first()?.is_some() {
            return None;
        }
        let settings = &self.inputs[input];
        let name = settings.key.as_ref()?;
        let index = fields.fields.iter().position(|field| field.name == *name)?;
        let secret = secret.filter(|_| fields.is_personal(index));
        Some(KeyRule {
            field: name.clone(),
            slot: fields.fields[index].slot,
            pseudonymizer: secret.map(Pseudonymizer::new),
            on_mismatch: match settings.on_key_mismatch {
                KeyMismatch::Warn => OnKeyMismatch::Warn,
                KeyMismatch::Stop => OnKeyMismatch::Stop,
            },
        })
    }

    fn topology_of(&self, inputs: Vec<InputTopic>, decision_format: DecisionFormat) -> Topology {
        Topology {
            plan: self.plan.clone(),
            decision: self.decision.clone(),
            inputs,
            repartition_topics: self.repartition_topics.clone(),
            decisions: self.decisions.clone(),
            dead_letters: self.dead_letters.clone(),
            further_outputs: self.further_outputs.iter().map(|output| output.topic.clone()).collect(),
            list_topics: self.lists.iter().map(|list| list.topic.clone()).collect(),
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
