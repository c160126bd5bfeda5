//! Schemas that refer to other schemas: each is put where its name is used first, so that one text remains.

use super::subject::full_name;
use super::{Registry, RegistryError};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// More than this many schemas behind one are a cycle or a diagnostic.
const MOST_REFERENCES: usize = 200;

/// The text of the schema in the registry's `answer`, with its references resolved.
pub(super) fn resolve(registry: &Registry, answer: &Value) -> Result<String, RegistryError> {
    let text = schema_text(registry, answer)?;
    let mut definitions = BTreeMap::new();
    collect(registry, answer, &mut definitions)?;
    if definitions.is_empty() {
        return Ok(text);
    }
    let mut schema = parse(registry, &text)?;
    inline(&mut schema, "", &mut definitions);
    Ok(schema.to_string())
}

/// Definitions by full name, of all that `answer` refers to directly or indirectly.
fn collect(
    registry: &Registry,
    answer: &Value,
    definitions: &mut BTreeMap<String, Value>,
) -> Result<(), RegistryError> {
    let references = answer.get("references").and_then(Value::as_array);
    for reference in references.into_iter().flatten() {
        let text = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or_default();
        let version = reference.get("version").and_then(Value::as_u64).unwrap_or_default();
        if definitions.contains_key(text("name")) {
            continue;
        }
        if definitions.len() >= MOST_REFERENCES {
            return Err(registry.unavailable(format!("a schema refers to more than {MOST_REFERENCES} others")));
        }
        let referred = registry.version(text("subject"), version)?;
        let definition = parse(registry, &schema_text(registry, &referred)?)?;
        definitions.insert(text("name").to_owned(), definition);
        collect(registry, &referred, definitions)?;
    }
    Ok(())
}

fn schema_text(registry: &Registry, answer: &Value) -> Result<String, RegistryError> {
    let text = answer.get("schema").and_then(Value::as_str).map(str::to_owned);
    text.ok_or_else(|| registry.unavailable("the answer has no schema".to_owned()))
}

fn parse(registry: &Registry, text: &str) -> Result<Value, RegistryError> {
    serde_json::from_str(text).map_err(|_| registry.unavailable("a schema that is referred to is not JSON".to_owned()))
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

/// Gives a definition its full name, so that the namespace around it does not become its own.
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
    fn each_definition_stands_where_its_name_is_used_first() {
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
