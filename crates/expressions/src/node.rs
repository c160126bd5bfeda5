//! The typed tree that an expression is compiled to. Each node has the type of its value, so evaluation checks no types.
//! Evaluation gives `None` for null.

use crate::network::{Networks, PrefixLengths};
use crate::set::Set;
use compact_str::CompactString;
use jiff::tz::TimeZone;
use regex::Regex;
use riskstream_events::{Slot, Value, ValueType};
use std::cmp::Ordering;
use std::sync::Arc;

/// The type of an expression or of a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The literal `null`, which is of every type.
    Null,
    Bool,
    Int,
    Float,
    Text,
    Timestamp,
    Duration,
    List,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::Text => "text",
            Kind::Timestamp => "timestamp",
            Kind::Duration => "duration",
            Kind::List => "list",
        }
    }
}

/// A part of an expression, of any type.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Null,
    Bool(BoolNode),
    Int(IntNode),
    Float(FloatNode),
    Text(TextNode),
    /// Microseconds since the epoch.
    Timestamp(IntNode),
    /// Microseconds.
    Duration(IntNode),
    List(ListNode),
}

impl Node {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Node::Null => Kind::Null,
            Node::Bool(_) => Kind::Bool,
            Node::Int(_) => Kind::Int,
            Node::Float(_) => Kind::Float,
            Node::Text(_) => Kind::Text,
            Node::Timestamp(_) => Kind::Timestamp,
            Node::Duration(_) => Kind::Duration,
            Node::List(_) => Kind::List,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum ListNode {
    /// A list in the row.
    Slot {
        slot: Slot,
        element: ValueType,
    },
    Constant {
        values: Arc<[Value]>,
        element: ValueType,
    },
    /// The parts of the first text between occurrences of the second.
    Split(Box<(TextNode, TextNode)>),
}

impl ListNode {
    /// The type of its elements.
    pub(crate) fn element(&self) -> ValueType {
        match self {
            ListNode::Slot { element, .. } | ListNode::Constant { element, .. } => *element,
            ListNode::Split(_) => ValueType::Text,
        }
    }
}

/// An element of a list.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) list: ListNode,
    pub(crate) index: IntNode,
}

/// A condition for the elements of a list, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    /// True if one element for which it holds suffices, false if it must hold for all.
    pub(crate) decisive: bool,
    pub(crate) list: ListNode,
    pub(crate) variable: Slot,
    pub(crate) condition: BoolNode,
}

/// Whether a comparison holds for an ordering; the ordering is `None` if one side is NaN.
pub(crate) type Test = fn(Option<Ordering>) -> bool;

#[derive(Clone, Debug)]
pub(crate) enum BoolNode {
    Null,
    Constant(bool),
    Slot(Slot),
    Element(Box<Element>),
    Conditional(Box<(BoolNode, BoolNode, BoolNode)>),
    Coalesce(Box<[BoolNode]>),
    Not(Box<BoolNode>),
    And(Box<[BoolNode]>),
    Or(Box<[BoolNode]>),
    IsNull(Box<Node>),
    CompareBool(Test, Box<(BoolNode, BoolNode)>),
    CompareInt(Test, Box<(IntNode, IntNode)>),
    CompareFloat(Test, Box<(FloatNode, FloatNode)>),
    CompareIntFloat(Test, Box<(IntNode, FloatNode)>),
    CompareText(Test, Box<(TextNode, TextNode)>),
    /// Whether a value is one of several that differ from row to row.
    Among(Box<BoolNode>, Box<[BoolNode]>),
    IntAmong(Box<IntNode>, Box<[IntNode]>),
    FloatAmong(Box<FloatNode>, Box<[FloatNode]>),
    TextAmong(Box<TextNode>, Box<[TextNode]>),
    IntIn(Box<IntNode>, Arc<Set<i64>>),
    FloatIn(Box<FloatNode>, Arc<[f64]>),
    TextIn(Box<TextNode>, Arc<Set<CompactString>>),
    /// Whether a list holds a value.
    ListHolds(Box<(ListNode, Node)>),
    Loop(Box<Loop>),
    Matches(Box<(TextNode, Regex)>),
    IpIn(Box<(TextNode, Networks)>),
    TextTest(fn(&str, &str) -> bool, Box<(TextNode, TextNode)>),
    FloatTest(fn(f64) -> bool, Box<FloatNode>),
    ParseText(fn(&str) -> Option<bool>, Box<TextNode>),
}

/// Integers, and timestamps and durations in microseconds.
#[derive(Clone, Debug)]
pub(crate) enum IntNode {
    Null,
    Constant(i64),
    Slot(Slot),
    TimestampSlot(Slot),
    Element(Box<Element>),
    TimestampElement(Box<Element>),
    Conditional(Box<(BoolNode, IntNode, IntNode)>),
    Coalesce(Box<[IntNode]>),
    Apply(fn(i64) -> Option<i64>, Box<IntNode>),
    Arithmetic(fn(i64, i64) -> Option<i64>, Box<(IntNode, IntNode)>),
    /// The least or greatest.
    Extreme(fn(i64, i64) -> i64, Box<[IntNode]>),
    OfBool(Box<BoolNode>),
    OfFloat(Box<FloatNode>),
    OfText(fn(&str) -> Option<i64>, Box<TextNode>),
    LengthOfList(Box<ListNode>),
    /// The local time of a timestamp in a time zone, in microseconds as if it were UTC.
    LocalTime(Box<(IntNode, TimeZone)>),
}

#[derive(Clone, Debug)]
pub(crate) enum FloatNode {
    Null,
    Constant(f64),
    Slot(Slot),
    Element(Box<Element>),
    Conditional(Box<(BoolNode, FloatNode, FloatNode)>),
    Coalesce(Box<[FloatNode]>),
    Apply(fn(f64) -> f64, Box<FloatNode>),
    Arithmetic(fn(f64, f64) -> f64, Box<(FloatNode, FloatNode)>),
    /// The quotient of two ints; null if the second is 0.
    Quotient(Box<(IntNode, IntNode)>),
    /// The least or greatest.
    Extreme(fn(f64, f64) -> f64, Box<[FloatNode]>),
    OfInt(Box<IntNode>),
    OfText(fn(&str) -> Option<f64>, Box<TextNode>),
    /// The least, greatest, sum or mean of the numbers of a list; null when it has none.
    OfList(fn(&mut dyn Iterator<Item = f64>) -> Option<f64>, Box<ListNode>),
    OfTexts(fn(&str, &str) -> f64, Box<(TextNode, TextNode)>),
    /// The distance of two places: latitude and longitude of each, in degrees.
    Haversine(Box<[FloatNode; 4]>),
}

#[derive(Clone, Debug)]
pub(crate) enum TextNode {
    Null,
    Constant(CompactString),
    Slot(Slot),
    Element(Box<Element>),
    Conditional(Box<(BoolNode, TextNode, TextNode)>),
    Coalesce(Box<[TextNode]>),
    Apply(fn(&str) -> CompactString, Box<TextNode>),
    /// A part of a text, which it may lack.
    Part(fn(&str) -> Option<CompactString>, Box<TextNode>),
    IpNetwork(Box<TextNode>, PrefixLengths),
    Concatenate(Box<(TextNode, TextNode)>),
    OfBool(Box<BoolNode>),
    OfInt(Box<IntNode>),
    OfFloat(Box<FloatNode>),
    OfTimestamp(Box<IntNode>),
}
