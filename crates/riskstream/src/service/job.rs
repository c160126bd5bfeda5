//! The data that the threads of the service share.

use super::health::Health;
use super::instance::{Instance, InstanceError};
use super::standby::Standbys;
use super::stores::RocksStores;
use crate::connections::{self, schema_sources};
use crate::lists::ReadLists;
use crate::registry::{Registry, RegistryError, record_name, subject};
use crate::rollout::LoadedRollouts;
use crate::shutdown::Shutdown;
use riskstream_definition::syntax::SubjectStrategy;
use riskstream_definition::{Compiled, Format};
use riskstream_kafka::{KafkaOptions, LastTransaction};
use riskstream_pipeline::{CatchUpSignal, DecisionFormat, Topology, WorkerRole};

/// A run of a pipeline as a service.
pub struct Job {
    /// The pipeline.
    pub compiled: Compiled,
    /// The secret for pseudonyms, if the pipeline declares personal data.
    pub secret: Option<Vec<u8>>,
    /// How to reach Kafka. Topics, client id and transactional id are set for each worker.
    pub kafka: KafkaOptions,
    /// The slots of this process in the state directory.
    pub instance: Instance,
    /// The tasks' state stores.
    pub stores: RocksStores,
    /// The standby copies of states, if the pipeline has them.
    pub standbys: Option<Standbys>,
    /// Number of worker threads, of all roles.
    pub workers: usize,
    /// What each worker knows of the last transaction of its transactional id.
    pub last_transactions: Vec<LastTransaction>,
    /// The models of roll-outs.
    pub rollouts: LoadedRollouts,
    /// The versions of lists.
    pub lists: ReadLists,
    /// Whether a worker of this process sees that history is read.
    pub history: CatchUpSignal,
    /// The workers' health.
    pub health: Health,
    /// When to end.
    pub shutdown: Shutdown,
}

impl Job {
    /// A client of the pipeline's registry, if it has one.
    pub fn registry(&self) -> Option<Registry> {
        self.compiled.settings.registry.as_ref().map(connections::registry)
    }

    /// The format of decisions on the topic. For Avro, the schema is registered.
    ///
    /// # Errors
    /// The registry cannot be reached, or refuses the schema.
    pub fn decision_format(&self, registry: Option<&Registry>) -> Result<DecisionFormat, RegistryError> {
        match (
            self.compiled.decision_format,
            registry,
            &self.compiled.settings.registry,
        ) {
            (Format::Json, ..) => Ok(DecisionFormat::Json),
            (Format::Avro, Some(registry), Some(settings)) => {
                let schema = self.compiled.decision_avro_schema();
                let record = record_name(&schema);
                let subject = subject(settings.subject_strategy, &self.compiled.decisions, &record);
                let schema_id = registry.register(&subject, &schema)?;
                tracing::info!(target: "riskstream::registry", subject, schema_id, "the decision's schema is registered");
                self.register_further(registry, settings.subject_strategy, &record, &schema)?;
                Ok(DecisionFormat::Avro { schema_id })
            }
            // A pipeline file with the format `avro` and no registry has a diagnostic.
            (Format::Avro | Format::AvroPlain, ..) => Ok(DecisionFormat::AvroPlain),
        }
    }

    /// Registers the schema for further outputs, whose records name it by the id that it has for decisions.
    fn register_further(
        &self,
        registry: &Registry,
        strategy: SubjectStrategy,
        record: &str,
        schema: &str,
    ) -> Result<(), RegistryError> {
        for output in &self.compiled.further_outputs {
            registry.register(&subject(strategy, &output.topic, record), schema)?;
        }
        Ok(())
    }

    /// The topics with their decoders and encoders.
    ///
    /// # Errors
    /// A schema file does not match the fields of its input.
    pub fn topology(&self, registry: Option<&Registry>, format: DecisionFormat) -> Result<Topology, anyhow::Error> {
        let schemas = registry.map(schema_sources);
        Ok(self
            .compiled
            .topology(self.secret.as_deref(), schemas.as_ref(), format)?)
    }

    /// The Kafka options of the next incarnation of worker number `worker`.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub(super) fn kafka_options(&self, worker: usize, topology: &Topology) -> Result<KafkaOptions, InstanceError> {
        let mut options = self.member_options(worker, topology);
        options.outputs = topology.output_topics().iter().map(|topic| topic.to_string()).collect();
        options.headers = topology.copied_headers();
        options.transactional_id_prefix = self.transactional_id_prefix(self.instance.id());
        options.incarnation = self.instance.begin_incarnation(worker)?;
        options.last_transaction = self.last_transactions[worker].clone();
        Ok(options)
    }

    /// What concerns the group in the options of worker number `worker`.
    pub(super) fn member_options(&self, worker: usize, topology: &Topology) -> KafkaOptions {
        let mut options = self.kafka.clone();
        let roles = WorkerRole::of(&topology.repartition_topics);
        let inputs = topology.input_topics_of(roles[worker % roles.len()]);
        options.inputs = inputs.iter().map(|topic| topic.to_string()).collect();
        options.slot = self.instance.slot(worker);
        options.client_id = format!("riskstream-{}-{}", self.compiled.plan.name, options.slot);
        options
    }

    /// What the transactional ids of the workers begin with that have this home: an instance's id.
    pub(super) fn transactional_id_prefix(&self, home: &str) -> String {
        format!("{}-{home}", self.kafka.group)
    }
}
