//! Deciding on an event that has all features: complete its row, then apply rules and thresholds. Nothing else is read: the
//! same row, lists and answer give the same decision.

use crate::answer::Answer;
use crate::event::Event;
use crate::plan::{DecidePlan, DecisionStep, Fact, Lookup, Plan, SlotExpression, Within};
use compact_str::ToCompactString;
use riskstream_events::{Flags, Row, Value};
use riskstream_expressions::EntrySlots;
use riskstream_lists::{EntryField, EntryRef, Found, ListSet, RowTable};
use riskstream_policy::PolicyResult;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Plan {
    /// The same plan, in which a roll-out decides.
    pub fn deciding_by(&self, decide: &Arc<DecidePlan>) -> Plan {
        Plan {
            slots: decide.slots.clone(),
            decide: Arc::clone(decide),
            ..self.clone()
        }
    }
}

impl DecidePlan {
    /// Evaluates the expressions that models, rules and thresholds read, and fills in what tables and `lists` say. The row is
    /// then complete: models can score it.
    pub fn complete(&self, lists: &ListSet, event: &mut Event) {
        // A roll-out may have more slots than the plan whose stages filled the row.
        event.row.resize(self.slots.len(), Value::Null);
        let time = event.event_time();
        for step in &self.steps {
            match step {
                DecisionStep::Compute(SlotExpression { slot, expression }) => {
                    event.row[*slot] = expression.evaluate(&event.row);
                }
                DecisionStep::LookUp(lookup) => look_up(lookup, lists, time, &mut event.row),
            }
        }
    }

    /// Applies rules and thresholds to a complete event and the models' answer. Writes the score, what rules read of lateness
    /// and flags, and what outputs read of the decision into the event's row, sets [`Flags::DEGRADED`] if the model that was asked
    /// first failed, and overwrites `result`.
    pub fn decide(&self, event: &mut Event, answer: &Answer, result: &mut PolicyResult) {
        if answer.failure.is_some() {
            event.flags |= Flags::DEGRADED;
        }
        event.row[self.score] = answer.score.map_or(Value::Null, Value::Float);
        if let Some(slot) = self.late_by {
            event.row[slot] = Value::Float(event.late_by().max(0) as f64 / 1e6);
        }
        if let Some(slot) = self.flags {
            event.row[slot] = Value::List(event.flags.names().map(|word| Value::Text(word.into())).collect());
        }
        self.policy.decide(&event.row, result);
        if answer.asked.is_some() && answer.score.is_none() {
            result.outcome = result.outcome.max(self.without_score);
        }
        self.write_facts(event, result);
    }

    /// Writes what outputs read of the decision.
    fn write_facts(&self, event: &mut Event, result: &PolicyResult) {
        let policy = &self.policy;
        let facts = &self.outputs.facts;
        let attributes = match facts.iter().any(|(_, fact)| matches!(fact, Fact::Attribute(_))) {
            true => policy.attributes(result),
            false => BTreeMap::new(),
        };
        let names = |fired: &[usize]| {
            let reasons = fired.iter().filter_map(|index| policy.reason(*index));
            Value::List(reasons.map(|reason| Value::Text(reason.name.as_str().into())).collect())
        };
        for (slot, fact) in facts {
            event.row[*slot] = match fact {
                Fact::Outcome => Value::Text(policy.outcomes().word(result.outcome).into()),
                Fact::Rules => names(&result.fired),
                Fact::ShadowRules => names(&result.shadows),
                Fact::Attribute(name) => match attributes.get(name.as_str()) {
                    Some(text) => Value::Text((*text).into()),
                    None => Value::Null,
                },
            };
        }
    }
}

/// Fills in what a list or table says of a value, lists as of an event time. Without a value nothing is known.
fn look_up(lookup: &Lookup, lists: &ListSet, time: i64, row: &mut Row) {
    match &lookup.within {
        Within::List(list) => {
            let found = match &row[lookup.key] {
                Value::Text(key) => Some(lists.get(*list, key, time)),
                Value::Int(key) => Some(lists.get(*list, &key.to_compact_string(), time)),
                _ => None,
            };
            fill_in_entry(found, &lookup.entry, row);
        }
        Within::TableInForce(table) => look_up_row(lists.rows(*table), lookup, row),
        Within::Table(table) => look_up_row(Some(table), lookup, row),
    }
}

/// `None`: there is no value to look up; `Some(None)`: it has no entry.
fn fill_in_entry(found: Option<Option<EntryRef<'_>>>, slots: &EntrySlots, row: &mut Row) {
    let entry = found.flatten().unwrap_or_default();
    row[slots.present] = found.map_or(Value::Null, |found| Value::Bool(found.is_some()));
    for ((field, ..), known) in EntryField::ALL.iter().zip(slots.fields.iter()) {
        row[known.slot] = entry.field(*field);
    }
}

/// Without a table there is no row for any value.
fn look_up_row(table: Option<&RowTable>, lookup: &Lookup, row: &mut Row) {
    let found = match (table, &row[lookup.key]) {
        (Some(table), value) => table.find(value),
        (None, Value::Null) => Found::NoKey,
        (None, _) => Found::Nothing,
    };
    let slots = &lookup.entry;
    row[slots.present] = match found {
        Found::NoKey => Value::Null,
        Found::Nothing => Value::Bool(false),
        Found::Row(_) => Value::Bool(true),
    };
    for (column, field) in slots.fields.iter().enumerate() {
        row[field.slot] = match found {
            Found::Row(found) => found.value(column),
            Found::NoKey | Found::Nothing => Value::Null,
        };
    }
}
