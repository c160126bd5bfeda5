//! Schemas that refer to other schemas: each one is inlined where its name is used first, so that one JSON text remains.

use super::error::RegistryError;
use super::subject::full_name;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Limit of schemas that one schema refers to, directly or indirectly. More of them are most likely a cycle.
const MAX_REFERENCES: usize = 200;

/// Why references cannot be resolved.
#[derive(Debug)]
pub(super) enum ReferenceError {
    /// A schema that is referred to could not be fetched.
    Fetch(RegistryError),
    /// The registry's answer is not usable.
    Malformed(String),
}

/// Fetches the registry's answer for a subject and a version of it.
pub(super) type Fetch<'a> = &'a dyn Fn(&str, u64) -> Result<Value, RegistryError>;

/// The schema in the registry's `answer` as JSON, with all schemas inlined that it refers to.
pub(super) fn resolve(answer: &Value, fetch: Fetch<'_>) -> Result<String, ReferenceError> {
    let text = schema_text(answer)?;
    let mut definitions = BTreeMap::new();
    collect(answer, fetch, &mut definitions)?;
    if definitions.is_empty() {
        return Ok(text.to_owned());
    }
    let mut schema = parse(text)?;
    inline(&mut schema, "", &mut definitions);
    Ok(schema.to_string())
}

/// Collects the schemas that `answer` refers to, directly or indirectly, by their full names.
fn collect(answer: &Value, fetch: Fetch<'_>, definitions: &mut BTreeMap<String, Value>) -> Result<(), ReferenceError> {
    let references = answer.get("references").and_then(Value::as_array);
    for reference in references.into_iter().flatten() {
        let text = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or_default();
        let version = reference.get("version").and_then(Value::as_u64).unwrap_or_default();
        if definitions.contains_key(text("name")) {
            continue;
        }
        if definitions.len() >= MAX_REFERENCES {
            return Err(ReferenceError::Malformed(format!(
                "a schema refers to more than {MAX_REFERENCES} others"
            )));
        }
        let answer = fetch(text("subject"), version).map_err(ReferenceError::Fetch)?;
        definitions.insert(text("name").to_owned(), parse(schema_text(&answer)?)?);
        collect(&answer, fetch, definitions)?;
    }
    Ok(())
}

fn schema_text(answer: &Value) -> Result<&str, ReferenceError> {
    let text = answer.get("schema").and_then(Value::as_str);
    text.ok_or_else(|| ReferenceError::Malformed("the answer has no schema".to_owned()))
}

fn parse(text: &str) -> Result<Value, ReferenceError> {
    let malformed = |_| ReferenceError::Malformed("a schema that is referred to is not JSON".to_owned());
    serde_json::from_str(text).map_err(malformed)
}

/// Replaces the first use of each definition's name by the definition.
fn inline(schema: &mut Value, namespace: &str, definitions: &mut BTreeMap<String, Value>) {
    match schema {
        Value::String(name) => {
            let local = full_name(name, namespace);
            let found = definitions
                .remove_entry(&local)
                .or_else(|| definitions.remove_entry(name.as_str()));
            let Some((name, mut definition)) = found else { return };
            inline(&mut definition, "", definitions);
            if let Value::Object(object) = &mut definition {
                qualify(object, &name);
            }
            *schema = definition;
        }
        Value::Array(branches) => {
            for branch in branches {
                inline(branch, namespace, definitions);
            }
        }
        Value::Object(object) => inline_object(object, namespace, definitions),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn inline_object(object: &mut Map<String, Value>, namespace: &str, definitions: &mut BTreeMap<String, Value>) {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let inner = match (text("name").rsplit_once('.'), object.get("namespace")) {
        (Some((namespace, _)), _) => namespace.to_owned(),
        (None, Some(Value::String(namespace))) => namespace.clone(),
        _ => namespace.to_owned(),
    };
    match text("type") {
        "record" | "error" => {
            let fields = object.get_mut("fields").and_then(Value::as_array_mut);
            for field in fields.into_iter().flatten() {
                if let Some(field_type) = field.get_mut("type") {
                    inline(field_type, &inner, definitions);
                }
            }
        }
        "array" => object
            .get_mut("items")
            .into_iter()
            .for_each(|items| inline(items, namespace, definitions)),
        "map" => object
            .get_mut("values")
            .into_iter()
            .for_each(|values| inline(values, namespace, definitions)),
        "enum" | "fixed" => {}
        _ => object
            .get_mut("type")
            .into_iter()
            .for_each(|inner| inline(inner, namespace, definitions)),
    }
}

/// Gives a definition its full name, so that it does not take on the namespace around it.
fn qualify(definition: &mut Map<String, Value>, full: &str) {
    let (namespace, name) = full.rsplit_once('.').unwrap_or(("", full));
    definition.insert("name".to_owned(), name.into());
    definition.insert("namespace".to_owned(), namespace.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_definition_is_inlined_where_its_name_is_used_first() {
        let mut schema = json!({
            "type": "record", "name": "shop.Payment", "fields": [
                {"name": "card", "type": "Card"},
                {"name": "second", "type": ["null", "shop.Card"]},
                {"name": "places", "type": {"type": "array", "items": "geo.Place"}}
            ]
        });
        let mut definitions = BTreeMap::from([
            (
                "shop.Card".to_owned(),
                json!({"type": "record", "name": "Card", "namespace": "shop", "fields": [
                    {"name": "issued_in", "type": "geo.Place"}
                ]}),
            ),
            (
                "geo.Place".to_owned(),
                json!({"type": "enum", "name": "geo.Place", "symbols": ["A"]}),
            ),
        ]);
        inline(&mut schema, "", &mut definitions);
        let place = json!({"type": "enum", "name": "Place", "namespace": "geo", "symbols": ["A"]});
        let card = json!({"type": "record", "name": "Card", "namespace": "shop", "fields": [
            {"name": "issued_in", "type": place}
        ]});
        let expected = json!({
            "type": "record", "name": "shop.Payment", "fields": [
                {"name": "card", "type": card},
                {"name": "second", "type": ["null", "shop.Card"]},
                {"name": "places", "type": {"type": "array", "items": "geo.Place"}}
            ]
        });
        assert_eq!(schema, expected);
    }
}
