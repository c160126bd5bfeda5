//! Checking of `list.exists(x, condition)` and `list.all(x, condition)`. The parser has turned them into the general form of
//! CEL's loops; the other loops of that form are not supported.

use crate::check::{Checker, slot_node};
use crate::error::ExpressionError;
use crate::node::{BoolNode, ListNode, Loop, Node};
use crate::row::{LOOP_VARIABLES, MAX_LOOPS};
use cel::IdedExpr;
use cel::common::ast::{ComprehensionExpr, Expr, ListExpr, LiteralValue, operators as op};
use riskstream_events::{Slot, Value, ValueType};
use std::sync::Arc;

/// The variable of a loop that is being checked.
pub(crate) struct LoopVariable {
    pub(crate) name: String,
    pub(crate) slot: Slot,
    element: ValueType,
    /// The slot of the list, if it holds pseudonyms.
    pub(crate) pseudonym: Option<Slot>,
}

impl Checker<'_> {
    /// The variable of a loop around the place that is being checked.
    pub(crate) fn loop_variable(&mut self, name: &str) -> Option<Node> {
        let variable = self.loops.iter().find(|variable| variable.name == name)?;
        let node = slot_node(variable.slot, variable.element)?;
        self.depends_on_the_row();
        Some(node)
    }

    pub(crate) fn comprehension(&mut self, general: &ComprehensionExpr, tree: &IdedExpr) -> Option<Node> {
        let span = self.positions.span(tree);
        let Some((decisive, condition)) = exists_or_all(general) else {
            let error = ExpressionError::new("of the loops over lists only exists and all are supported", span);
            return self.fail(error.with_help("write list.exists(x, x > 1) or list.all(x, x > 1)"));
        };
        let name = &general.iter_var;
        if self.scope.contains(name) || self.loops.iter().any(|outer| outer.name == *name) {
            let error = ExpressionError::new(format!("{name} is the name of something else already"), span);
            return self.fail(error.with_help("give the variable of the loop another name"));
        }
        if self.loops.len() == MAX_LOOPS {
            let message = format!("loops over lists are nested too deeply: {MAX_LOOPS} levels are allowed");
            return self.fail(ExpressionError::new(message, span));
        }
        let list = self.list(&general.iter_range)?;
        let variable = LOOP_VARIABLES + self.loops.len();
        self.loops.push(LoopVariable {
            name: name.clone(),
            slot: variable,
            element: list.element(),
            pseudonym: self.pseudonym(&Node::List(list.clone())),
        });
        let condition = self.condition(condition, if decisive { "exists" } else { "all" });
        self.loops.pop();
        Some(Node::Bool(BoolNode::Loop(Box::new(Loop {
            decisive,
            list,
            variable,
            condition: condition?,
        }))))
    }

    /// A list to loop over.
    fn list(&mut self, tree: &IdedExpr) -> Option<ListNode> {
        if let Some(constants) = self.constant_list(tree) {
            let values = constants?;
            let element = element_type(&values);
            return Some(ListNode::Constant { values, element });
        }
        match self.check(tree)? {
            Node::List(list) => Some(list),
            other => {
                let message = format!("there are no elements of {} to loop over", other.kind().name());
                self.fail(ExpressionError::new(message, self.positions.span(tree)))
            }
        }
    }

    /// The values of a list literal of constants.
    pub(crate) fn constant_elements(&mut self, literal: &ListExpr, tree: &IdedExpr) -> Option<Arc<[Value]>> {
        let elements = self.check_all(&literal.elements)?;
        let values: Option<Vec<Value>> = elements.iter().map(crate::membership::constant).collect();
        let span = self.positions.span(tree);
        let Some(values) = values else {
            return self.fail(ExpressionError::new(
                "the elements of this list must be constants",
                span,
            ));
        };
        match crate::set::Constants::new("here", &values) {
            Ok(_) => Some(values.into()),
            Err(error) => self.fail(ExpressionError::new(error.to_string(), span)),
        }
    }
}

/// The type of the elements of a constant list. Ints among floats are widened.
fn element_type(values: &[Value]) -> ValueType {
    let has_float = values.iter().any(|value| matches!(value, Value::Float(_)));
    match values.first().and_then(Value::value_type) {
        Some(ValueType::Int) if has_float => ValueType::Float,
        Some(value_type) => value_type,
        None => ValueType::Text,
    }
}

/// Whether the loop is `exists` (true) or `all` (false), and its condition. `None` if it is another one.
fn exists_or_all(general: &ComprehensionExpr) -> Option<(bool, &IdedExpr)> {
    let Expr::Literal(LiteralValue::Boolean(start)) = &general.accu_init.expr else {
        return None;
    };
    let Expr::Call(step) = &general.loop_step.expr else {
        return None;
    };
    let decisive = !*start.inner();
    let operator = if decisive { op::LOGICAL_OR } else { op::LOGICAL_AND };
    let condition = step.args.get(1)?;
    (step.func_name == operator && general.iter_var2.is_none()).then_some((decisive, condition))
}
