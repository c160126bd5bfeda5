//! A tree of YAML values with their places. Reading sections from a tree, instead of straight from the text, lets the
//! reader go on after a diagnostic.

use crate::diagnostics::Span;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: NodeValue,
    /// Its place; of a collection, where it begins.
    pub span: Span,
    /// How a scalar is written.
    pub written: ScalarText,
}

/// How a scalar is written: its characters before YAML gives them a type.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ScalarText {
    /// It is no scalar, or there is nothing.
    #[default]
    Nothing,
    /// It stands in the file.
    Literal(String),
    /// A part of it is the value of a variable. Such a value is text unless a number or word is needed.
    Substituted(String),
}

/// The value of a [`Node`].
#[derive(Clone, Debug, PartialEq)]
pub enum NodeValue {
    /// No value, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Text.
    Text(String),
    /// `[a, b]` or lines with dashes.
    List(Vec<Node>),
    /// `{key: value}` or lines with colons; keys are unique.
    Map(Vec<(Key, Node)>),
    /// The value uses a variable that is not set. That was reported.
    Unknown,
}

/// A key of a mapping and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Its place.
    pub span: Span,
}

impl Node {
    /// The kind of value, for messages: `a number`, `text`, …
    pub fn kind(&self) -> &'static str {
        match &self.value {
            NodeValue::Null | NodeValue::Unknown => "nothing",
            NodeValue::Bool(_) => "true or false",
            NodeValue::Int(_) => "a whole number",
            NodeValue::Float(_) => "a number",
            NodeValue::Text(_) => "text",
            NodeValue::List(_) => "a list",
            NodeValue::Map(_) => "a mapping",
        }
    }

    /// The node with the values of variables as texts, for where the file does not say what is needed.
    pub fn untyped(&self) -> Node {
        let value = match (&self.value, &self.written) {
            (NodeValue::Unknown, _) => NodeValue::Unknown,
            (_, ScalarText::Substituted(text)) => NodeValue::Text(text.clone()),
            (NodeValue::List(items), _) => NodeValue::List(items.iter().map(Node::untyped).collect()),
            (NodeValue::Map(entries), _) => {
                let entries = entries.iter().map(|(key, node)| (key.clone(), node.untyped()));
                NodeValue::Map(entries.collect())
            }
            (value, _) => value.clone(),
        };
        Node { value, ..self.clone() }
    }

    /// The node as JSON. NaN and infinities become null.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            NodeValue::Null | NodeValue::Unknown => Json::Null,
            NodeValue::Bool(value) => Json::from(*value),
            NodeValue::Int(value) => Json::from(*value),
            NodeValue::Float(value) => Json::from(*value),
            NodeValue::Text(value) => Json::from(value.as_str()),
            NodeValue::List(items) => items.iter().map(Node::to_json).collect(),
            NodeValue::Map(entries) => entries
                .iter()
                .map(|(key, node)| (key.name.clone(), node.to_json()))
                .collect(),
        }
    }
}
