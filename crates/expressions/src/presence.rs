//! Which expressions always have a value. The answer is conservative: integer arithmetic may overflow and a text may be no
//! number, so both count as absent.

use crate::node::{BoolNode, FloatNode, IntNode, ListNode, Node, TextNode};
use riskstream_events::Slot;

/// Whether a slot always has a value.
pub(crate) type IsPresent<'a> = &'a dyn Fn(Slot) -> bool;

impl Node {
    pub(crate) fn is_present(&self, slot: IsPresent<'_>) -> bool {
        match self {
            Node::Null => false,
            Node::Bool(node) => node.is_present(slot),
            Node::Int(node) | Node::Timestamp(node) | Node::Duration(node) => node.is_present(slot),
            Node::Float(node) => node.is_present(slot),
            Node::Text(node) => node.is_present(slot),
            Node::List(ListNode::Slot { slot: read, .. }) => slot(*read),
            Node::List(ListNode::Constant { .. }) => true,
            Node::List(ListNode::Split(sides)) => sides.0.is_present(slot) && sides.1.is_present(slot),
        }
    }
}

impl BoolNode {
    fn is_present(&self, slot: IsPresent<'_>) -> bool {
        match self {
            BoolNode::Constant(_) | BoolNode::IsNull(_) => true,
            BoolNode::Slot(read) => slot(*read),
            BoolNode::Coalesce(nodes) => nodes.iter().any(|node| node.is_present(slot)),
            BoolNode::And(nodes) | BoolNode::Or(nodes) => nodes.iter().all(|node| node.is_present(slot)),
            BoolNode::Not(node) => node.is_present(slot),
            BoolNode::Conditional(nodes) => {
                nodes.0.is_present(slot) && nodes.1.is_present(slot) && nodes.2.is_present(slot)
            }
            BoolNode::CompareBool(_, nodes) => nodes.0.is_present(slot) && nodes.1.is_present(slot),
            BoolNode::CompareInt(_, nodes) => nodes.0.is_present(slot) && nodes.1.is_present(slot),
            BoolNode::CompareFloat(_, nodes) => nodes.0.is_present(slot) && nodes.1.is_present(slot),
            BoolNode::CompareIntFloat(_, nodes) => nodes.0.is_present(slot) && nodes.1.is_present(slot),
            BoolNode::CompareText(_, nodes) => nodes.0.is_present(slot) && nodes.1.is_present(slot),
            BoolNode::IntIn(node, _) => node.is_present(slot),
            BoolNode::FloatIn(node, _) => node.is_present(slot),
            BoolNode::TextIn(node, _) => node.is_present(slot),
            _ => false,
        }
    }
}

impl IntNode {
    fn is_present(&self, slot: IsPresent<'_>) -> bool {
        match self {
            IntNode::Constant(_) => true,
            IntNode::Slot(read) | IntNode::TimestampSlot(read) => slot(*read),
            IntNode::Coalesce(nodes) => nodes.iter().any(|node| node.is_present(slot)),
            IntNode::Conditional(nodes) => {
                nodes.0.is_present(slot) && nodes.1.is_present(slot) && nodes.2.is_present(slot)
            }
            IntNode::OfBool(node) => node.is_present(slot),
            _ => false,
        }
    }
}

impl FloatNode {
    fn is_present(&self, slot: IsPresent<'_>) -> bool {
        match self {
            FloatNode::Constant(number) => number.is_finite(),
            FloatNode::Slot(read) => slot(*read),
            FloatNode::Coalesce(nodes) => nodes.iter().any(|node| node.is_present(slot)),
            FloatNode::Conditional(nodes) => {
                nodes.0.is_present(slot) && nodes.1.is_present(slot) && nodes.2.is_present(slot)
            }
            FloatNode::OfInt(node) => node.is_present(slot),
            FloatNode::Apply(_, node) => node.is_present(slot),
            FloatNode::Arithmetic(_, nodes) => nodes.0.is_present(slot) && nodes.1.is_present(slot),
            FloatNode::Extreme(_, nodes) => nodes.iter().all(|node| node.is_present(slot)),
            _ => false,
        }
    }
}

impl TextNode {
    fn is_present(&self, slot: IsPresent<'_>) -> bool {
        match self {
            TextNode::Constant(_) => true,
            TextNode::Slot(read) => slot(*read),
            TextNode::Coalesce(nodes) => nodes.iter().any(|node| node.is_present(slot)),
            TextNode::Conditional(nodes) => {
                nodes.0.is_present(slot) && nodes.1.is_present(slot) && nodes.2.is_present(slot)
            }
            _ => false,
        }
    }
}
