//! The text that is compiled.

use crate::text::Environment;
use std::path::Path;

/// The text of a pipeline file.
pub struct FileText<'a> {
    /// The name of the file in messages.
    pub name: &'a str,
    /// The text.
    pub source: &'a str,
    /// The directory of models, cards and schema files.
    pub directory: &'a Path,
    /// The values of variables.
    pub environment: Environment<'a>,
}
