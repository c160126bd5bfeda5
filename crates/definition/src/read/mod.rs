//! From the tree to typed sections. Reading goes on after a diagnostic: a broken part is left out, and whoever uses it
//! later knows that it was reported already.

mod scalar;
mod section;
mod word;

pub use scalar::{ByteSize, Duration, ExpressionText, Raw};
pub(crate) use section::section;
pub use section::{Keys, key_name};
pub(crate) use word::word;
pub use word::{VARIABLE, Word};

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::node::{Key, Node, NodeValue, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// Something that can be read from a node. `None` means that what is wrong with it was reported.
pub trait Read: Sized {
    /// Reads a value that is there.
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self>;

    /// Reads the value of a key that may be missing from the mapping at `map`.
    fn entry(node: Option<&Node>, key: &str, map: &Span, diagnostics: &mut Diagnostics) -> Option<Self> {
        match node {
            Some(node) => Self::read(node, diagnostics),
            None => {
                diagnostics.add(missing(key, map));
                None
            }
        }
    }
}

fn missing(key: &str, map: &Span) -> Diagnostic {
    Diagnostic::new(format!("`{key}` is missing"), map.clone()).label(format!("this needs `{key}:`"))
}

/// Reports that something else was expected.
pub fn expected(what: &str, node: &Node, diagnostics: &mut Diagnostics) {
    if node.value == NodeValue::Unknown {
        return;
    }
    diagnostics.add(
        Diagnostic::new(format!("expected {what}, found {}", node.kind()), node.span.clone())
            .label(format!("this should be {what}")),
    );
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place in the file.
    pub span: Span,
}

impl<T: Read> Read for Spanned<T> {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        T::read(node, diagnostics).map(|value| Spanned {
            value,
            span: node.span.clone(),
        })
    }
}

/// A value that must be there: `None` if it is not or is broken, which was reported then.
#[derive(Clone, Debug)]
pub struct Required<T>(pub Option<Spanned<T>>);

impl<T: Read> Read for Required<T> {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        Some(Required(Spanned::read(node, diagnostics)))
    }

    fn entry(node: Option<&Node>, key: &str, map: &Span, diagnostics: &mut Diagnostics) -> Option<Self> {
        Some(Required(Spanned::entry(node, key, map, diagnostics)))
    }
}

impl<T: Read> Read for Box<T> {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        T::read(node, diagnostics).map(Box::new)
    }
}

impl<T: Read> Read for Option<T> {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        match node.value {
            NodeValue::Null | NodeValue::Unknown => Some(None),
            _ => Some(T::read(node, diagnostics)),
        }
    }

    fn entry(node: Option<&Node>, _key: &str, _map: &Span, diagnostics: &mut Diagnostics) -> Option<Self> {
        match node {
            Some(node) => Self::read(node, diagnostics),
            None => Some(None),
        }
    }
}

/// A list; elements that are broken are left out. Missing means empty.
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

/// A mapping from names to things, in the order of the file. A broken thing is `None`: its name is known all the same.
/// Missing means empty.
#[derive(Clone, Debug)]
pub struct Map<T>(pub Vec<(Key, Option<T>)>);

impl<T> Default for Map<T> {
    fn default() -> Self {
        Map(Vec::new())
    }
}

impl<T> Map<T> {
    /// All names, those of broken things included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.name.as_str())
    }

    /// The things that are not broken.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.0
            .iter()
            .filter_map(|(key, thing)| thing.as_ref().map(|thing| (key, thing)))
    }

    /// The thing of this name, broken or not.
    pub fn get(&self, name: &str) -> Option<(&Key, Option<&T>)> {
        self.0
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(key, thing)| (key, thing.as_ref()))
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
                        value: node.value.clone(),
                        span: at_key(key, node),
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

/// What is wrong with a mapping as a whole, or with an empty value, is best shown at its name.
pub(super) fn at_key(key: &Key, node: &Node) -> Span {
    match node.value {
        NodeValue::Map(_) | NodeValue::Null => key.span.clone(),
        _ => node.span.clone(),
    }
}

/// Gives a wrapper the schema of what it wraps.
macro_rules! schema_of_inner {
    ($($wrapper:ident),*) => {$(
        impl<T: JsonSchema> JsonSchema for $wrapper<T> {
            fn inline_schema() -> bool {
                T::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                T::schema_name()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                T::json_schema(generator)
            }
        }
    )*};
}
schema_of_inner!(Spanned, Required);

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
