//! Expressions over the fields and features of an event: the Common Expression Language (CEL),
//! type-checked once and compiled to a tree over the slots of a row, evaluated in tens of nanoseconds
//! without allocation. The `cel` crate parses; this crate checks and evaluates. Depends on `cel` (its parser), on
//! `riskstream-events` (values, slots, calendar), on `jiff` (time zones, RFC 3339), on `regex`, on `libm` and on `strsim`
//! (similarity of texts, suggestions).
//!
#![doc = include_str!("../../../docs/expressions.md")]
#![forbid(unsafe_code)]

mod check;
mod distance;
mod entries;
mod error;
mod evaluate;
mod foreign_syntax;
mod functions;
mod loops;
mod membership;
mod network;
mod node;
mod number;
mod operators;
mod parse;
mod possible;
mod presence;
mod pseudonyms;
mod reference;
mod revision;
mod row;
mod scan;
mod scope;
mod set;
mod tested;
mod texts;
mod time;

pub use error::{ExpressionError, ScopeError};
pub use possible::Known;
pub use reference::{Cost, FUNCTIONS, Function};
pub use revision::Revision;
pub use scan::{MAX_DEPTH, MAX_LENGTH};
pub use scope::{EntryField, EntrySlots, Scope};
pub use tested::Tested;

use node::Node;
use riskstream_events::{Slot, Value, ValueType};
use row::Row;
use std::sync::Arc;

/// A compiled expression. Cloning is cheap; evaluation takes `&self` and may run on many threads.
#[derive(Clone, Debug)]
pub struct Expression(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    source: String,
    node: Node,
    value_type: ValueType,
    slots: Vec<Slot>,
    revision: Revision,
    holds_pseudonyms: bool,
}

impl Expression {
    /// Parses and checks an expression and resolves its names to slots.
    ///
    /// # Errors
    /// All errors at once, ordered by place: syntax (then nothing else is checked), unknown names and
    /// functions, types that do not fit, parts that are null for every row.
    pub fn compile(source: &str, scope: &Scope) -> Result<Expression, Vec<ExpressionError>> {
        let (tree, positions) = parse::parse(source)?;
        let checked = check::check(&tree, &positions, scope)?;
        Ok(Expression(Arc::new(Compiled {
            source: source.to_owned(),
            node: checked.node,
            value_type: checked.value_type,
            slots: checked.slots,
            revision: checked.revision,
            holds_pseudonyms: checked.holds_pseudonyms,
        })))
    }

    /// Compiles a condition: an expression of type bool.
    ///
    /// # Errors
    /// As [`Expression::compile`], or it is of another type.
    pub fn condition(source: &str, scope: &Scope) -> Result<Expression, Vec<ExpressionError>> {
        let expression = Expression::compile(source, scope)?;
        let found = expression.value_type();
        if found == ValueType::Bool {
            return Ok(expression);
        }
        let message = format!("a condition must be a bool, not {}", found.name());
        let error = ExpressionError::new(message, 0..source.len());
        Err(vec![error.with_help("compare it with something, as in x > 0")])
    }

    /// The type of every value but null that the expression gives.
    pub fn value_type(&self) -> ValueType {
        self.0.value_type
    }

    /// The type of the values in a list that it gives; its own type if it gives no list.
    pub fn element_type(&self) -> ValueType {
        match &self.0.node {
            Node::List(list) => list.element(),
            _ => self.0.value_type,
        }
    }

    /// The slots it reads: sorted, each once.
    pub fn slots(&self) -> &[Slot] {
        &self.0.slots
    }

    /// The value over a row. A slot that the row lacks or that holds a value of another type than
    /// declared counts as null (but an integer in a float's slot is widened).
    #[inline]
    pub fn evaluate(&self, row: &[Value]) -> Value {
        self.0.node.evaluate(&Row::new(row))
    }

    /// Whether the value is true: null and values of other types are not. Allocates only for texts that the expression
    /// itself makes.
    #[inline]
    pub fn is_true(&self, row: &[Value]) -> bool {
        match &self.0.node {
            Node::Bool(node) => node.evaluate(&Row::new(row)) == Some(true),
            _ => false,
        }
    }

    /// Whether a condition can be true in a row of whose `slot` this is known. May say so of one that cannot.
    pub fn can_be_true(&self, slot: Slot, known: Known<'_>) -> bool {
        self.0.node.can_be_true(slot, known)
    }

    /// The slots that a condition tests against constants: what is [`Known`] of one of these decides most about it.
    pub fn tested(&self) -> Vec<Tested> {
        self.0.node.tested()
    }

    /// Whether it has a value in every row in which the slots that `is_present` accepts have one. May be false for an
    /// expression that always has one.
    pub fn is_always_present(&self, is_present: &dyn Fn(Slot) -> bool) -> bool {
        self.0.node.is_present(is_present)
    }

    /// The revision of the language that gave it its present meaning. The same text has had another one before.
    pub fn revision(&self) -> Revision {
        self.0.revision
    }

    /// Whether its value is a pseudonym, or a list of them.
    pub fn holds_pseudonyms(&self) -> bool {
        self.0.holds_pseudonyms
    }

    /// The text that was compiled.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether the value is the same for every row.
    pub fn is_constant(&self) -> bool {
        self.0.slots.is_empty()
    }
}
