//! A tree of YAML that knows where everything stands. Going through a tree instead of straight into structs is what
//! lets all diagnostics be reported at once.

use std::ops::Range;

/// Where something stands in the file, in bytes.
pub type Span = Range<usize>;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: NodeValue,
    /// Where it stands; for a collection, where it begins.
    pub span: Span,
}

/// What a [`Node`] can be.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeValue {
    /// Nothing, `~` or `null`.
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
    /// A variable that is not set was to stand here, which was reported.
    Unknown,
}

/// A key of a mapping and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// What it is, for messages: `a number`, `text`, …
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

    /// The node as JSON; what JSON has no number for becomes null.
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
