//! The text of a roll-out as sections: what it takes over from the one in force, and what it changes.

use super::record::parse;
use crate::compile::Compiled;
use crate::diagnostics::Diagnostics;
use crate::text::{self, NodeValue};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a roll-out says about itself.
const ABOUT_ITSELF: [&str; 4] = ["revision", "author", "description", "restores"];
/// They are rolled out together: roles of models.
const MODELS: [&str; 3] = ["champion", "challengers", "shadows"];

/// The sections of a text about deciding, in its order; none if it cannot be read.
pub fn sections(text: &str) -> Vec<(String, Value)> {
    let mut diagnostics = Diagnostics::default();
    let tree = parse(text, &mut diagnostics);
    let entries = tree.and_then(|tree| match tree.value {
        NodeValue::Map(entries) => Some(entries),
        _ => None,
    });
    let entries = entries.unwrap_or_default().into_iter();
    let sections = entries.filter(|(key, _)| !ABOUT_ITSELF.contains(&key.name.as_str()));
    sections.map(|(key, node)| (key.name, node.to_json())).collect()
}

/// The text, with the sections of `in_force` that it does not name, and the names of these. The roles of models are one section.
pub fn completed(text: &str, in_force: &str) -> (String, Vec<String>) {
    let own = sections(text);
    let names = |wanted: &[&str]| own.iter().any(|(name, _)| wanted.contains(&name.as_str()));
    let is_replaced = |name: &str| match MODELS.contains(&name) {
        true => names(&MODELS),
        false => names(&[name]),
    };
    let mut kept = sections(in_force);
    kept.retain(|(name, _)| !is_replaced(name));
    let mut completed = text.to_owned();
    for (name, value) in &kept {
        completed = with_key(&completed, name, value);
    }
    (completed, kept.into_iter().map(|(name, _)| name).collect())
}

/// The text with a key that it does not have yet. What was typed stays in its place, unless it is in braces.
pub fn with_key(text: &str, key: &str, value: &Value) -> String {
    match text.trim_start().strip_prefix('{') {
        Some(rest) => format!("{{{key}: {value}, {rest}"),
        None if text.trim().is_empty() => format!("{}\n", block(key, value)),
        None => format!("{}\n{}\n", text.trim_end(), block(key, value)),
    }
}

/// A section in lines: one for each entry.
fn block(name: &str, value: &Value) -> String {
    let mut lines = format!("{name}:");
    match value {
        Value::Array(items) if !items.is_empty() => items.iter().for_each(|item| lines += &format!("\n  - {item}")),
        Value::Object(entries) if !entries.is_empty() => {
            let entries = entries.iter();
            entries.for_each(|(key, value)| lines += &format!("\n  {}: {value}", Value::from(key.as_str())));
        }
        other => lines += &format!(" {other}"),
    }
    lines
}

/// What another roll-out changes, a line each: `+` is new, `-` is gone, `~` is another value. An empty text is the pipeline file.
pub fn changes(pipeline: &Compiled, before: &str, after: &str) -> Vec<String> {
    let (before, after) = (decides(pipeline, before), decides(pipeline, after));
    let mut lines = Vec::new();
    for (path, value) in &before {
        match after.get(path) {
            None => lines.push((path.clone(), format!("- {path}: {value}"))),
            Some(now) => changes_within(path, value, now, &mut lines),
        }
    }
    let added = after.iter().filter(|(path, _)| !before.contains_key(*path));
    lines.extend(added.map(|(path, value)| (path.clone(), format!("+ {path}: {value}"))));
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

/// What changes within a rule, a model, an expression.
fn changes_within(path: &str, before: &Value, after: &Value, lines: &mut Vec<(String, String)>) {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        if before != after {
            lines.push((
                path.to_owned(),
                format!("~ {path}: {} → {}", plain(before), plain(after)),
            ));
        }
        return;
    };
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let path = format!("{path}.{key}");
        match (before.get(key), after.get(key)) {
            (Some(before), Some(after)) => changes_within(&path, before, after, lines),
            (Some(gone), None) => lines.push((path.clone(), format!("- {path}: {}", plain(gone)))),
            (None, Some(new)) => lines.push((path.clone(), format!("+ {path}: {}", plain(new)))),
            (None, None) => {}
        }
    }
}

/// A text without quotes, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// All that decides, element by element, by its place: the pipeline file with a roll-out's sections.
fn decides(pipeline: &Compiled, rollout: &str) -> BTreeMap<String, Value> {
    let mut all: BTreeMap<String, Value> = of_pipeline(pipeline);
    for (name, value) in sections(rollout) {
        match (all.get_mut(&name), value) {
            (Some(Value::Object(before)), Value::Object(more)) if matches!(name.as_str(), "features" | "lists") => {
                before.extend(more);
            }
            (_, value) => {
                all.insert(name, value);
            }
        }
    }
    all.remove("examples");
    let mut elements = BTreeMap::new();
    for (name, section) in all {
        match section {
            Value::Object(entries) if matches!(name.as_str(), "features" | "lists") => {
                elements.extend(entries.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            Value::Array(items) => {
                elements.extend(
                    items
                        .into_iter()
                        .zip(1..)
                        .map(|(item, number)| element(&name, item, number)),
                );
            }
            whole => {
                elements.insert(name, whole);
            }
        }
    }
    elements
}

/// An element of a list with its place: its name, if it has one.
fn element(section: &str, mut item: Value, number: usize) -> (String, Value) {
    let name = item.as_object_mut().and_then(|item| item.remove("name"));
    let name = name.as_ref().map_or_else(|| number.to_string(), plain);
    (format!("{section}.{name}"), item)
}

/// The sections of the pipeline file that can be rolled out. Variables stay names.
fn of_pipeline(pipeline: &Compiled) -> BTreeMap<String, Value> {
    let placeholder = |name: &str| Some(format!("${{{name}}}"));
    let tree = text::parse(&pipeline.source, &placeholder, &mut Diagnostics::default());
    let Some(Value::Object(mut file)) = tree.map(|tree| tree.to_json()) else {
        return BTreeMap::new();
    };
    let mut sections = BTreeMap::new();
    for (name, role) in [
        ("model", "champion"),
        ("rules", "rules"),
        ("decision", "decision"),
        ("explain", "explain"),
        ("features", "features"),
        ("lists", "lists"),
    ] {
        sections.extend(file.remove(name).map(|value| (role.to_owned(), value)));
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_that_a_text_does_not_name_stay_as_they_are_in_force() {
        let in_force = "revision: 3\nauthor: anna\nchampion: {file: a.onnx}\nrules:\n- {name: a, when: amount > 5, then: review}\n";
        for (text, expected, kept) in [
            (
                "# why\ndecision: {review: score > 0.5}\n",
                "# why\ndecision: {review: score > 0.5}\nchampion:\n  \"file\": \"a.onnx\"\nrules:\n  - \
                 {\"name\":\"a\",\"then\":\"review\",\"when\":\"amount > 5\"}\n",
                vec!["champion", "rules"],
            ),
            (
                "{rules: []} # }",
                "{champion: {\"file\":\"a.onnx\"}, rules: []} # }",
                vec!["champion"],
            ),
            (
                "{}",
                "{rules: [{\"name\":\"a\",\"then\":\"review\",\"when\":\"amount > 5\"}], champion: {\"file\":\"a.onnx\"}, }",
                vec!["champion", "rules"],
            ),
            (
                "shadows: [{file: b.onnx}]\nrules: []",
                "shadows: [{file: b.onnx}]\nrules: []",
                vec![],
            ),
        ] {
            let (completed, named) = completed(text, in_force);
            assert_eq!(
                (completed.as_str(), named),
                (expected, kept.iter().map(|name| (*name).to_owned()).collect())
            );
            let mut again: Vec<String> = sections(&completed).into_iter().map(|(name, _)| name).collect();
            again.retain(|name| kept.contains(&name.as_str()));
            assert_eq!(again.len(), kept.len(), "{completed}");
        }
    }
}
