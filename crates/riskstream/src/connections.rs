//! How to reach the Kafka and the schema registry that a pipeline file names.

use crate::registry::{Credentials, Registry};
use riskstream_definition::syntax::Delivery as DefinedDelivery;
use riskstream_definition::{Compiled, RegistrySettings, SchemaSources};
use riskstream_events::SchemaSource;
use riskstream_kafka::{Delivery, KafkaOptions};
use riskstream_pipeline::log::LogError;
use std::sync::Arc;
use std::time::Duration;

/// If a worker dies, readers of committed data wait this long at most for its open transaction. A restart on the same
/// state directory aborts it at once.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the settings for Kafka cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Kafka's address is not known.
    #[error(
        "neither the file nor the command line says where Kafka is: add `kafka: {{brokers: host:port}}` to the file, or \
         --brokers host:port"
    )]
    NoBrokers,
    /// librdkafka refuses a property.
    #[error("{file}: kafka.properties: {error}")]
    Property {
        /// The pipeline file.
        file: String,
        /// Why.
        error: LogError,
    },
}

/// The options for the Kafka of a pipeline. `brokers` (from the command line) takes precedence over the file.
///
/// # Errors
/// Neither names brokers, or librdkafka refuses the properties.
pub fn kafka_options(compiled: &Compiled, brokers: Option<&str>) -> Result<KafkaOptions, SettingsError> {
    let settings = compiled.settings.kafka.as_ref();
    let brokers = brokers
        .or(settings.map(|kafka| kafka.brokers.as_str()))
        .ok_or(SettingsError::NoBrokers)?;
    let group = settings.map_or(compiled.plan.name.as_str(), |kafka| kafka.group.as_str());
    let mut options = KafkaOptions::new(brokers, group);
    options.delivery = match compiled.settings.delivery {
        DefinedDelivery::ExactlyOnce => Delivery::ExactlyOnce,
        DefinedDelivery::AtLeastOnce => Delivery::AtLeastOnce,
    };
    options.transaction_timeout = TRANSACTION_TIMEOUT;
    options.overrides = settings
        .into_iter()
        .flat_map(|kafka| kafka.properties.iter().cloned())
        .collect();
    riskstream_kafka::check(&options).map_err(|error| SettingsError::Property {
        file: compiled.file.to_string(),
        error,
    })?;
    Ok(options)
}

/// A client of the registry of a pipeline.
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

/// The writers' schemas of a registry.
pub fn schema_sources(registry: &Registry) -> SchemaSources {
    let registry = registry.clone();
    Arc::new(move || Box::new(registry.clone()) as Box<dyn SchemaSource>)
}
