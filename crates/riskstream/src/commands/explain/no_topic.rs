//! In place of topic.rs in builds without the feature `kafka`.

use super::printer::Printer;
use crate::commands::error::CommandError;
use anyhow::anyhow;
use std::path::Path;

/// Refuses to read the topic.
pub(super) fn read(
    pipeline: &Path,
    _: Option<&str>,
    _: (Option<i64>, Option<&str>),
    _: &mut Printer<'_>,
) -> Result<String, CommandError> {
    Err(CommandError::configuration(anyhow!(
        "cannot read the topics of {}: this riskstream was built without the feature `kafka`",
        pipeline.display()
    )))
}
