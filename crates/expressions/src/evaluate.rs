//! Evaluation of the typed tree over a row. `None` is null. Nothing here allocates except new lists, and new texts
//! (concatenation, case, conversion) that do not fit into 24 bytes, and the similarity of texts.

use crate::distance::haversine_km;
use crate::node::{BoolNode, Element, FloatNode, IntNode, ListNode, Loop, Node, TextNode};
use crate::number::{compare_int_float, float_to_int};
use crate::row::Row;
use crate::set::contains_float;
use crate::time::{format_timestamp, local_time};
use compact_str::{CompactString, ToCompactString};
use riskstream_events::Value;
use std::ops::Deref;
use std::sync::Arc;

/// A text of the row or of the expression, or one made just now.
pub(crate) enum Text<'a> {
    Borrowed(&'a str),
    Made(CompactString),
}

impl Deref for Text<'_> {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Made(text) => text,
        }
    }
}

impl From<Text<'_>> for CompactString {
    fn from(text: Text<'_>) -> Self {
        match text {
            Text::Borrowed(text) => text.into(),
            Text::Made(text) => text,
        }
    }
}

impl Node {
    pub(crate) fn evaluate(&self, row: &Row<'_>) -> Value {
        match self {
            Node::Null => Value::Null,
            Node::Bool(node) => node.evaluate(row).map_or(Value::Null, Value::Bool),
            Node::Int(node) | Node::Duration(node) => node.evaluate(row).map_or(Value::Null, Value::Int),
            Node::Float(node) => node.evaluate(row).map_or(Value::Null, Value::Float),
            Node::Text(node) => node.evaluate(row).map_or(Value::Null, |text| Value::Text(text.into())),
            Node::Timestamp(node) => node.evaluate(row).map_or(Value::Null, Value::Timestamp),
            Node::List(node) => node.evaluate(row).map_or(Value::Null, |list| Value::List(list.into())),
        }
    }

    fn is_null(&self, row: &Row<'_>) -> bool {
        match self {
            Node::Null => true,
            Node::Bool(node) => node.evaluate(row).is_none(),
            Node::Int(node) | Node::Duration(node) | Node::Timestamp(node) => node.evaluate(row).is_none(),
            Node::Float(node) => node.evaluate(row).is_none(),
            Node::Text(node) => node.evaluate(row).is_none(),
            Node::List(node) => node.evaluate(row).is_none(),
        }
    }
}

/// A list of the row or of the expression, or one made just now.
pub(crate) enum List<'a> {
    Borrowed(&'a Arc<[Value]>),
    Made(Arc<[Value]>),
}

impl Deref for List<'_> {
    type Target = [Value];

    #[inline]
    fn deref(&self) -> &[Value] {
        match self {
            List::Borrowed(list) => list,
            List::Made(list) => list,
        }
    }
}

impl From<List<'_>> for Arc<[Value]> {
    fn from(list: List<'_>) -> Self {
        match list {
            List::Borrowed(list) => Arc::clone(list),
            List::Made(list) => list,
        }
    }
}

fn bool_of(value: &Value) -> Option<bool> {
    if let Value::Bool(b) = value { Some(*b) } else { None }
}

fn int_of(value: &Value) -> Option<i64> {
    if let Value::Int(i) = value { Some(*i) } else { None }
}

fn timestamp_of(value: &Value) -> Option<i64> {
    if let Value::Timestamp(t) = value {
        Some(*t)
    } else {
        None
    }
}

#[inline]
fn float_of(value: &Value) -> Option<f64> {
    match value {
        Value::Float(f) => Some(*f),
        Value::Int(i) => Some(*i as f64),
        _ => None,
    }
}

fn text_of(value: &Value) -> Option<Text<'_>> {
    if let Value::Text(text) = value {
        Some(Text::Borrowed(text))
    } else {
        None
    }
}

impl ListNode {
    pub(crate) fn evaluate<'a>(&'a self, row: &Row<'a>) -> Option<List<'a>> {
        match self {
            ListNode::Slot { slot, .. } => match row.get(*slot)? {
                Value::List(list) => Some(List::Borrowed(list)),
                _ => None,
            },
            ListNode::Constant { values, .. } => Some(List::Borrowed(values)),
            ListNode::Split(parts) => Some(List::Made(split(&parts.0.evaluate(row)?, &parts.1.evaluate(row)?))),
        }
    }
}

/// The parts of a text between separators; without a separator, its characters.
fn split(text: &str, separator: &str) -> Arc<[Value]> {
    match separator {
        "" => text.chars().map(|c| Value::Text(c.to_compact_string())).collect(),
        _ => text.split(separator).map(|part| Value::Text(part.into())).collect(),
    }
}

impl Element {
    /// The element, as `read` gives it; `None` when there is no such list or index.
    fn evaluate<T>(&self, row: &Row<'_>, read: fn(&Value) -> Option<T>) -> Option<T> {
        let index = usize::try_from(self.index.evaluate(row)?).ok()?;
        read(self.list.evaluate(row)?.get(index)?)
    }

    fn text<'a>(&'a self, row: &Row<'a>) -> Option<Text<'a>> {
        let index = usize::try_from(self.index.evaluate(row)?).ok()?;
        match self.list.evaluate(row)? {
            List::Borrowed(list) => text_of(list.get(index)?),
            List::Made(list) => Some(Text::Made(text_of(list.get(index)?)?.into())),
        }
    }
}

impl Loop {
    /// Three-valued `||` or `&&` of the condition over the elements.
    fn evaluate(&self, row: &Row<'_>) -> Option<bool> {
        let list = self.list.evaluate(row)?;
        let turns = list
            .iter()
            .map(|element| self.condition.evaluate(&row.with(self.variable, element)));
        decide(turns, self.decisive)
    }
}

impl BoolNode {
    pub(crate) fn evaluate(&self, row: &Row<'_>) -> Option<bool> {
        match self {
            BoolNode::Null => None,
            BoolNode::Constant(value) => Some(*value),
            BoolNode::Slot(slot) => bool_of(row.get(*slot)?),
            BoolNode::Element(element) => element.evaluate(row, bool_of),
            BoolNode::Conditional(parts) => {
                let (condition, then, otherwise) = &**parts;
                if condition.evaluate(row)? {
                    then.evaluate(row)
                } else {
                    otherwise.evaluate(row)
                }
            }
            BoolNode::Coalesce(parts) => parts.iter().find_map(|part| part.evaluate(row)),
            BoolNode::Not(part) => Some(!part.evaluate(row)?),
            BoolNode::And(parts) => decide(parts.iter().map(|part| part.evaluate(row)), false),
            BoolNode::Or(parts) => decide(parts.iter().map(|part| part.evaluate(row)), true),
            BoolNode::IsNull(part) => Some(part.is_null(row)),
            BoolNode::CompareBool(test, sides) => Some(test(Some(sides.0.evaluate(row)?.cmp(&sides.1.evaluate(row)?)))),
            BoolNode::CompareInt(test, sides) => Some(test(Some(sides.0.evaluate(row)?.cmp(&sides.1.evaluate(row)?)))),
            BoolNode::CompareFloat(test, sides) => {
                Some(test(sides.0.evaluate(row)?.partial_cmp(&sides.1.evaluate(row)?)))
            }
            BoolNode::CompareIntFloat(test, sides) => {
                Some(test(compare_int_float(sides.0.evaluate(row)?, sides.1.evaluate(row)?)))
            }
            BoolNode::CompareText(test, sides) => {
                Some(test(Some(sides.0.evaluate(row)?.cmp(&*sides.1.evaluate(row)?))))
            }
            BoolNode::Among(part, others) => {
                let wanted = part.evaluate(row)?;
                decide(others.iter().map(|other| Some(other.evaluate(row)? == wanted)), true)
            }
            BoolNode::IntAmong(part, others) => {
                let wanted = part.evaluate(row)?;
                decide(others.iter().map(|other| Some(other.evaluate(row)? == wanted)), true)
            }
            BoolNode::FloatAmong(part, others) => {
                let wanted = part.evaluate(row)?;
                decide(others.iter().map(|other| Some(other.evaluate(row)? == wanted)), true)
            }
            BoolNode::TextAmong(part, others) => {
                let wanted = part.evaluate(row)?;
                decide(others.iter().map(|other| Some(*other.evaluate(row)? == *wanted)), true)
            }
            BoolNode::IntIn(part, set) => Some(set.contains(&part.evaluate(row)?)),
            BoolNode::FloatIn(part, sorted) => Some(contains_float(sorted, part.evaluate(row)?)),
            BoolNode::TextIn(part, set) => Some(set.contains(&*part.evaluate(row)?)),
            BoolNode::ListHolds(sides) => holds(&sides.0.evaluate(row)?, &sides.1, row),
            BoolNode::Loop(part) => part.evaluate(row),
            BoolNode::Matches(sides) => Some(sides.1.is_match(&sides.0.evaluate(row)?)),
            BoolNode::IpIn(sides) => sides.1.contain(&sides.0.evaluate(row)?),
            BoolNode::TextTest(test, sides) => Some(test(&sides.0.evaluate(row)?, &sides.1.evaluate(row)?)),
            BoolNode::FloatTest(test, part) => Some(test(part.evaluate(row)?)),
            BoolNode::ParseText(parse, part) => parse(&part.evaluate(row)?),
        }
    }
}

/// Three-valued `||` (`decisive` true) or `&&` (`decisive` false): one decisive part decides, whatever
/// the others are; otherwise one null part makes the whole null.
fn decide(parts: impl Iterator<Item = Option<bool>>, decisive: bool) -> Option<bool> {
    let mut result = Some(!decisive);
    for part in parts {
        match part {
            Some(value) if value == decisive => return Some(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

/// Whether a list holds a value of the type of its elements; absent elements equal nothing.
fn holds(list: &[Value], part: &Node, row: &Row<'_>) -> Option<bool> {
    Some(match part {
        Node::Bool(node) => {
            let wanted = node.evaluate(row)?;
            list.iter().any(|value| bool_of(value) == Some(wanted))
        }
        Node::Int(node) => {
            let wanted = node.evaluate(row)?;
            list.iter().any(|value| int_of(value) == Some(wanted))
        }
        Node::Float(node) => {
            let wanted = node.evaluate(row)?;
            list.iter().any(|value| float_of(value) == Some(wanted))
        }
        Node::Text(node) => {
            let wanted = node.evaluate(row)?;
            list.iter().filter_map(text_of).any(|text| *text == *wanted)
        }
        Node::Timestamp(node) => {
            let wanted = node.evaluate(row)?;
            list.iter().any(|value| timestamp_of(value) == Some(wanted))
        }
        Node::Null | Node::Duration(_) | Node::List(_) => return None,
    })
}

impl IntNode {
    pub(crate) fn evaluate(&self, row: &Row<'_>) -> Option<i64> {
        match self {
            IntNode::Null => None,
            IntNode::Constant(value) => Some(*value),
            IntNode::Slot(slot) => int_of(row.get(*slot)?),
            IntNode::TimestampSlot(slot) => timestamp_of(row.get(*slot)?),
            IntNode::Element(element) => element.evaluate(row, int_of),
            IntNode::TimestampElement(element) => element.evaluate(row, timestamp_of),
            IntNode::Conditional(parts) => {
                let (condition, then, otherwise) = &**parts;
                if condition.evaluate(row)? {
                    then.evaluate(row)
                } else {
                    otherwise.evaluate(row)
                }
            }
            IntNode::Coalesce(parts) => parts.iter().find_map(|part| part.evaluate(row)),
            IntNode::Apply(function, part) => function(part.evaluate(row)?),
            IntNode::Arithmetic(operation, sides) => operation(sides.0.evaluate(row)?, sides.1.evaluate(row)?),
            IntNode::Extreme(better, parts) => {
                let (first, rest) = parts.split_first()?;
                rest.iter().try_fold(first.evaluate(row)?, |best, part| {
                    Some(better(best, part.evaluate(row)?))
                })
            }
            IntNode::OfBool(part) => Some(i64::from(part.evaluate(row)?)),
            IntNode::OfFloat(part) => float_to_int(part.evaluate(row)?),
            IntNode::OfText(function, part) => function(&part.evaluate(row)?),
            IntNode::LocalTime(parts) => local_time(parts.0.evaluate(row)?, &parts.1),
            IntNode::LengthOfList(list) => i64::try_from(list.evaluate(row)?.len()).ok(),
        }
    }
}

impl FloatNode {
    pub(crate) fn evaluate(&self, row: &Row<'_>) -> Option<f64> {
        match self {
            FloatNode::Null => None,
            FloatNode::Constant(value) => Some(*value),
            FloatNode::Slot(slot) => float_of(row.get(*slot)?),
            FloatNode::Element(element) => element.evaluate(row, float_of),
            FloatNode::Conditional(parts) => {
                let (condition, then, otherwise) = &**parts;
                if condition.evaluate(row)? {
                    then.evaluate(row)
                } else {
                    otherwise.evaluate(row)
                }
            }
            FloatNode::Coalesce(parts) => parts.iter().find_map(|part| part.evaluate(row)),
            FloatNode::Apply(function, part) => Some(function(part.evaluate(row)?)),
            FloatNode::Arithmetic(operation, sides) => Some(operation(sides.0.evaluate(row)?, sides.1.evaluate(row)?)),
            FloatNode::Quotient(sides) => {
                let (dividend, divisor) = (sides.0.evaluate(row)?, sides.1.evaluate(row)?);
                (divisor != 0).then_some(dividend as f64 / divisor as f64)
            }
            FloatNode::Extreme(better, parts) => {
                let (first, rest) = parts.split_first()?;
                rest.iter().try_fold(first.evaluate(row)?, |best, part| {
                    Some(better(best, part.evaluate(row)?))
                })
            }
            FloatNode::OfInt(part) => Some(part.evaluate(row)? as f64),
            FloatNode::OfText(parse, part) => parse(&part.evaluate(row)?),
            FloatNode::OfList(summary, list) => summary(&mut list.evaluate(row)?.iter().filter_map(float_of)),
            FloatNode::OfTexts(function, sides) => Some(function(&sides.0.evaluate(row)?, &sides.1.evaluate(row)?)),
            FloatNode::Haversine(parts) => {
                let [lat1, lon1, lat2, lon2] = &**parts;
                let from = (lat1.evaluate(row)?, lon1.evaluate(row)?);
                haversine_km(from, (lat2.evaluate(row)?, lon2.evaluate(row)?))
            }
        }
    }
}

impl TextNode {
    pub(crate) fn evaluate<'a>(&'a self, row: &Row<'a>) -> Option<Text<'a>> {
        match self {
            TextNode::Null => None,
            TextNode::Constant(text) => Some(Text::Borrowed(text)),
            TextNode::Slot(slot) => text_of(row.get(*slot)?),
            TextNode::Element(element) => element.text(row),
            TextNode::Conditional(parts) => {
                let (condition, then, otherwise) = &**parts;
                if condition.evaluate(row)? {
                    then.evaluate(row)
                } else {
                    otherwise.evaluate(row)
                }
            }
            TextNode::Coalesce(parts) => parts.iter().find_map(|part| part.evaluate(row)),
            TextNode::Apply(function, part) => Some(Text::Made(function(&part.evaluate(row)?))),
            TextNode::Part(function, part) => Some(Text::Made(function(&part.evaluate(row)?)?)),
            TextNode::IpNetwork(part, bits) => Some(Text::Made(bits.network_of(&part.evaluate(row)?)?)),
            TextNode::Concatenate(sides) => {
                let mut text = CompactString::from(sides.0.evaluate(row)?);
                text.push_str(&sides.1.evaluate(row)?);
                Some(Text::Made(text))
            }
            TextNode::OfBool(part) => Some(Text::Borrowed(if part.evaluate(row)? { "true" } else { "false" })),
            TextNode::OfInt(part) => Some(Text::Made(part.evaluate(row)?.to_compact_string())),
            TextNode::OfFloat(part) => Some(Text::Made(part.evaluate(row)?.to_compact_string())),
            TextNode::OfTimestamp(part) => Some(Text::Made(format_timestamp(part.evaluate(row)?)?)),
        }
    }
}
