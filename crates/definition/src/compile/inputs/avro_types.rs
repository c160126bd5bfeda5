//! The types of an Avro schema's fields. A pipeline file with a schema need not repeat them.

use riskstream_events::{ValueType, add_logical_types, is_variable_scale_decimal};
use serde_json::Value as Json;
use std::collections::HashMap;

/// The field types of an Avro schema.
pub struct AvroTypes {
    schema: Json,
}

/// The type at a path of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A field whose values fit into a row's slot.
    Type(ValueType),
    /// A field whose values do not; what it is instead.
    Unsupported(String),
    /// No field of this name.
    Missing {
        /// The part of the path that the schema lacks.
        part: String,
        /// The fields of the innermost record that was found.
        names: Vec<String>,
    },
}

impl AvroTypes {
    /// The types of a schema's JSON text, which must be a valid Avro schema.
    pub fn new(text: &str) -> Option<AvroTypes> {
        let mut schema = serde_json::from_str(text).ok()?;
        add_logical_types(&mut schema);
        Some(AvroTypes { schema })
    }

    /// The names of the fields of the record at `path`.
    pub fn names(&self, path: &[String]) -> Vec<String> {
        let mut named = HashMap::new();
        collect_named(&self.schema, &mut named);
        let found = walk(&self.schema, path, &named);
        found.map_or(Vec::new(), names_of)
    }

    /// What is at `path`.
    pub fn find(&self, path: &[String]) -> Found {
        let mut named = HashMap::new();
        collect_named(&self.schema, &mut named);
        walk(&self.schema, path, &named).map_or_else(|missing| missing, value_type)
    }
}

/// The schema at `path`, or what is missing.
fn walk<'j>(schema: &'j Json, path: &[String], named: &HashMap<&'j str, &'j Json>) -> Result<&'j Json, Found> {
    let mut here = resolve(schema, named);
    for part in path {
        let field = fields(here).iter().find(|field| name_of(field) == Some(part));
        let missing = || Found::Missing {
            part: part.clone(),
            names: names_of(here),
        };
        here = resolve(&field.ok_or_else(missing)?["type"], named);
    }
    Ok(here)
}

fn names_of(schema: &Json) -> Vec<String> {
    let names = fields(schema).iter().filter_map(name_of);
    names.map(str::to_owned).collect()
}

fn fields(schema: &Json) -> &[Json] {
    schema["fields"].as_array().map_or(&[], Vec::as_slice)
}

fn name_of(field: &Json) -> Option<&str> {
    field["name"].as_str()
}

/// The schema behind a name, or in a union with null.
fn resolve<'j>(schema: &'j Json, named: &HashMap<&'j str, &'j Json>) -> &'j Json {
    let schema = match schema.as_array() {
        Some(branches) => {
            let mut present = branches.iter().filter(|branch| branch.as_str() != Some("null"));
            match (present.next(), present.next()) {
                (Some(only), None) => only,
                _ => return schema,
            }
        }
        None => schema,
    };
    match schema {
        Json::String(name) => named.get(last_part(name)).copied().unwrap_or(schema),
        Json::Object(object)
            if object
                .get("type")
                .is_some_and(|inner| inner.is_object() || inner.is_array()) =>
        {
            resolve(&schema["type"], named)
        }
        _ => schema,
    }
}

/// Records and enums by their name without the namespace.
fn collect_named<'j>(schema: &'j Json, named: &mut HashMap<&'j str, &'j Json>) {
    match schema {
        Json::Array(branches) => branches.iter().for_each(|branch| collect_named(branch, named)),
        Json::Object(object) => {
            if let Some(name) = name_of(schema)
                && schema["type"].is_string()
                && !named.contains_key(last_part(name))
            {
                named.insert(last_part(name), schema);
            }
            for inner in ["type", "items", "values"].iter().filter_map(|key| object.get(*key)) {
                collect_named(inner, named);
            }
            for field in fields(schema) {
                collect_named(&field["type"], named);
            }
        }
        _ => {}
    }
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn value_type(schema: &Json) -> Found {
    let (word, logical) = match schema {
        Json::String(word) => (word.as_str(), ""),
        Json::Array(_) => return Found::Unsupported("a union of several types".to_owned()),
        _ => (
            schema["type"].as_str().unwrap_or_default(),
            schema["logicalType"].as_str().unwrap_or_default(),
        ),
    };
    match (word, logical) {
        (_, "decimal") => Found::Type(ValueType::Float),
        ("record", _) if is_variable_scale_decimal(schema) => Found::Type(ValueType::Float),
        (_, "uuid") => Found::Type(ValueType::Text),
        ("int" | "long", logical) if logical.contains("timestamp") || logical == "date" => {
            Found::Type(ValueType::Timestamp)
        }
        ("boolean", _) => Found::Type(ValueType::Bool),
        ("int" | "long", _) => Found::Type(ValueType::Int),
        ("float" | "double", _) => Found::Type(ValueType::Float),
        ("string" | "enum", _) => Found::Type(ValueType::Text),
        ("record", _) => Found::Unsupported("a record: give the path of one of its fields with `path:`".to_owned()),
        (other, _) => Found::Unsupported(format!("of Avro type `{other}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{
        "type": "record", "name": "bank.Transaction", "fields": [
            {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
            {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
            {"name": "time", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
            {"name": "channel", "type": {"type": "enum", "name": "Channel", "symbols": ["A"]}},
            {"name": "second_channel", "type": "Channel"},
            {"name": "count", "type": "int"},
            {"name": "either", "type": ["string", "int"]},
            {"name": "tags", "type": {"type": "array", "items": "string"}},
            {"name": "merchant", "type": ["null", {"type": "record", "name": "Merchant", "fields": [
                {"name": "country", "type": ["null", "string"]}]}]}
        ]}"#;

    #[test]
    fn types() {
        let types = AvroTypes::new(SCHEMA).unwrap();
        for (path, expected) in [
            ("id", Found::Type(ValueType::Text)),
            ("amount", Found::Type(ValueType::Float)),
            ("time", Found::Type(ValueType::Timestamp)),
            ("channel", Found::Type(ValueType::Text)),
            ("second_channel", Found::Type(ValueType::Text)),
            ("count", Found::Type(ValueType::Int)),
            ("either", Found::Unsupported("a union of several types".into())),
            ("tags", Found::Unsupported("of Avro type `array`".into())),
            (
                "merchant",
                Found::Unsupported("a record: give the path of one of its fields with `path:`".into()),
            ),
            ("merchant.country", Found::Type(ValueType::Text)),
            (
                "merchant.city",
                Found::Missing {
                    part: "city".into(),
                    names: vec!["country".into()],
                },
            ),
        ] {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            assert_eq!(types.find(&path), expected, "{path:?}");
        }
        assert_eq!(types.names(&[]).len(), 9);
        assert_eq!(types.names(&["merchant".into()]), ["country"]);
    }
}
