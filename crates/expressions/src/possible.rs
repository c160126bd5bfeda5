//! The possible results of a condition, given only one slot's value or its range: abstract interpretation (Cousot and
//! Cousot, 1977). The answers are conservative: a result that is called impossible is impossible, one that is called
//! possible need not occur. The index of rules uses them to leave out rules that cannot hold.

use crate::node::{BoolNode, FloatNode, IntNode, Node, Test, TextNode};
use crate::set::{contains_float, exact_int};
use riskstream_events::Slot;
use std::cmp::Ordering;

/// The knowledge about the value of a slot.
#[derive(Clone, Copy)]
pub enum Known<'a> {
    /// It is null.
    Null,
    /// It is this bool.
    Bool(bool),
    /// It is a number, and its nearest float is this one.
    Number(f64),
    /// It is a number, and its nearest float lies between these two and equals neither.
    Between(f64, f64),
    /// It is this text.
    Text(&'a str),
    /// It is a text for which this does not hold.
    OtherText(&'a dyn Fn(&str) -> bool),
}

/// From here on, different ints have the same nearest float.
const INEXACT: f64 = 9_007_199_254_740_992.0; // 2^53

/// Whether a condition can be true and whether it can be false. If neither, it is null.
#[derive(Clone, Copy)]
struct Possible {
    yes: bool,
    no: bool,
}

const UNKNOWN: Possible = Possible { yes: true, no: true };
const NULL: Possible = Possible { yes: false, no: false };

impl Possible {
    fn only(value: bool) -> Self {
        Possible { yes: value, no: !value }
    }
}

/// The knowledge about the value of a number or text.
#[derive(Clone, Copy)]
enum Part<'a> {
    Unknown,
    Known(Known<'a>),
}

/// A slot and what is known of it.
#[derive(Clone, Copy)]
struct Given<'a> {
    slot: Slot,
    known: Known<'a>,
}

impl Node {
    /// Whether a condition can be true if this is known of a slot.
    pub(crate) fn can_be_true(&self, slot: Slot, known: Known<'_>) -> bool {
        match self {
            Node::Bool(node) => node.possible(Given { slot, known }).yes,
            _ => false,
        }
    }
}

impl BoolNode {
    fn possible(&self, given: Given<'_>) -> Possible {
        match self {
            BoolNode::Null => NULL,
            BoolNode::Constant(value) => Possible::only(*value),
            BoolNode::Slot(slot) if *slot == given.slot => match given.known {
                Known::Bool(value) => Possible::only(value),
                _ => NULL,
            },
            BoolNode::Not(part) => {
                let Possible { yes, no } = part.possible(given);
                Possible { yes: no, no: yes }
            }
            BoolNode::And(parts) => Possible {
                yes: parts.iter().all(|part| part.possible(given).yes),
                no: parts.iter().any(|part| part.possible(given).no),
            },
            BoolNode::Or(parts) => Possible {
                yes: parts.iter().any(|part| part.possible(given).yes),
                no: parts.iter().all(|part| part.possible(given).no),
            },
            BoolNode::Coalesce(parts) => Possible {
                yes: parts.iter().any(|part| part.possible(given).yes),
                no: parts.iter().any(|part| part.possible(given).no),
            },
            BoolNode::Conditional(parts) => {
                let (condition, then, otherwise) = &**parts;
                let (condition, then, otherwise) = (
                    condition.possible(given),
                    then.possible(given),
                    otherwise.possible(given),
                );
                Possible {
                    yes: condition.yes && then.yes || condition.no && otherwise.yes,
                    no: condition.yes && then.no || condition.no && otherwise.no,
                }
            }
            BoolNode::IsNull(part) => is_null(part, given),
            BoolNode::CompareInt(test, sides) => compare(*test, sides.0.part(given), sides.1.part(given)),
            BoolNode::CompareFloat(test, sides) => compare(*test, sides.0.part(given), sides.1.part(given)),
            BoolNode::CompareIntFloat(test, sides) => compare(*test, sides.0.part(given), sides.1.part(given)),
            BoolNode::CompareText(test, sides) => compare(*test, sides.0.part(given), sides.1.part(given)),
            BoolNode::IntIn(part, set) => match part.part(given) {
                Part::Known(Known::Number(number)) if number.abs() < INEXACT => {
                    Possible::only(exact_int(number).is_some_and(|int| set.contains(&int)))
                }
                Part::Known(Known::Between(low, high)) => Possible {
                    yes: !set.all(|int| !is_between(*int as f64, low, high)),
                    no: true,
                },
                part => unless_null(part),
            },
            BoolNode::FloatIn(part, set) => match part.part(given) {
                Part::Known(Known::Number(number)) if number.abs() < INEXACT => {
                    Possible::only(contains_float(set, number))
                }
                Part::Known(Known::Between(low, high)) => Possible {
                    yes: set.iter().any(|float| is_between(*float, low, high)),
                    no: true,
                },
                part => unless_null(part),
            },
            BoolNode::TextIn(part, set) => match part.part(given) {
                Part::Known(Known::Text(text)) => Possible::only(set.contains(text)),
                Part::Known(Known::OtherText(excluded)) => Possible {
                    yes: !set.all(|text| excluded(text)),
                    no: true,
                },
                part => unless_null(part),
            },
            _ => UNKNOWN,
        }
    }
}

fn unless_null(part: Part<'_>) -> Possible {
    match part {
        Part::Known(Known::Null) => NULL,
        _ => UNKNOWN,
    }
}

fn is_null(node: &Node, given: Given<'_>) -> Possible {
    let part = match node {
        Node::Null => Part::Known(Known::Null),
        Node::Int(node) => node.part(given),
        Node::Float(node) => node.part(given),
        Node::Text(node) => node.part(given),
        Node::Bool(BoolNode::Slot(slot)) if *slot == given.slot => Part::Known(given.known),
        _ => Part::Unknown,
    };
    match part {
        Part::Unknown => UNKNOWN,
        Part::Known(known) => Possible::only(matches!(known, Known::Null)),
    }
}

fn is_between(number: f64, low: f64, high: f64) -> bool {
    low < number && number < high
}

/// The first of several parts that is not null.
fn first_present<'a>(mut parts: impl Iterator<Item = Part<'a>>) -> Part<'a> {
    parts
        .find(|part| !matches!(part, Part::Known(Known::Null)))
        .unwrap_or(Part::Known(Known::Null))
}

impl IntNode {
    fn part<'a>(&'a self, given: Given<'a>) -> Part<'a> {
        match self {
            IntNode::Null => Part::Known(Known::Null),
            IntNode::Constant(value) => Part::Known(Known::Number(*value as f64)),
            IntNode::Slot(slot) if *slot == given.slot => Part::Known(given.known),
            IntNode::Coalesce(parts) => first_present(parts.iter().map(|part| part.part(given))),
            _ => Part::Unknown,
        }
    }
}

impl FloatNode {
    fn part<'a>(&'a self, given: Given<'a>) -> Part<'a> {
        match self {
            FloatNode::Null => Part::Known(Known::Null),
            FloatNode::Constant(value) if !value.is_nan() => Part::Known(Known::Number(*value)),
            FloatNode::Slot(slot) if *slot == given.slot => Part::Known(given.known),
            FloatNode::OfInt(part) => part.part(given),
            FloatNode::Coalesce(parts) => first_present(parts.iter().map(|part| part.part(given))),
            _ => Part::Unknown,
        }
    }
}

impl TextNode {
    fn part<'a>(&'a self, given: Given<'a>) -> Part<'a> {
        match self {
            TextNode::Null => Part::Known(Known::Null),
            TextNode::Constant(text) => Part::Known(Known::Text(text)),
            TextNode::Slot(slot) if *slot == given.slot => Part::Known(given.known),
            TextNode::Coalesce(parts) => first_present(parts.iter().map(|part| part.part(given))),
            _ => Part::Unknown,
        }
    }
}

/// A comparison of which perhaps more is known than that its sides have values.
fn compare(test: Test, a: Part<'_>, b: Part<'_>) -> Possible {
    let (a, b) = match (a, b) {
        (Part::Known(Known::Null), _) | (_, Part::Known(Known::Null)) => return NULL,
        (Part::Known(a), Part::Known(b)) => (a, b),
        _ => return UNKNOWN,
    };
    let Some(orders) = orders(a, b) else { return UNKNOWN };
    let results = [Ordering::Less, Ordering::Equal, Ordering::Greater]
        .into_iter()
        .zip(orders)
        .filter(|(_, is_possible)| *is_possible)
        .map(|(order, _)| test(Some(order)));
    results.fold(NULL, |possible, result| match result {
        true => Possible { yes: true, ..possible },
        false => Possible { no: true, ..possible },
    })
}

/// Whether the first can be less than, equal to and greater than the second; `None` if nothing is known of that. Numbers are
/// known by their nearest floats: rounding keeps their order, but may make different ones equal.
fn orders(a: Known<'_>, b: Known<'_>) -> Option<[bool; 3]> {
    Some(match (a, b) {
        (Known::Number(a), Known::Number(b)) if a == b => [a.abs() >= INEXACT, true, a.abs() >= INEXACT],
        (Known::Number(a), Known::Number(b)) => [a < b, false, a > b],
        (Known::Between(low, high), Known::Number(b)) => [low < b, is_between(b, low, high), high > b],
        (Known::Number(a), Known::Between(low, high)) => [a < high, is_between(a, low, high), a > low],
        (Known::Text(a), Known::Text(b)) => [a < b, a == b, a > b],
        (Known::OtherText(excluded), Known::Text(text)) | (Known::Text(text), Known::OtherText(excluded)) => {
            [true, !excluded(text), true]
        }
        _ => return None,
    })
}
