//! Reading values, with or without their places.

use crate::diagnostics::{Diagnostic, Diagnostics, Span};
use crate::text::{Key, Node, NodeValue};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;

/// A value that can be read from a node. `None` means that it is broken and that a diagnostic was added.
pub trait Read: Sized {
    /// Reads the value of a node.
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

/// Adds the diagnostic that the node is not `what`.
pub fn expected(what: &str, node: &Node, diagnostics: &mut Diagnostics) {
    if node.value == NodeValue::Unknown {
        return;
    }
    diagnostics.add(
        Diagnostic::new(format!("expected {what}, found {}", node.kind()), node.span.clone())
            .label(format!("this should be {what}")),
    );
}

/// A value and its place.
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

/// The value of a required key. `None` if it is missing or broken; a diagnostic was added.
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

/// Where diagnostics about a key's value point: at the key if the value is a mapping or empty.
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
