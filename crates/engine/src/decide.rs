//! Deciding on an event that has all features: complete its row, then apply rules and thresholds. Nothing else is read: the
//! same row, lists and answer give the same decision.

use crate::answer::Answer;
use crate::engine::fill_in;
use crate::event::Event;
use crate::plan::{DecidePlan, Fact, Lookup, Plan};
use compact_str::ToCompactString;
use riskstream_events::{Flags, Row, Value};
use riskstream_lists::ListSet;
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
    /// Evaluates the expressions that models, rules and thresholds read, and fills in what `lists` say. The row is then
    /// complete: models can score it.
    pub fn complete(&self, lists: &ListSet, event: &mut Event) {
        // A roll-out may have more slots than the plan whose stages filled the row.
        event.row.resize(self.slots.len(), Value::Null);
        fill_in(&self.expressions, &mut event.row);
        let time = event.event_time();
        for lookup in &self.lookups {
            look_up(lookup, lists, time, &mut event.row);
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

/// Fills in what a list says of a value as of an event time. Without a value nothing is known.
fn look_up(lookup: &Lookup, lists: &ListSet, time: i64, row: &mut Row) {
    let found = match &row[lookup.key] {
        Value::Text(key) => Some(lists.get(lookup.list, key, time)),
        Value::Int(key) => Some(lists.get(lookup.list, &key.to_compact_string(), time)),
        _ => None,
    };
    let entry = found.flatten().unwrap_or_default();
    let text = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Text(text.into()));
    let slots = &lookup.entry;
    row[slots.present] = found.map_or(Value::Null, |found| Value::Bool(found.is_some()));
    row[slots.value] = text(entry.value);
    row[slots.reason] = text(entry.reason);
    row[slots.author] = text(entry.author);
    row[slots.until] = entry.until.map_or(Value::Null, Value::Timestamp);
}
