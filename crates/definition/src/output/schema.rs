//! The JSON Schemas of pipeline files and roll-outs, for editors.

use crate::syntax::{PipelineFile, RolloutFile, RolloutStep};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

/// The schema of pipeline files as text.
pub fn schema() -> String {
    schema_of::<PipelineFile>()
}

/// The schema of roll-outs as text.
pub fn rollout_schema() -> String {
    schema_of::<RolloutFile>()
}

/// The schema of records that approve or apply roll-outs as text.
pub fn rollout_step_schema() -> String {
    schema_of::<RolloutStep>()
}

fn schema_of<File: JsonSchema>() -> String {
    let schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<File>();
    serde_json::to_string_pretty(&schema).expect("a schema is JSON")
}
