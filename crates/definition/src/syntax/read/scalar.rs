//! Values that are not collections.

use super::value::{Read, expected};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::duration;
use crate::text::{Node, NodeValue, ScalarText};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

impl Read for String {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        if let ScalarText::Substituted(text) = &node.written {
            return Some(text.clone());
        }
        match &node.value {
            NodeValue::Text(text) => Some(text.clone()),
            NodeValue::Int(_) | NodeValue::Float(_) | NodeValue::Bool(_) => {
                diagnostics.add(
                    Diagnostic::new(format!("expected text, found {}", node.kind()), node.span.clone())
                        .label("put it in quotes if it is meant as text"),
                );
                None
            }
            _ => {
                expected("text", node, diagnostics);
                None
            }
        }
    }
}

impl Read for bool {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            NodeValue::Bool(value) => Some(*value),
            _ => {
                expected("true or false", node, diagnostics);
                None
            }
        }
    }
}

impl Read for f64 {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            NodeValue::Int(value) => Some(*value as f64),
            NodeValue::Float(value) => Some(*value),
            _ => {
                expected("a number", node, diagnostics);
                None
            }
        }
    }
}

impl Read for u32 {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let value = match &node.value {
            NodeValue::Int(value) => u32::try_from(*value).ok(),
            _ => None,
        };
        if value.is_none() {
            expected("a whole number from 0 to 4294967295", node, diagnostics);
        }
        value
    }
}

/// The text of an expression. A constant that YAML parsed as a number or boolean is text again.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpressionText(pub String);

impl Read for ExpressionText {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        if let ScalarText::Substituted(text) = &node.written {
            return Some(ExpressionText(text.trim_end().to_owned()));
        }
        match &node.value {
            NodeValue::Bool(value) => Some(ExpressionText(value.to_string())),
            NodeValue::Int(value) => Some(ExpressionText(value.to_string())),
            NodeValue::Float(value) => Some(ExpressionText(format!("{value:?}"))),
            NodeValue::Text(text) => Some(ExpressionText(text.trim_end().to_owned())),
            _ => {
                expected("an expression", node, diagnostics);
                None
            }
        }
    }
}

/// The value of a property, as it is written: YAML gives it no type, so that `007`, `1e3` and `null` stay what they are.
#[derive(Clone, Debug, PartialEq)]
pub struct PropertyText(pub String);

impl Read for PropertyText {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        match &node.written {
            ScalarText::Literal(text) | ScalarText::Substituted(text) => Some(PropertyText(text.clone())),
            ScalarText::Nothing => {
                expected("a value", node, diagnostics);
                None
            }
        }
    }
}

/// A duration in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration(pub i64);

impl Read for Duration {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let text = match &node.value {
            NodeValue::Text(text) => text.clone(),
            NodeValue::Int(value) => value.to_string(),
            NodeValue::Float(value) => value.to_string(),
            _ => {
                expected("a duration such as `7d`", node, diagnostics);
                return None;
            }
        };
        match duration::parse(&text) {
            Ok(micros) => Some(Duration(micros)),
            Err(why) => {
                diagnostics.add(Diagnostic::new(why, node.span.clone()).help(duration::FORM));
                None
            }
        }
    }
}

/// A point in time in microseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub i64);

impl Read for Time {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let time = match &node.value {
            NodeValue::Text(text) => riskstream_events::time::parse(text),
            NodeValue::Unknown => return None,
            _ => None,
        };
        if time.is_none() {
            diagnostics.add(
                Diagnostic::new(format!("expected a time, found {}", node.kind()), node.span.clone())
                    .help("write `2020-01-01` or `2020-01-01T00:00:00Z`"),
            );
        }
        time.map(Time)
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl Read for ByteSize {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let size = match &node.value {
            NodeValue::Text(text) => byte_size(text),
            NodeValue::Unknown => return None,
            _ => None,
        };
        if size.is_none() {
            diagnostics.add(
                Diagnostic::new(format!("expected a size, found {}", node.kind()), node.span.clone())
                    .help("write a whole number and a unit: `64MiB`, `1GiB`, `512KiB`"),
            );
        }
        size.map(ByteSize)
    }
}

fn byte_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let unit: u64 = match text[digits..].trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(unit)
}

/// A value that is not read any further.
#[derive(Clone, Debug)]
pub struct Raw(pub Node);

impl Read for Raw {
    fn read(node: &Node, _diagnostics: &mut Diagnostics) -> Option<Self> {
        Some(Raw(node.untyped()))
    }
}

/// Gives a scalar its schema.
macro_rules! scalar_schema {
    ($($name:ident: $schema:tt),* $(,)?) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

scalar_schema!(
    ExpressionText: { "type": ["string", "number", "boolean"] },
    PropertyText: { "type": ["string", "boolean", "number", "null"] },
    Duration: { "type": ["string", "integer"], "pattern": r"^(0|([0-9]+(ms|s|m|h|d|w))+|.*\$\{.*)$" },
    Time: { "type": "string" },
    ByteSize: { "type": "string", "pattern": r"^([0-9]+ *(B|KiB|MiB|GiB|kB|KB|MB|GB)|.*\$\{.*)$" },
    Raw: true,
);
