//! The constants that a condition tests slots against.

use crate::node::{BoolNode, FloatNode, IntNode, Node, TextNode};
use crate::set::Set;
use riskstream_events::{Slot, Value, ValueType};

/// A slot that a condition tests against a constant.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// The slot.
    pub slot: Slot,
    /// Its type.
    pub value_type: ValueType,
    /// The constant; null if the slot is tested for null or, being a bool, for itself.
    pub constant: Value,
}

impl Node {
    pub(crate) fn tested(&self) -> Vec<Tested> {
        let mut found = Vec::new();
        if let Node::Bool(node) = self {
            node.find_tested(&mut found);
        }
        found
    }

    fn tested_slot(&self) -> Option<(Slot, ValueType)> {
        match self {
            Node::Int(node) => node.tested_slot(),
            Node::Float(node) => node.tested_slot(),
            Node::Text(node) => node.tested_slot(),
            Node::Bool(BoolNode::Slot(slot)) => Some((*slot, ValueType::Bool)),
            _ => None,
        }
    }
}

type TestedSlot = Option<(Slot, ValueType)>;

fn add(found: &mut Vec<Tested>, slot: TestedSlot, constants: impl IntoIterator<Item = Value>) {
    let Some((slot, value_type)) = slot else { return };
    found.extend(constants.into_iter().map(|constant| Tested {
        slot,
        value_type,
        constant,
    }));
}

impl BoolNode {
    fn find_tested(&self, found: &mut Vec<Tested>) {
        match self {
            BoolNode::Slot(slot) => add(found, Some((*slot, ValueType::Bool)), [Value::Null]),
            BoolNode::Not(part) => part.find_tested(found),
            BoolNode::And(parts) | BoolNode::Or(parts) | BoolNode::Coalesce(parts) => {
                parts.iter().for_each(|part| part.find_tested(found));
            }
            BoolNode::Conditional(parts) => [&parts.0, &parts.1, &parts.2]
                .into_iter()
                .for_each(|part| part.find_tested(found)),
            BoolNode::IsNull(part) => add(found, part.tested_slot(), [Value::Null]),
            BoolNode::CompareInt(_, sides) => {
                add(found, sides.0.tested_slot(), sides.1.constant());
                add(found, sides.1.tested_slot(), sides.0.constant());
            }
            BoolNode::CompareFloat(_, sides) => {
                add(found, sides.0.tested_slot(), sides.1.constant());
                add(found, sides.1.tested_slot(), sides.0.constant());
            }
            BoolNode::CompareIntFloat(_, sides) => {
                add(found, sides.0.tested_slot(), sides.1.constant());
                add(found, sides.1.tested_slot(), sides.0.constant());
            }
            BoolNode::CompareText(_, sides) => {
                add(found, sides.0.tested_slot(), sides.1.constant());
                add(found, sides.1.tested_slot(), sides.0.constant());
            }
            BoolNode::IntIn(part, set) => add(found, part.tested_slot(), values(set, |int| Value::Int(*int))),
            BoolNode::FloatIn(part, set) => {
                add(found, part.tested_slot(), set.iter().map(|float| Value::Float(*float)));
            }
            BoolNode::TextIn(part, set) => {
                add(found, part.tested_slot(), values(set, |text| Value::Text(text.clone())));
            }
            _ => {}
        }
    }
}

fn values<T: Eq + std::hash::Hash>(set: &Set<T>, value: impl Fn(&T) -> Value) -> Vec<Value> {
    let mut values = Vec::new();
    set.for_each(|element| values.push(value(element)));
    values
}

impl IntNode {
    fn tested_slot(&self) -> TestedSlot {
        match self {
            IntNode::Slot(slot) => Some((*slot, ValueType::Int)),
            IntNode::Coalesce(parts) => parts.first()?.tested_slot(),
            _ => None,
        }
    }

    fn constant(&self) -> Option<Value> {
        match self {
            IntNode::Constant(value) => Some(Value::Int(*value)),
            _ => None,
        }
    }
}

impl FloatNode {
    fn tested_slot(&self) -> TestedSlot {
        match self {
            FloatNode::Slot(slot) => Some((*slot, ValueType::Float)),
            FloatNode::OfInt(part) => part.tested_slot(),
            FloatNode::Coalesce(parts) => parts.first()?.tested_slot(),
            _ => None,
        }
    }

    fn constant(&self) -> Option<Value> {
        match self {
            FloatNode::Constant(value) => Some(Value::Float(*value)),
            _ => None,
        }
    }
}

impl TextNode {
    fn tested_slot(&self) -> TestedSlot {
        match self {
            TextNode::Slot(slot) => Some((*slot, ValueType::Text)),
            TextNode::Coalesce(parts) => parts.first()?.tested_slot(),
            _ => None,
        }
    }

    fn constant(&self) -> Option<Value> {
        match self {
            TextNode::Constant(text) => Some(Value::Text(text.clone())),
            _ => None,
        }
    }
}
