//! Checking of lists whose entries change: `card in blocked_cards` and `blocked_cards[card].reason`. What is known of a value
//! stands in slots of the row, so evaluation looks nothing up.

use crate::check::{Checker, dotted_name, slot_node};
use crate::error::{ExpressionError, nearest};
use crate::node::{BoolNode, Node};
use crate::scope::{Entry, EntrySlots};
use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, SelectExpr, operators as op};
use riskstream_events::Slot;

/// A list in an expression, and what is looked up in it.
struct Lookup<'a> {
    list: String,
    lookups: &'a [(Slot, EntrySlots)],
    value: &'a IdedExpr,
}

impl<'s> Checker<'s> {
    /// `x in list`, if the list is one whose entries change.
    pub(crate) fn in_entries(&mut self, call: &CallExpr) -> Option<Option<Node>> {
        let (list, lookups) = self.list_of_entries(&call.args[1])?;
        let slots = self.slots_of(&Lookup {
            list,
            lookups,
            value: &call.args[0],
        });
        Some(slots.map(|slots| {
            self.read(slots.present);
            Node::Bool(BoolNode::Slot(slots.present))
        }))
    }

    /// `list[x].field`, if the list is one whose entries change.
    pub(crate) fn entry_field(&mut self, select: &SelectExpr, tree: &IdedExpr) -> Option<Option<Node>> {
        let Expr::Call(call) = &select.operand.expr else {
            return None;
        };
        let (list, lookups) = self.indexed(call)?;
        let slots = self.slots_of(&Lookup {
            list,
            lookups,
            value: &call.args[1],
        });
        Some(slots.and_then(|slots| self.field(&slots, &select.field, tree)))
    }

    /// `list[x]` alone, if the list is one whose entries change: an entry is no value.
    pub(crate) fn refuse_entry(&mut self, call: &CallExpr, tree: &IdedExpr) -> bool {
        let Some((list, _)) = self.indexed(call) else {
            return false;
        };
        let value = dotted_name(&call.args[1]).unwrap_or_else(|| "x".to_owned());
        let error = ExpressionError::new(format!("an entry of {list} is no value"), self.positions.span(tree));
        self.fail::<Node>(error.with_help(format!(
            "write {value} in {list}, or take a field: {list}[{value}].reason"
        )));
        true
    }

    fn indexed(&self, call: &CallExpr) -> Option<(String, &'s [(Slot, EntrySlots)])> {
        match call.func_name == op::INDEX {
            true => self.list_of_entries(&call.args[0]),
            false => None,
        }
    }

    fn list_of_entries(&self, tree: &IdedExpr) -> Option<(String, &'s [(Slot, EntrySlots)])> {
        let name = dotted_name(tree)?;
        match self.scope.get(name.trim_start_matches('.')) {
            Some(Entry::Entries(lookups)) => Some((name, lookups)),
            _ => None,
        }
    }

    fn slots_of(&mut self, lookup: &Lookup<'_>) -> Option<EntrySlots> {
        let name = dotted_name(lookup.value);
        let slot = match name
            .as_ref()
            .and_then(|name| self.scope.get(name.trim_start_matches('.')))
        {
            Some(Entry::Variable { slot, .. }) => Some(*slot),
            _ => None,
        };
        let found = lookup.lookups.iter().find(|(key, _)| Some(*key) == slot);
        if let Some((_, slots)) = found {
            return Some(*slots);
        }
        // Other errors of the value say more.
        let node = self.check(lookup.value)?;
        let keys: Vec<&str> = lookup
            .lookups
            .iter()
            .filter_map(|(key, _)| self.scope.name_of(*key))
            .collect();
        let (list, keys) = (&lookup.list, keys.join(" and "));
        let what = name.unwrap_or_else(|| format!("this {}", node.kind().name()));
        let error = ExpressionError::new(
            format!("{what} is no key of {list}, which holds values of {keys}"),
            self.positions.span(lookup.value),
        );
        self.fail(error.with_help(format!(
            "the keys of a list are one field or feature, {keys} here; add others that hold the same to the list's `also:`"
        )))
    }

    fn field(&mut self, slots: &EntrySlots, name: &str, tree: &IdedExpr) -> Option<Node> {
        let fields = slots.fields();
        if let Some((_, slot, value_type)) = fields.iter().find(|(field, ..)| *field == name) {
            self.read(*slot);
            return slot_node(*slot, *value_type);
        }
        let error = ExpressionError::new(format!("an entry has no field {name}"), self.positions.span(tree));
        self.fail(match nearest(name, fields.iter().map(|(field, ..)| *field)) {
            Some(near) => error.with_help(format!("did you mean {near}?")),
            None => error.with_help("the fields of an entry are value, reason, author and until"),
        })
    }
}
