//! The step itself: admit an event, apply it to a stage's state, decide.

use crate::answer::Answer;
use crate::event::Event;
use crate::key::write_key;
use crate::plan::{EVENT_ID, EVENT_TIME, Plan, SlotExpression, TRANSACTIONS, WRITTEN_AT};
use crate::stream_time::StreamTime;
use compact_str::{CompactString, ToCompactString};
use riskstream_events::{Flags, ReasonCode, Rejection, Row, Slot, Value};
use riskstream_features::state::{StateError, StateStore};
use riskstream_features::{ApplyError, EntityStates};
use riskstream_policy::PolicyResult;
use std::sync::Arc;

/// Why a stage could not apply an event.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The event is at fault: a dead letter. State is untouched.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The state is at fault.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Follows a plan. One for each worker: it owns scratch space.
pub struct Engine {
    plan: Arc<Plan>,
    key: String,
}

impl Engine {
    /// An engine for `plan`.
    pub fn new(plan: Arc<Plan>) -> Engine {
        Engine {
            plan,
            key: String::new(),
        }
    }

    /// The plan it follows.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Checks a decoded row and fills its canonical slots, event id and event time. `written_at` is the
    /// log's timestamp in milliseconds: an event time too far beyond it must not move any stream time.
    pub fn admit(&self, input: u8, written_at: Option<i64>, row: &mut Row) -> Result<(), Rejection> {
        let plan = &self.plan.inputs[usize::from(input)];
        row[EVENT_ID] = match &row[plan.id] {
            Value::Text(id) if !id.is_empty() => Value::Text(id.clone()),
            Value::Int(id) => Value::Text(id.to_compact_string()),
            _ => return Err(self.missing(plan.id)),
        };
        let Value::Timestamp(time) = row[plan.event_time] else {
            return Err(self.missing(plan.event_time));
        };
        row[EVENT_TIME] = Value::Timestamp(time);
        let written_at = written_at.map(|ms| ms.saturating_mul(1000));
        row[WRITTEN_AT] = written_at.map_or(Value::Null, Value::Timestamp);
        let latest = written_at.map(|written_at| written_at.saturating_add(self.plan.max_future));
        if latest.is_some_and(|latest| time > latest) {
            let detail = format!(
                "`{}` lies further than max_future after the record's timestamp",
                self.name(plan.event_time)
            );
            return Err(Rejection::new(ReasonCode::FutureEventTime, detail));
        }
        for &(slot, units) in &plan.numbers {
            let Some(number) = row[slot].as_number() else { continue };
            // 2^63 is exact as a float; anything at or beyond it does not fit fixed point.
            let reason = if !number.is_finite() {
                ReasonCode::NotFinite
            } else if (number * units as f64).abs() >= i64::MAX as f64 {
                ReasonCode::OutOfRange
            } else {
                continue;
            };
            return Err(Rejection::new(reason, format!("`{}`", self.name(slot))));
        }
        Ok(())
    }

    /// The key of `stage`'s entity in this event, as text, or `None` if the event has none.
    pub fn key<'k>(&self, stage: usize, event: &Event, buffer: &'k mut String) -> Option<&'k str> {
        let slot = self.plan.stages[stage].keys[usize::from(event.input)]?;
        write_key(&event.row[slot], buffer)
    }

    /// Applies the event to the state of its entity at `stage` and fills in that stage's features. A label is
    /// first completed from its transaction (later entities' keys), which the first stage remembers.
    pub fn apply(
        &mut self,
        stage: usize,
        states: &mut EntityStates,
        store: &dyn StateStore,
        stream_time: &mut StreamTime,
        event: &mut Event,
    ) -> Result<(), StageError> {
        let plan = &self.plan.stages[stage];
        evaluate(&plan.before, &mut event.row);
        let time = event.event_time();
        let Some(key) = plan.keys[usize::from(event.input)].and_then(|slot| write_key(&event.row[slot], &mut self.key))
        else {
            return Ok(());
        };
        if event.input != TRANSACTIONS && stage == 0 && plan.completes_labels {
            let id = CompactString::from(event.id());
            if !states.complete(store, key, &id, &mut event.row)? {
                return Err(StageError::Rejected(Rejection::new(
                    ReasonCode::UnknownTransaction,
                    "the label's transaction is not in this state: never seen, or longer ago than is kept",
                )));
            }
        }
        let latest = stream_time.latest.max(time);
        let applied = states
            .apply(store, latest, key, event.input, &mut event.row)
            .map_err(|error| self.stage_error(error))?;
        if !applied.too_late {
            stream_time.observe(time);
        }
        if applied.duplicate {
            event.flags |= Flags::DUPLICATE;
        }
        if applied.too_late {
            event.flags |= Flags::TOO_LATE;
        }
        if event.late_by() > 0 {
            event.flags |= Flags::LATE;
        }
        if time.saturating_sub(plan.reach) < stream_time.earliest {
            event.flags |= Flags::BOOTSTRAPPING;
        }
        Ok(())
    }

    /// Whether the event goes to `stage`. Every event goes to the first one; to a later one every transaction does, and
    /// labels that some feature there uses.
    pub fn travels(&self, stage: usize, event: &Event) -> bool {
        stage == 0 || event.input == TRANSACTIONS || self.plan.stages[stage].keys[usize::from(event.input)].is_some()
    }

    /// Fills in the expressions that models, rules and thresholds read: the row is complete and can be scored.
    pub fn complete(&self, event: &mut Event) {
        evaluate(&self.plan.decide.expressions, &mut event.row);
    }

    /// Applies rules and thresholds to a complete event and the models' answer. `result` is overwritten.
    pub fn decide(&self, event: &mut Event, answer: &Answer, result: &mut PolicyResult) {
        let plan = &self.plan.decide;
        event.row[plan.score] = answer.score.map_or(Value::Null, Value::Float);
        plan.policy.decide(&event.row, result);
        if answer.failure.is_some() {
            event.flags |= Flags::DEGRADED;
        }
        if answer.asked.is_some() && answer.score.is_none() {
            result.outcome = result.outcome.max(plan.without_score);
        }
    }

    fn missing(&self, slot: Slot) -> Rejection {
        Rejection::new(
            ReasonCode::MissingField,
            format!("`{}` is missing or null", self.name(slot)),
        )
    }

    fn name(&self, slot: Slot) -> &str {
        &self.plan.slots[slot].name
    }

    fn stage_error(&self, error: ApplyError) -> StageError {
        match error {
            ApplyError::State(error) => StageError::State(error),
            ApplyError::Value { slot, reason } => {
                StageError::Rejected(Rejection::new(reason.into(), format!("`{}`", self.name(slot))))
            }
        }
    }
}

fn evaluate(expressions: &[SlotExpression], row: &mut Row) {
    for computed in expressions {
        row[computed.slot] = computed.expression.evaluate(row);
    }
}
