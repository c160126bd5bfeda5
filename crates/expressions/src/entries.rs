//! Checking of what is looked up in lists whose entries change and in tables: `card in blocked_cards`,
//! `blocked_cards[card].reason`, `bins[card_bin].country`. What is known of a value stands in slots of the row, so evaluation
//! looks nothing up.

use crate::check::{Checker, dotted_name, slot_node};
use crate::error::{ExpressionError, nearest};
use crate::node::{BoolNode, Node};
use crate::scope::{Entry, EntrySlots, LookedUp, LookupWords};
use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, SelectExpr, operators as op};

/// A list or table in an expression, and what is looked up in it.
struct Lookup<'a> {
    name: String,
    within: &'a LookedUp,
    value: &'a IdedExpr,
}

impl<'s> Checker<'s> {
    /// `x in list`, if the list is one whose entries change, or a table.
    pub(crate) fn in_entries(&mut self, call: &CallExpr) -> Option<Option<Node>> {
        let (name, within) = self.looked_up(&call.args[1])?;
        let slots = self.slots_of(&Lookup {
            name,
            within,
            value: &call.args[0],
        });
        Some(slots.map(|slots| {
            self.read(slots.present);
            Node::Bool(BoolNode::Slot(slots.present))
        }))
    }

    /// `list[x].field`, if the list is one whose entries change, or a table.
    pub(crate) fn entry_field(&mut self, select: &SelectExpr, tree: &IdedExpr) -> Option<Option<Node>> {
        let Expr::Call(call) = &select.operand.expr else {
            return None;
        };
        let (name, within) = self.indexed(call)?;
        let slots = self.slots_of(&Lookup {
            name,
            within,
            value: &call.args[1],
        });
        Some(slots.and_then(|slots| self.field(slots, within.words, &select.field, tree)))
    }

    /// `list[x]` alone, if the list is one whose entries change, or a table: an entry or row is no value.
    pub(crate) fn refuse_entry(&mut self, call: &CallExpr, tree: &IdedExpr) -> bool {
        let Some((name, within)) = self.indexed(call) else {
            return false;
        };
        let LookupWords { part, field, .. } = within.words;
        let value = dotted_name(&call.args[1]).unwrap_or_else(|| "x".to_owned());
        let article = article(part);
        let error = ExpressionError::new(
            format!("{article} {part} of {name} is no value"),
            self.positions.span(tree),
        );
        let fields = within.lookups.iter().flat_map(|(_, slots)| slots.fields.iter());
        let example = fields.map(|field| field.name.as_str()).find(|name| *name != "value");
        let help = match example {
            Some(example) => format!("write {value} in {name}, or take a {field}: {name}[{value}].{example}"),
            None => format!("write {value} in {name}"),
        };
        self.fail::<Node>(error.with_help(help));
        true
    }

    fn indexed(&self, call: &CallExpr) -> Option<(String, &'s LookedUp)> {
        match call.func_name == op::INDEX {
            true => self.looked_up(&call.args[0]),
            false => None,
        }
    }

    fn looked_up(&self, tree: &IdedExpr) -> Option<(String, &'s LookedUp)> {
        let name = dotted_name(tree)?;
        match self.scope.get(name.trim_start_matches('.')) {
            Some(Entry::LookedUp(within)) => Some((name, within)),
            _ => None,
        }
    }

    fn slots_of<'l>(&mut self, lookup: &Lookup<'l>) -> Option<&'l EntrySlots> {
        let name = dotted_name(lookup.value);
        let slot = match name
            .as_ref()
            .and_then(|name| self.scope.get(name.trim_start_matches('.')))
        {
            Some(Entry::Variable { slot, .. }) => Some(*slot),
            _ => None,
        };
        let within = lookup.within;
        let found = within.lookups.iter().find(|(key, _)| Some(*key) == slot);
        if let Some((_, slots)) = found {
            return Some(slots);
        }
        // Other errors of the value say more.
        let node = self.check(lookup.value)?;
        let keys: Vec<&str> = within
            .lookups
            .iter()
            .filter_map(|(key, _)| self.scope.name_of(*key))
            .collect();
        let (whole, holder, keys) = (within.words.whole, &lookup.name, keys.join(" and "));
        let what = name.unwrap_or_else(|| format!("this {}", node.kind().name()));
        let error = ExpressionError::new(
            format!("{what} is no key of {holder}, which holds values of {keys}"),
            self.positions.span(lookup.value),
        );
        self.fail(error.with_help(format!(
            "the keys of a {whole} are one field or feature, {keys} here; add others that hold the same to the {whole}'s `also:`"
        )))
    }

    fn field(&mut self, slots: &EntrySlots, words: LookupWords, name: &str, tree: &IdedExpr) -> Option<Node> {
        let names = || slots.fields.iter().map(|field| field.name.as_str());
        if let Some(field) = slots.fields.iter().find(|field| field.name == name) {
            self.read(field.slot);
            return slot_node(field.slot, field.value_type);
        }
        let LookupWords { part, field, .. } = words;
        let article = article(part);
        let error = ExpressionError::new(
            format!("{article} {part} has no {field} {name}"),
            self.positions.span(tree),
        );
        self.fail(match (nearest(name, names()), names().next()) {
            (Some(near), _) => error.with_help(format!("did you mean {near}?")),
            (None, Some(_)) => {
                let names: Vec<&str> = names().collect();
                error.with_help(format!("the {field}s of {article} {part} are {}", enumerate(&names)))
            }
            (None, None) => error.with_help("the table only says which keys it has: write x in it"),
        })
    }
}

fn article(part: &str) -> &'static str {
    match part.starts_with('e') {
        true => "an",
        false => "a",
    }
}

/// `a, b and c`
fn enumerate(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}
