//! What to say about a name that an expression cannot use.

use crate::diagnostics::enumerate;

/// What to know about a name that has no value yet where it is used.
pub fn known_later(name: &str) -> Option<String> {
    match name {
        "score" | "late_by" | "flags" => Some(format!(
            "only rules and thresholds can use {name}: features are inputs of the model"
        )),
        "outcome" | "rules" | "shadow_rules" => Some(format!(
            "only the conditions of outputs can use {name}, which is known once the decision is made"
        )),
        _ => None,
    }
}

/// What can be asked of an input of rows.
pub fn about_rows(input: &str, columns: &[String], is_rollout: bool) -> String {
    let columns = enumerate(columns.iter().map(String::as_str));
    match is_rollout {
        true => format!(
            "a roll-out can use those columns of {input} that the pipeline file uses; it can use {columns} once the file does"
        ),
        false => format!("the columns of {input} are {columns}; without a row of the entity they are null"),
    }
}

/// What to do about a name that a roll-out would need.
pub fn needs_a_restart(name: &str) -> String {
    format!(
        "a roll-out can add constants, `lists: {{{name}: […]}}`, and expressions over what there is, `features: {{{name}: \
         {{expression: …}}}}`. Fields and aggregations are read and counted from a start on: add them to the pipeline file, and \
         restart"
    )
}
