//! The schemas of decision records. What differs between pipelines are the outcomes.

use crate::outcome::Outcomes;

/// schemas/decision.avsc: the schema of decisions with the default outcomes.
pub const DECISION_AVRO_SCHEMA: &str = include_str!("../../../../schemas/decision.avsc");
/// schemas/decision.schema.json: the schema of decisions with the default outcomes.
pub const DECISION_JSON_SCHEMA: &str = include_str!("../../../../schemas/decision.schema.json");

/// The Avro schema of a pipeline's decisions.
pub fn decision_avro_schema(outcomes: &Outcomes) -> String {
    with_outcomes(DECISION_AVRO_SCHEMA, outcomes)
}

/// The JSON Schema of a pipeline's decisions.
pub fn decision_json_schema(outcomes: &Outcomes) -> String {
    with_outcomes(DECISION_JSON_SCHEMA, outcomes)
}

/// The schema with these outcomes in place of the default ones. Its text is otherwise the same: registries compare texts.
fn with_outcomes(schema: &str, outcomes: &Outcomes) -> String {
    schema.replacen(&list(&Outcomes::default()), &list(outcomes), 1)
}

/// The words as a list in JSON. They have no characters that JSON escapes.
fn list(outcomes: &Outcomes) -> String {
    let words: Vec<String> = outcomes.words().map(|word| format!("\"{word}\"")).collect();
    format!("[{}]", words.join(", "))
}
