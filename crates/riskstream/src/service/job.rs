//! What a run of a pipeline needs, made of the pipeline file and the command line.

use super::stores::RocksStores;
use super::{Health, Instance, Stop};
use crate::registry::{Credentials, Registry, RegistryError, record_name, subject};
use crate::rollout::LoadedRollouts;
use riskstream_definition::syntax::Delivery as FileDelivery;
use riskstream_definition::{Compiled, Format, RegistrySettings, SchemaSources};
use riskstream_events::{DECISION_AVRO_SCHEMA, SchemaSource};
use riskstream_kafka::{Delivery, KafkaOptions};
use riskstream_pipeline::WorkerOptions;
use riskstream_pipeline::{DecisionFormat, Topology};
use riskstream_store::SharedMemory;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// After a worker's death readers of committed data wait for this long at most; a restart on the same state
/// directory ends the wait at once.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// A run of a pipeline.
pub struct Job {
    /// The pipeline file, as it was named on the command line.
    pub file: PathBuf,
    /// The pipeline.
    pub compiled: Compiled,
    /// The secret for pseudonyms, if the pipeline declares personal data.
    pub secret: Option<Vec<u8>>,
    /// How to reach Kafka; topics, client and transactional id are filled in for each worker.
    pub kafka: KafkaOptions,
    /// The directory of this pipeline's state.
    pub state: PathBuf,
    /// Memory that all tasks' stores share.
    pub memory: SharedMemory,
    /// Who this copy is.
    pub instance: Instance,
    /// Number of workers.
    pub workers: usize,
    /// Where workers find the models of roll-outs.
    pub rollouts: LoadedRollouts,
    /// Where workers tell how they are.
    pub health: Health,
    /// When to end.
    pub stop: Stop,
}

impl Job {
    /// The registry that the file names.
    pub fn registry(&self) -> Option<Registry> {
        self.compiled.settings.registry.as_ref().map(registry)
    }

    /// How decisions are written. For Avro the registry is asked for the schema's id.
    ///
    /// # Errors
    /// The registry has no answer.
    pub fn decision_format(&self, registry: Option<&Registry>) -> Result<DecisionFormat, RegistryError> {
        match (
            self.compiled.decision_format,
            registry,
            &self.compiled.settings.registry,
        ) {
            (Format::Json, ..) => Ok(DecisionFormat::Json),
            (Format::Avro, Some(registry), Some(settings)) => {
                let record = record_name(DECISION_AVRO_SCHEMA);
                let subject = subject(settings.subject_strategy, &self.compiled.decisions, &record);
                let schema_id = registry.register(&subject, DECISION_AVRO_SCHEMA)?;
                tracing::info!(target: "riskstream::registry", subject, schema_id, "the decision's schema is registered");
                Ok(DecisionFormat::Avro { schema_id })
            }
            // `avro` without a registry is a diagnostic that the file was checked for.
            (Format::Avro | Format::AvroPlain, ..) => Ok(DecisionFormat::AvroPlain),
        }
    }

    /// The topics as workers need them.
    ///
    /// # Errors
    /// A schema file that does not go with the fields.
    pub fn topology(&self, registry: Option<&Registry>, format: DecisionFormat) -> Result<Topology, anyhow::Error> {
        let schemas: Option<SchemaSources> = registry.cloned().map(|registry| {
            let sources: SchemaSources = Arc::new(move || Box::new(registry.clone()) as Box<dyn SchemaSource>);
            sources
        });
        Ok(self
            .compiled
            .topology(self.secret.as_deref(), schemas.as_ref(), format)?)
    }

    /// How worker number `worker` reaches Kafka.
    pub(super) fn kafka_of_worker(&self, worker: usize, topology: &Topology) -> KafkaOptions {
        let mut options = self.kafka.clone();
        let names = |topics: Vec<Arc<str>>| topics.iter().map(|topic| topic.to_string()).collect();
        options.inputs = names(topology.input_topics());
        options.outputs = names(topology.output_topics());
        options.slot = self.instance.slot(worker);
        options.transactional_id_prefix = format!("{}-{}", options.group, self.instance.id());
        options.client_id = format!("riskstream-{}-{}", self.compiled.plan.name, options.slot);
        options
    }

    pub(super) fn stores(&self) -> RocksStores {
        RocksStores {
            directory: self.state.clone(),
            memory: self.memory.clone(),
        }
    }

    pub(super) fn worker_options(&self) -> WorkerOptions {
        WorkerOptions::default()
    }
}

/// How to reach the file's Kafka, at `brokers` if the command line says so. `None` if neither says where it is.
pub fn kafka_options(compiled: &Compiled, brokers: Option<&str>) -> Option<KafkaOptions> {
    let settings = compiled.settings.kafka.as_ref();
    let brokers = brokers.or(settings.map(|kafka| kafka.brokers.as_str()))?;
    let group = settings.map_or(compiled.plan.name.as_str(), |kafka| kafka.group.as_str());
    let mut options = KafkaOptions::new(brokers, group);
    options.delivery = match compiled.settings.delivery {
        FileDelivery::ExactlyOnce => Delivery::ExactlyOnce,
        FileDelivery::AtLeastOnce => Delivery::AtLeastOnce,
    };
    options.transaction_timeout = TRANSACTION_TIMEOUT;
    options.overrides = settings
        .into_iter()
        .flat_map(|kafka| kafka.properties.iter().cloned())
        .collect();
    Some(options)
}

/// The registry that a pipeline file names.
pub fn registry(settings: &RegistrySettings) -> Registry {
    let credentials = match (&settings.username, &settings.password) {
        (Some(username), password) => Credentials::Basic {
            username: username.clone(),
            password: password.clone().unwrap_or_default(),
        },
        (None, _) => Credentials::None,
    };
    Registry::new(&settings.url, credentials)
}
