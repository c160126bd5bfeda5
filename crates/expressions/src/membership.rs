//! Checking of `x in list`.

use crate::check::{Checker, dotted_name};
use crate::error::ExpressionError;
use crate::node::{BoolNode, FloatNode, IntNode, Kind, ListNode, Node, TextNode};
use crate::operators::{Same, float, kind_names, unify};
use crate::scope::Entry;
use crate::set::Constants;
use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr};
use riskstream_events::{Value, ValueType, is_pseudonym};
use std::sync::Arc;

impl Checker<'_> {
    /// `x in list`: a list whose entries change, a constant list of the scope, a list in the row, or a list literal.
    pub(crate) fn membership(&mut self, call: &CallExpr, tree: &IdedExpr) -> Option<Node> {
        if let Some(checked) = self.in_entries(call) {
            return checked;
        }
        let value = self.check(&call.args[0]);
        let list = &call.args[1];
        if let Expr::List(literal) = &list.expr {
            let elements = self.check_all(&literal.elements)?;
            return self.in_elements(value?, elements, &literal.elements, tree);
        }
        if let Some(name) = dotted_name(list)
            && let Some(Entry::Constants { constants, .. }) = self.scope.get(name.trim_start_matches('.'))
        {
            let constants = Arc::clone(constants);
            return self.in_constants(value?, &constants, tree);
        }
        let list = self.check(list)?;
        let value = value?;
        match list {
            Node::List(list) => self.in_row(value, list, tree),
            other => self.mismatch("in", &[value.kind().name(), other.kind().name()], tree),
        }
    }

    fn in_row(&mut self, value: Node, list: ListNode, tree: &IdedExpr) -> Option<Node> {
        let span = self.positions.span(tree);
        if list.element() == ValueType::Text {
            let element = match &list {
                ListNode::Slot { slot, .. } => TextNode::Slot(*slot),
                ListNode::Constant { .. } | ListNode::Split(_) => TextNode::Null,
            };
            self.check_comparison("==", &value, &Node::Text(element), &span)?;
        }
        let kind = value.kind();
        let value = self.recover_constants(vec![Node::List(list.clone()), value]).pop()?;
        let value = match (value, list.element()) {
            (value @ Node::Bool(_), ValueType::Bool)
            | (value @ Node::Int(_), ValueType::Int)
            | (value @ Node::Float(_), ValueType::Float)
            | (value @ Node::Text(_), ValueType::Text)
            | (value @ Node::Timestamp(_), ValueType::Timestamp) => value,
            (value @ Node::Int(_), ValueType::Float) => Node::Float(float(value)?),
            _ => return self.cannot_hold(kind, list.element().name(), tree),
        };
        Some(Node::Bool(BoolNode::ListHolds(Box::new((list, value)))))
    }

    fn cannot_hold(&mut self, value: Kind, elements: &str, tree: &IdedExpr) -> Option<Node> {
        let message = format!("a list of {elements} cannot hold {}", value.name());
        self.fail(ExpressionError::new(message, self.positions.span(tree)))
    }

    fn in_constants(&mut self, value: Node, constants: &Constants, tree: &IdedExpr) -> Option<Node> {
        let kind = value.kind();
        if let Constants::Text(texts) = constants {
            let are_pseudonyms = texts.all(|text| is_pseudonym(text));
            self.check_members(&value, are_pseudonyms, &self.positions.span(tree))?;
        }
        let constants = self.recover_set(&value, constants);
        Some(Node::Bool(match (value, &*constants) {
            (Node::Null | Node::Duration(_) | Node::List(_), _) => {
                return self.cannot_hold(kind, "constants", tree);
            }
            (value, Constants::Empty) => {
                // Not simply false: `null in list` is null.
                let absent = BoolNode::IsNull(Box::new(value));
                BoolNode::Conditional(Box::new((absent, BoolNode::Null, BoolNode::Constant(false))))
            }
            (Node::Bool(part), Constants::Bool(values)) => BoolNode::Among(
                Box::new(part),
                values.iter().map(|value| BoolNode::Constant(*value)).collect(),
            ),
            (Node::Int(part), Constants::Number { ints, .. }) => BoolNode::IntIn(Box::new(part), Arc::clone(ints)),
            (Node::Float(part), Constants::Number { floats, .. }) => {
                BoolNode::FloatIn(Box::new(part), Arc::clone(floats))
            }
            (Node::Text(part), Constants::Text(texts)) => BoolNode::TextIn(Box::new(part), Arc::clone(texts)),
            (Node::Timestamp(part), Constants::Timestamp(times)) => BoolNode::IntIn(Box::new(part), Arc::clone(times)),
            (_, Constants::Bool(_)) => return self.cannot_hold(kind, "bool", tree),
            (_, Constants::Number { .. }) => return self.cannot_hold(kind, "numbers", tree),
            (_, Constants::Text(_)) => return self.cannot_hold(kind, "text", tree),
            (_, Constants::Timestamp(_)) => return self.cannot_hold(kind, "timestamp", tree),
        }))
    }

    /// A list literal: constants become a set, other elements are compared one by one.
    fn in_elements(&mut self, value: Node, elements: Vec<Node>, trees: &[IdedExpr], tree: &IdedExpr) -> Option<Node> {
        if let Some(null) = elements.iter().position(|element| matches!(element, Node::Null)) {
            let error = ExpressionError::new("null is in no list", self.positions.span(&trees[null]));
            return self.fail(error.with_help("write x == null || x in [...]"));
        }
        let constants: Option<Vec<Value>> = elements.iter().map(constant).collect();
        if let Some(constants) = constants
            && let Ok(constants) = Constants::new("", &constants)
        {
            return self.in_constants(value, &constants, tree);
        }
        for element in &elements {
            self.check_comparison("==", &value, element, &self.positions.span(tree))?;
        }
        let kinds = kind_names(std::slice::from_ref(&value))
            .into_iter()
            .chain(kind_names(&elements));
        let mut distinct: Vec<&str> = kinds.collect();
        distinct.dedup();
        let mut parts = elements;
        parts.insert(0, value);
        let parts = self.recover_constants(parts);
        fn split<T>(mut parts: Vec<T>) -> (Box<T>, Box<[T]>) {
            let first = parts.remove(0);
            (Box::new(first), parts.into())
        }
        Some(Node::Bool(match unify(parts) {
            Some(Same::Bool(parts)) => {
                let (value, elements) = split(parts);
                BoolNode::Among(value, elements)
            }
            Some(Same::Int(parts) | Same::Timestamp(parts) | Same::Duration(parts)) => {
                let (value, elements) = split(parts);
                BoolNode::IntAmong(value, elements)
            }
            Some(Same::Float(parts)) => {
                let (value, elements) = split(parts);
                BoolNode::FloatAmong(value, elements)
            }
            Some(Same::Text(parts)) => {
                let (value, elements) = split(parts);
                BoolNode::TextAmong(value, elements)
            }
            None => return self.mismatch("in", &distinct, tree),
        }))
    }
}

/// The value of a constant.
pub(crate) fn constant(node: &Node) -> Option<Value> {
    Some(match node {
        Node::Bool(BoolNode::Constant(value)) => Value::Bool(*value),
        Node::Int(IntNode::Constant(value)) => Value::Int(*value),
        Node::Float(FloatNode::Constant(value)) => Value::Float(*value),
        Node::Text(TextNode::Constant(value)) => Value::Text(value.clone()),
        Node::Timestamp(IntNode::Constant(value)) => Value::Timestamp(*value),
        _ => return None,
    })
}
