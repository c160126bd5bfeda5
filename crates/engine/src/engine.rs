//! The step until the decision: admit an event, apply it to the state of each stage.

use crate::event::Event;
use crate::plan::{EVENT_ID, EVENT_TIME, InputKind, InputPlan, Plan, SlotExpression, TRANSACTIONS, WRITTEN_AT};
use crate::stream_time::StreamTime;
use compact_str::{CompactString, ToCompactString};
use riskstream_events::{Flags, ReasonCode, Rejection, Row, Slot, Value, key_of_parts, write_key};
use riskstream_features::state::{StateError, StateStore};
use riskstream_features::{Applied, ApplyError, EntityStates, Precision};
use std::sync::Arc;

/// Why a stage could not apply an event.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The event cannot be used: it becomes a dead letter. State is as it was.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// State could not be read. The batch has to be given up.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Follows a plan. What its methods give depends on their arguments and the plan alone; all that it owns besides the plan is a
/// buffer, so each worker has its own.
pub struct Engine {
    plan: Arc<Plan>,
    /// A buffer for keys.
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

    /// Whether a decoded row of an input is an event: the input has no filter, or it holds.
    pub fn takes(&self, input: u8, row: &Row) -> bool {
        let filter = self.plan.inputs[usize::from(input)].filter.as_ref();
        filter.is_none_or(|filter| filter.evaluate(row) == Value::Bool(true))
    }

    /// Checks a decoded row of an input, and fills its canonical slots and computed keys. `written_at` is the record's timestamp
    /// in the log, in milliseconds since the epoch: an event time further than `max_future` after it is refused, so that it
    /// cannot advance stream time.
    ///
    /// # Errors
    /// The event cannot be used: no id, no event time or another required field, no key of any entity, an event time in the
    /// future or before `min_time`, or a number that no aggregate can hold.
    pub fn admit(&self, input: u8, written_at: Option<i64>, row: &mut Row) -> Result<(), Rejection> {
        let plan = &self.plan.inputs[usize::from(input)];
        self.identify(plan, written_at, row)?;
        let Value::Timestamp(time) = row[plan.event_time] else {
            return Err(self.missing(plan.event_time));
        };
        row[EVENT_TIME] = Value::Timestamp(time);
        compute_keys(plan, row);
        if let Some(slot) = plan.required.iter().find(|slot| row[**slot].is_null()) {
            return Err(self.missing(*slot));
        }
        if !plan.any_of.is_empty() && plan.any_of.iter().all(|slot| row[*slot].is_null()) {
            return Err(self.without_key(&plan.any_of));
        }
        self.check_time(plan, row)?;
        for &(slot, precision) in &plan.numbers {
            if let Some(number) = row[slot].as_number() {
                self.check_number(slot, number, precision)?;
            }
        }
        Ok(())
    }

    /// Whether a decoded row of a table deletes the one of its key.
    pub fn deletes(&self, input: u8, row: &Row) -> bool {
        let rows = self.plan.inputs[usize::from(input)].rows.as_ref();
        let deletion = rows.and_then(|rows| rows.deletion.as_ref());
        deletion.is_some_and(|deletion| deletion.evaluate(row) == Value::Bool(true))
    }

    /// Makes of a row of a table, of which only the key needs a value, the deletion of the row of its key: a row without any
    /// column. It holds from its event time on; one that has none, as a record without a value, from `written_at` on.
    ///
    /// # Errors
    /// There is no key, or no time; or the time is in the future or before `min_time`.
    pub fn admit_deletion(&self, input: u8, written_at: Option<i64>, row: &mut Row) -> Result<(), Rejection> {
        let plan = &self.plan.inputs[usize::from(input)];
        self.identify(plan, written_at, row)?;
        row[EVENT_TIME] = match (&row[plan.event_time], &row[WRITTEN_AT]) {
            (time @ Value::Timestamp(_), _) | (_, time @ Value::Timestamp(_)) => time.clone(),
            _ => return Err(self.missing(plan.event_time)),
        };
        for column in plan.rows.iter().flat_map(|rows| &rows.columns) {
            row[*column] = Value::Null;
        }
        compute_keys(plan, row);
        if let Some(key) = plan.computed_keys.iter().find(|key| row[key.slot].is_null()) {
            return Err(self.missing(key.slot));
        }
        self.check_time(plan, row)
    }

    /// Fills in the id and the record's timestamp.
    fn identify(&self, plan: &InputPlan, written_at: Option<i64>, row: &mut Row) -> Result<(), Rejection> {
        row[EVENT_ID] = match &row[plan.id] {
            Value::Text(id) if !id.is_empty() => Value::Text(id.clone()),
            Value::Int(id) => Value::Text(id.to_compact_string()),
            _ => return Err(self.missing(plan.id)),
        };
        row[WRITTEN_AT] = written_at.map_or(Value::Null, |ms| Value::Timestamp(ms.saturating_mul(1000)));
        Ok(())
    }

    /// Refuses an event time that cannot be meant.
    fn check_time(&self, plan: &InputPlan, row: &Row) -> Result<(), Rejection> {
        let (Value::Timestamp(time), written_at) = (&row[EVENT_TIME], &row[WRITTEN_AT]) else {
            return Ok(());
        };
        if plan.min_time.is_some_and(|min_time| *time < min_time) {
            let detail = format!(
                "`{}` lies before the input's `min_time`; a number may be in another `unit`",
                self.name(plan.event_time)
            );
            return Err(Rejection::new(ReasonCode::PastEventTime, detail));
        }
        match written_at {
            Value::Timestamp(written_at) if *time > written_at.saturating_add(self.plan.max_future) => {
                let detail = format!(
                    "`{}` lies further than max_future after the record's timestamp",
                    self.name(plan.event_time)
                );
                Err(Rejection::new(ReasonCode::FutureEventTime, detail))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a field's number that no aggregate can hold.
    fn check_number(&self, slot: Slot, number: f64, precision: Option<Precision>) -> Result<(), Rejection> {
        let name = self.name(slot);
        if !number.is_finite() {
            let detail = format!("`{name}` is NaN or infinite");
            return Err(Rejection::new(ReasonCode::NotFinite, detail));
        }
        match precision {
            Some(precision) if number.abs() >= precision.limit() => {
                let detail = format!(
                    "`{name}` is not within ±{:.1e}, the range of sums with the precision {precision}: give the features or their entity a coarser `precision`",
                    precision.limit()
                );
                Err(Rejection::new(ReasonCode::OutOfRange, detail))
            }
            _ => Ok(()),
        }
    }

    /// The key of `stage`'s entity in this event, as text; `None` if the event has none.
    pub fn key<'k>(&self, stage: usize, event: &Event, buffer: &'k mut String) -> Option<&'k str> {
        let slot = self.plan.stages[stage].keys[usize::from(event.input)]?;
        write_key(&event.row[slot], buffer)
    }

    /// Applies the event to the state of its entity at `stage` and, if it is a transaction, writes the features of that stage
    /// into its row. The first stage completes a label before that: it copies the keys of later entities from the label's
    /// transaction, which it remembers. If it does not have the transaction it rejects the label, with
    /// [`ReasonCode::UnknownTransaction`]; the caller may keep the label and apply it again after the transaction.
    ///
    /// State is the caller's. `states` holds the entities in use and is changed; entities that it lacks are read from
    /// `store`, which is never written. The result depends on the event, on `stream_time` and on the state that the two
    /// hold together, not on which of them holds it.
    ///
    /// Gives what became of the event; none if it has no key of this entity.
    ///
    /// # Errors
    /// [`StageError::Rejected`] leaves state and stream time as they were. After [`StageError::State`] the caller has to
    /// discard what the batch changed.
    pub fn apply(
        &mut self,
        stage: usize,
        states: &mut EntityStates,
        store: &dyn StateStore,
        stream_time: &mut StreamTime,
        event: &mut Event,
    ) -> Result<Option<Applied>, StageError> {
        let plan = &self.plan.stages[stage];
        let is_transaction = event.input == TRANSACTIONS;
        if !is_transaction {
            event.flags = event.flags.without(Flags::TOO_LATE);
        }
        fill_in(&plan.before, &mut event.row);
        let time = event.event_time();
        let Some(key) = plan.keys[usize::from(event.input)].and_then(|slot| write_key(&event.row[slot], &mut self.key))
        else {
            return Ok(None);
        };
        let is_label = self.plan.kind(event.input) == InputKind::Labels;
        if is_label && stage == 0 && plan.completes_labels {
            let id = CompactString::from(event.id());
            if !states.complete(store, key, &id, time, &mut event.row)? {
                return Err(StageError::Rejected(unknown_transaction()));
            }
        }
        // Labels and other events may come ahead of transactions. If they moved stream time, these would be too late.
        let mut latest = stream_time.latest;
        if is_transaction {
            latest = latest.max(time);
        }
        let applied = states
            .apply(store, latest, key, event.input, &mut event.row)
            .map_err(|error| self.stage_error(error))?;
        if is_transaction && !applied.too_late {
            stream_time.observe(time);
        }
        if applied.duplicate {
            event.flags |= Flags::DUPLICATE;
        }
        if applied.too_late {
            event.flags |= Flags::TOO_LATE;
        }
        if applied.inexact {
            event.flags |= Flags::INEXACT;
        }
        if event.late_by() > 0 || applied.overtaken {
            event.flags |= Flags::LATE;
        }
        if time.saturating_sub(plan.reach) < stream_time.earliest {
            event.flags |= Flags::BOOTSTRAPPING;
        }
        Ok(Some(applied))
    }

    /// Whether the event goes to `stage`. Every event goes to the first one; to a later one every transaction does, and so do
    /// labels that a feature there or later uses, and other events and rows with the key of an entity there or later whose
    /// features use them.
    pub fn travels(&self, stage: usize, event: &Event) -> bool {
        let input = usize::from(event.input);
        stage == 0
            || match self.plan.kind(event.input) {
                InputKind::Transactions => true,
                InputKind::Labels => self.plan.stages[stage].keys[input].is_some(),
                InputKind::Events | InputKind::Table => {
                    let mut keys = self.plan.stages[stage..].iter().filter_map(|stage| stage.keys[input]);
                    keys.any(|slot| !event.row[slot].is_null())
                }
            }
    }

    /// Why an event cannot be used that has none of these keys.
    fn without_key(&self, keys: &[Slot]) -> Rejection {
        let names: Vec<String> = keys.iter().map(|slot| format!("`{}`", self.name(*slot))).collect();
        let detail = match names.as_slice() {
            [name] => format!("{name} is missing or null"),
            names => format!(
                "{} are missing or null: the event has the key of no entity",
                names.join(", ")
            ),
        };
        Rejection::new(ReasonCode::MissingField, detail)
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

/// Why a label without a known transaction cannot be used.
pub fn unknown_transaction() -> Rejection {
    let why = "the label's transaction is not in this state: never seen, or longer ago than is kept";
    Rejection::new(ReasonCode::UnknownTransaction, why)
}

/// Fills in the keys that are computed from fields.
fn compute_keys(plan: &InputPlan, row: &mut Row) {
    for key in &plan.computed_keys {
        row[key.slot] = key_of_parts(key.parts.iter().map(|part| part.evaluate(row)));
    }
}

/// Evaluates the expressions in order, each into its slot: a later one may read what an earlier one gave.
fn fill_in(expressions: &[SlotExpression], row: &mut Row) {
    for SlotExpression { slot, expression } in expressions {
        row[*slot] = expression.evaluate(row);
    }
}
