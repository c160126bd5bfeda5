//! The type checker: from syntax tree to typed tree.

use crate::error::ExpressionError;
use crate::foreign_syntax;
use crate::loops::LoopVariable;
use crate::node::{BoolNode, FloatNode, IntNode, Kind, ListNode, Node, TextNode};
use crate::parse::Positions;
use crate::reference::FUNCTIONS;
use crate::revision::Revision;
use crate::row::Row;
use crate::scope::{Entry, LookedUp, Scope};
use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, SelectExpr, operators};
use riskstream_events::{Slot, ValueType};
use std::collections::BTreeSet;
use std::ops::Range;

pub(crate) struct Checker<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) positions: &'a Positions,
    errors: Vec<ExpressionError>,
    slots: BTreeSet<Slot>,
    /// Number of variables read so far: a part that adds none is constant.
    reads: usize,
    /// The variables of the loops around the part that is being checked, the outermost first.
    pub(crate) loops: Vec<LoopVariable>,
    /// The latest revision that gave a part its meaning.
    pub(crate) revision: Revision,
}

/// A checked expression.
pub(crate) struct Checked {
    pub(crate) node: Node,
    pub(crate) value_type: ValueType,
    pub(crate) slots: Vec<Slot>,
    pub(crate) revision: Revision,
    pub(crate) holds_pseudonyms: bool,
}

/// Checks a syntax tree.
///
/// # Errors
/// All errors, ordered by place.
pub(crate) fn check(tree: &IdedExpr, positions: &Positions, scope: &Scope) -> Result<Checked, Vec<ExpressionError>> {
    let mut checker = Checker {
        scope,
        positions,
        errors: Vec::new(),
        slots: BTreeSet::new(),
        reads: 0,
        loops: Vec::new(),
        revision: Revision::default(),
    };
    let typed = checker.check(tree).and_then(|node| {
        let value_type = checker.value_type(&node, positions.span(tree))?;
        Some((node, value_type))
    });
    match typed {
        Some((node, value_type)) if checker.errors.is_empty() => Ok(Checked {
            holds_pseudonyms: checker.pseudonym(&node).is_some(),
            node,
            value_type,
            slots: checker.slots.into_iter().collect(),
            revision: checker.revision,
        }),
        _ => {
            checker.errors.sort_by_key(|error| (error.span.start, error.span.end));
            Err(checker.errors)
        }
    }
}

impl Checker<'_> {
    /// The type of the whole expression. Durations and null are types of its parts only.
    fn value_type(&mut self, node: &Node, span: Range<usize>) -> Option<ValueType> {
        Some(match node.kind() {
            Kind::Bool => ValueType::Bool,
            Kind::Int => ValueType::Int,
            Kind::Float => ValueType::Float,
            Kind::Text => ValueType::Text,
            Kind::Timestamp => ValueType::Timestamp,
            Kind::List => ValueType::List,
            Kind::Duration => {
                let error = ExpressionError::new("an expression cannot be a duration", span);
                return self.fail(error.with_help("turn it into a number: (a - b).getSeconds()"));
            }
            Kind::Null => {
                return self.fail(ExpressionError::new("the expression is always null", span));
            }
        })
    }

    /// Adds an error.
    pub(crate) fn fail<T>(&mut self, error: ExpressionError) -> Option<T> {
        self.errors.push(error);
        None
    }

    /// The typed tree of a part; `None` if it has errors, which are then added.
    pub(crate) fn check(&mut self, tree: &IdedExpr) -> Option<Node> {
        let reads = self.reads;
        let node = match &tree.expr {
            Expr::Literal(literal) => return self.literal(literal, tree),
            Expr::Ident(name) => return self.variable(name.trim_start_matches('.'), tree),
            Expr::Select(select) => return self.select(select, tree),
            Expr::Call(call) => self.call(call, tree)?,
            Expr::List(_) => {
                let error = ExpressionError::new("a list can only stand to the right of in", self.positions.span(tree));
                return self.fail(error.with_help("write x in [a, b]"));
            }
            Expr::Comprehension(general) => self.comprehension(general, tree)?,
            Expr::Map(_) => return self.unsupported("maps are", tree),
            Expr::Struct(_) => return self.unsupported("messages are", tree),
            Expr::Unspecified => return self.unsupported("this is", tree),
        };
        if self.reads == reads {
            self.fold(node, tree)
        } else {
            Some(node)
        }
    }

    fn unsupported(&mut self, what: &str, tree: &IdedExpr) -> Option<Node> {
        self.fail(ExpressionError::new(
            format!("{what} not supported"),
            self.positions.span(tree),
        ))
    }

    fn literal(&mut self, literal: &LiteralValue, tree: &IdedExpr) -> Option<Node> {
        Some(match literal {
            LiteralValue::Boolean(value) => Node::Bool(BoolNode::Constant(*value.inner())),
            LiteralValue::Int(value) => Node::Int(IntNode::Constant(*value.inner())),
            LiteralValue::Double(value) => Node::Float(FloatNode::Constant(*value.inner())),
            LiteralValue::String(value) => Node::Text(TextNode::Constant(value.inner().into())),
            LiteralValue::Null => Node::Null,
            LiteralValue::UInt(_) => {
                let error = ExpressionError::new("unsigned integers are not supported", self.positions.span(tree));
                return self.fail(error.with_help("leave out the u"));
            }
            LiteralValue::Bytes(_) => return self.unsupported("byte strings are", tree),
        })
    }

    /// A dotted name, a field of a list's entry, or `has` of one of them.
    fn select(&mut self, select: &SelectExpr, tree: &IdedExpr) -> Option<Node> {
        let selected = match self.entry_field(select, tree) {
            Some(field) => field?,
            None => self.dotted(select, tree)?,
        };
        if select.test {
            let absent = BoolNode::IsNull(Box::new(selected));
            return Some(Node::Bool(BoolNode::Not(Box::new(absent))));
        }
        Some(selected)
    }

    fn dotted(&mut self, select: &SelectExpr, tree: &IdedExpr) -> Option<Node> {
        let Some(mut name) = dotted_name(&select.operand) else {
            if let Expr::Call(call) = &select.operand.expr
                && call.func_name == operators::INDEX
            {
                // What is indexed may be wrong: an unknown list.
                self.check(&select.operand)?;
            }
            let error = ExpressionError::new(
                format!("there is no field {} to take from this", select.field),
                self.positions.span(tree),
            );
            return self.fail(error);
        };
        name.push('.');
        name.push_str(&select.field);
        self.variable(name.trim_start_matches('.'), tree)
    }

    fn variable(&mut self, name: &str, tree: &IdedExpr) -> Option<Node> {
        if let Some(node) = self.loop_variable(name) {
            return Some(node);
        }
        match self.scope.get(name) {
            None => self.unknown_name(name, tree),
            Some(Entry::LookedUp(LookedUp { words, .. })) => {
                let message = format!("the {} {name} is no value", words.whole);
                let error = ExpressionError::new(message, self.positions.span(tree));
                self.fail(error.with_help(format!("write x in {name}, or {name}[x] and a {}", words.field)))
            }
            Some(Entry::Constants { .. }) => {
                let message = format!("the list {name} can only stand to the right of in");
                let error = ExpressionError::new(message, self.positions.span(tree));
                self.fail(error.with_help(format!("write x in {name}")))
            }
            Some(&Entry::Variable { slot, value_type }) => {
                self.read(slot);
                slot_node(slot, value_type)
            }
            Some(&Entry::ListVariable { slot, element }) => {
                self.read(slot);
                Some(Node::List(ListNode::Slot { slot, element }))
            }
        }
    }

    fn unknown_name(&mut self, name: &str, tree: &IdedExpr) -> Option<Node> {
        let error = ExpressionError::new(format!("unknown name {name}"), self.positions.span(tree));
        let (owner, last) = name.rsplit_once('.').unwrap_or(("", name));
        let is_function = !owner.is_empty() && FUNCTIONS.iter().any(|function| function.name == last);
        let of_time = foreign_syntax::part_of_time(last).filter(|_| self.scope.is_timestamp(owner));
        self.fail(
            match (foreign_syntax::constant(name), of_time, self.scope.nearest(name)) {
                (Some(help), ..) => error.with_help(help),
                (_, Some(method), _) => error.with_help(format!("write {owner}.{method}()")),
                _ if is_function => error.with_help(format!("write {name}()")),
                (.., Some(nearest)) => error.with_help(format!("did you mean {nearest}?")),
                _ => error,
            },
        )
    }

    pub(crate) fn read(&mut self, slot: Slot) {
        self.slots.insert(slot);
        self.depends_on_the_row();
    }

    /// Notes that the part that is being checked is not constant.
    pub(crate) fn depends_on_the_row(&mut self) {
        self.reads += 1;
    }

    /// Checks all arguments, so that the errors of each are found.
    pub(crate) fn check_all(&mut self, trees: &[IdedExpr]) -> Option<Vec<Node>> {
        let nodes: Vec<Option<Node>> = trees.iter().map(|tree| self.check(tree)).collect();
        nodes.into_iter().collect()
    }

    fn call(&mut self, call: &CallExpr, tree: &IdedExpr) -> Option<Node> {
        match self.operator(call, tree) {
            Some(result) => result,
            None => self.function(call, tree),
        }
    }

    /// Evaluates a constant part. One without a value is an error.
    fn fold(&mut self, node: Node, tree: &IdedExpr) -> Option<Node> {
        let row = &Row::new(&[]);
        let folded = match &node {
            Node::Bool(part) => part.evaluate(row).map(|value| Node::Bool(BoolNode::Constant(value))),
            Node::Int(part) => part.evaluate(row).map(|value| Node::Int(IntNode::Constant(value))),
            Node::Float(part) => part.evaluate(row).map(|value| Node::Float(FloatNode::Constant(value))),
            Node::Text(part) => part
                .evaluate(row)
                .map(|value| Node::Text(TextNode::Constant(value.into()))),
            Node::Timestamp(part) => part
                .evaluate(row)
                .map(|value| Node::Timestamp(IntNode::Constant(value))),
            Node::Duration(part) => part.evaluate(row).map(|value| Node::Duration(IntNode::Constant(value))),
            Node::Null | Node::List(_) => Some(node),
        };
        if folded.is_none() {
            let error = ExpressionError::new("this is always null", self.positions.span(tree));
            return self.fail(error.with_help("it overflows, divides by zero or cannot be converted"));
        }
        folded
    }
}

/// The value of a slot; `None` for a list.
pub(crate) fn slot_node(slot: Slot, value_type: ValueType) -> Option<Node> {
    Some(match value_type {
        ValueType::Bool => Node::Bool(BoolNode::Slot(slot)),
        ValueType::Int => Node::Int(IntNode::Slot(slot)),
        ValueType::Float => Node::Float(FloatNode::Slot(slot)),
        ValueType::Text => Node::Text(TextNode::Slot(slot)),
        ValueType::Timestamp => Node::Timestamp(IntNode::TimestampSlot(slot)),
        ValueType::List => return None,
    })
}

/// The name that a chain of selections spells, such as `merchant.country`.
pub(crate) fn dotted_name(tree: &IdedExpr) -> Option<String> {
    match &tree.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => {
            let mut name = dotted_name(&select.operand)?;
            name.push('.');
            name.push_str(&select.field);
            Some(name)
        }
        _ => None,
    }
}
