//! Lists, and mappings whose keys are names.

use super::value::{Read, Spanned, at_key, expected};
use crate::diagnostics::{Diagnostics, Span};
use crate::text::{Key, Node, NodeValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A list without its broken elements. A missing one is empty.
#[derive(Clone, Debug)]
pub struct List<T>(pub Vec<Spanned<T>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        List(Vec::new())
    }
}

impl<T: Read> Read for List<T> {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let NodeValue::List(items) = &node.value else {
            expected("a list", node, diagnostics);
            return Some(List::default());
        };
        Some(List(
            items
                .iter()
                .filter_map(|item| Spanned::read(item, diagnostics))
                .collect(),
        ))
    }

    fn entry(node: Option<&Node>, _key: &str, _map: &Span, diagnostics: &mut Diagnostics) -> Option<Self> {
        node.map_or_else(|| Some(List::default()), |node| List::read(node, diagnostics))
    }
}

/// A mapping from names to values, in the order of the file. A broken value is `None`. A missing mapping is empty.
#[derive(Clone, Debug)]
pub struct Map<T>(pub Vec<(Key, Option<T>)>);

impl<T> Default for Map<T> {
    fn default() -> Self {
        Map(Vec::new())
    }
}

impl<T> Map<T> {
    /// All names, with those of broken values.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.name.as_str())
    }

    /// The values that are not broken.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.0
            .iter()
            .filter_map(|(key, value)| value.as_ref().map(|value| (key, value)))
    }

    /// The value of this name, broken or not.
    pub fn get(&self, name: &str) -> Option<(&Key, Option<&T>)> {
        self.0
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(key, value)| (key, value.as_ref()))
    }
}

impl<T: Read> Read for Map<T> {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            NodeValue::Null => Some(Map::default()),
            NodeValue::Map(entries) => Some(Map(entries
                .iter()
                .map(|(key, node)| {
                    let place = Node {
                        span: at_key(key, node),
                        ..node.clone()
                    };
                    (key.clone(), T::read(&place, diagnostics))
                })
                .collect())),
            _ => {
                expected("a mapping", node, diagnostics);
                Some(Map::default())
            }
        }
    }

    fn entry(node: Option<&Node>, _key: &str, _map: &Span, diagnostics: &mut Diagnostics) -> Option<Self> {
        node.map_or_else(|| Some(Map::default()), |node| Map::read(node, diagnostics))
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("List_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": generator.subschema_for::<T>() })
    }
}

impl<T: JsonSchema> JsonSchema for Map<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Map_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}
