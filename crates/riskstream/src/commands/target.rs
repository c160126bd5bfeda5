//! The arguments that commands on a pipeline's Kafka share.

use super::error::CommandError;
use crate::connections::kafka_options;
use crate::pipeline_file;
use riskstream_definition::Compiled;
use riskstream_kafka::KafkaOptions;
use std::path::PathBuf;

/// A pipeline and its Kafka.
#[derive(clap::Args)]
pub(super) struct Target {
    /// The pipeline file
    pub(super) pipeline: PathBuf,
    /// Kafka's address, instead of that in the pipeline file: `host:port,host:port`
    #[arg(long, value_name = "BROKERS")]
    pub(super) brokers: Option<String>,
}

impl Target {
    /// Loads the pipeline file.
    ///
    /// # Errors
    /// The file has diagnostics, or neither the file nor the command line names brokers.
    pub(super) fn load(&self) -> Result<(Compiled, KafkaOptions), CommandError> {
        self.load_reading(&[])
    }

    /// [`Target::load`], and reads these fields as well, where the file declares them.
    ///
    /// # Errors
    /// See [`Target::load`].
    pub(super) fn load_reading(&self, fields: &[String]) -> Result<(Compiled, KafkaOptions), CommandError> {
        let compiled = pipeline_file::load_reading(&self.pipeline, fields)?;
        let kafka = kafka_options(&compiled, self.brokers.as_deref()).map_err(CommandError::configuration)?;
        Ok((compiled, kafka))
    }
}
