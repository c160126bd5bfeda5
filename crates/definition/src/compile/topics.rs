//! What inputs must not have in common, and what they must.

use super::inputs::ResolvedInput;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::node::Span;
use crate::read::{Map, Spanned};
use crate::syntax::Input;
use std::collections::BTreeMap;

/// Fields of one name are one thing, whichever input they come from.
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
                ("have one type", other.value_type.name(), field.value_type.name())
            } else if field.personal != other.personal {
                let word = |personal| if personal { "personal" } else { "not personal" };
                (
                    "both be personal or neither",
                    word(other.personal),
                    word(field.personal),
                )
            } else {
                continue;
            };
            diagnostics.add(
                Diagnostic::new(format!("fields of one name must {what}"), field.span.clone())
                    .label(format!("`{name}` of `{}` is {second}", input.name))
                    .also(
                        other.span.clone(),
                        format!("`{name}` of `{}` is {first}", other_input.name),
                    )
                    .help("make them agree, or give one another name with `path:`"),
            );
        }
    }
}

pub fn check_topics(inputs: &Map<Input>, diagnostics: &mut Diagnostics) {
    let mut seen: BTreeMap<&str, &Span> = BTreeMap::new();
    for (_, input) in inputs.iter() {
        let Some(topic) = &input.topic.0 else {
            continue;
        };
        check_topic_name(topic, diagnostics);
        if let Some(first) = seen.insert(&topic.value, &topic.span) {
            diagnostics.add(
                Diagnostic::new(format!("the topic `{}` is read twice", topic.value), topic.span.clone())
                    .label("the second time")
                    .also(first.clone(), "the first time"),
            );
        }
    }
}

/// Kafka's rules for the name of a topic.
pub fn check_topic_name(topic: &Spanned<String>, diagnostics: &mut Diagnostics) {
    let name = topic.value.as_str();
    let legal = !name.is_empty()
        && name.len() <= 249
        && name != "."
        && name != ".."
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !legal {
        diagnostics.add(
            Diagnostic::new(format!("`{name}` cannot be the name of a topic"), topic.span.clone())
                .help("a topic's name is 1 to 249 of the characters a-z, A-Z, 0-9, `.`, `_` and `-`"),
        );
    }
}
