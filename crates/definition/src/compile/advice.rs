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

/// The input of rows that a name begins with, or is.
pub fn rows_of<'r>(all: &'r [(String, Vec<String>)], name: &str) -> Option<(&'r str, &'r [String])> {
    let input = name.split('.').next()?;
    let (input, columns) = all.iter().find(|(other, _)| other == input)?;
    Some((input, columns))
}

/// What to write for the short name of a column.
pub fn column_called(all: &[(String, Vec<String>)], name: &str) -> Option<String> {
    let mut columns = all.iter().flat_map(|(_, columns)| columns);
    let column = columns.find(|column| column.split_once('.').is_some_and(|(_, short)| short == name))?;
    Some(format!(
        "write `{column}`: what the row of the transaction's entity says"
    ))
}
