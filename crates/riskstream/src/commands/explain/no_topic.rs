//! What stands for reading a topic in a build without Kafka.

use super::{Args, Printer};
use crate::commands::CommandError;
use anyhow::anyhow;
use std::path::Path;

/// Refuses.
pub fn read(pipeline: &Path, _: &Args, _: &mut Printer<'_>) -> Result<String, CommandError> {
    Err(CommandError::Configuration(anyhow!(
        "cannot read the topics of {}: this riskstream was built without the feature `kafka`",
        pipeline.display()
    )))
}
