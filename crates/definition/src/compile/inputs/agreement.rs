//! Fields of one name share a slot, so all inputs must declare them alike.

use super::input::ResolvedInput;
use crate::diagnostics::{Diagnostic, Diagnostics};

/// Checks that fields of one name have one type, and are all personal or all not.
pub fn check_agreement(inputs: &[ResolvedInput], diagnostics: &mut Diagnostics) {
    for (index, input) in inputs.iter().enumerate() {
        for (name, field) in &input.fields {
            let Some((other_input, other)) = inputs[..index]
                .iter()
                .find_map(|other| Some((other, other.fields.get(name)?)))
            else {
                continue;
            };
            let (what, first, second) = if field.value_type != other.value_type {
                ("have the same type", other.value_type.name(), field.value_type.name())
            } else if field.personal != other.personal {
                let word = |personal| if personal { "personal" } else { "not personal" };
                ("all be personal or all not", word(other.personal), word(field.personal))
            } else {
                continue;
            };
            diagnostics.add(
                Diagnostic::new(format!("fields with the same name must {what}"), field.span.clone())
                    .label(format!("`{name}` of `{}` is {second}", input.name))
                    .also(
                        other.span.clone(),
                        format!("`{name}` of `{}` is {first}", other_input.name),
                    )
                    .help("make them equal, or rename one and give its place in the record with `path:`"),
            );
        }
    }
}
