//! The JSON Schema of pipeline files, for editors.

use super::surface::PipelineFile;
use schemars::generate::SchemaSettings;

/// The schema as text.
pub fn schema() -> String {
    let schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<PipelineFile>();
    serde_json::to_string_pretty(&schema).expect("a schema is JSON")
}
