//! The step itself: admit an event, apply it to a stage's state, decide.

use crate::circuit::Failure;
use crate::event::Event;
use crate::explain::{Contribution, largest};
use crate::lineup::{Desk, Lineup};
use crate::plan::{EVENT_ID, EVENT_TIME, Plan, Step, TRANSACTIONS, WRITTEN_AT};
use crate::scoring::Scoring;
use compact_str::{CompactString, ToCompactString};
use riskstream_events::{Flags, ReasonCode, Rejection, Row, Slot, Value};
use riskstream_features::state::{StateError, StateStore};
use riskstream_features::{ApplyError, EntityStates};
use riskstream_policy::Verdict;
use std::fmt::Write;
use std::sync::Arc;

/// What a stage's task knows of time: only event times, never the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageClock {
    /// The largest event time seen, microseconds.
    pub stream_time: i64,
    /// The smallest event time seen: before it, history is unknown.
    pub first_time: i64,
}

impl Default for StageClock {
    fn default() -> Self {
        StageClock {
            stream_time: i64::MIN,
            first_time: i64::MAX,
        }
    }
}

impl StageClock {
    /// Takes note of an event time.
    pub fn observe(&mut self, time: i64) {
        self.stream_time = self.stream_time.max(time);
        self.first_time = self.first_time.min(time);
    }
}

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

/// The outcome of [`Engine::decide`] for one event. Which rules fired stands in `verdict`.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// Outcome and fired rules.
    pub verdict: Verdict,
    /// The score, if a model gave one.
    pub score: Option<f64>,
    /// Which of the line-up's models was to decide; none where rules alone do.
    pub asked: Option<usize>,
    /// Which of them gave the score, or if none did, which was to.
    pub model: Option<usize>,
    /// Why the model that was to decide gave no score. One that steps in for it may have given one.
    pub failure: Option<Failure>,
    /// What moved the score most, if that is to be said.
    pub contributions: Vec<Contribution>,
    /// What each shadow said: its place among the line-up's models, and its score.
    pub shadows: Vec<(usize, Result<f64, Failure>)>,
    /// The event's row among those that the model scored.
    pub(crate) matrix_row: usize,
}

/// Follows a plan. One for each worker: it owns the models' scratch space.
pub struct Engine {
    plan: Arc<Plan>,
    /// What runs the models of each line-up in force somewhere: one, and two while one takes over from another.
    scorings: Vec<Scoring>,
    contributions: Vec<f64>,
    key: String,
}

impl Engine {
    /// An engine for `plan`.
    pub fn new(plan: Arc<Plan>) -> Engine {
        Engine {
            plan,
            scorings: Vec::new(),
            contributions: Vec::new(),
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
        clock: &mut StageClock,
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
        let stream_time = clock.stream_time.max(time);
        let applied = states
            .apply(store, stream_time, key, event.input, &mut event.row)
            .map_err(|error| self.stage_error(error))?;
        if !applied.too_late {
            clock.observe(time);
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
        if time.saturating_sub(plan.reach) < clock.first_time {
            event.flags |= Flags::BOOTSTRAPPING;
        }
        Ok(())
    }

    /// Whether the event goes on to `stage`: every transaction does, and labels that some feature there uses.
    pub fn travels(&self, stage: usize, event: &Event) -> bool {
        event.input == TRANSACTIONS || self.plan.stages[stage].keys[usize::from(event.input)].is_some()
    }

    /// Scores the events with the models of `desk` and judges each. `judgements` is made as long as `events`.
    pub fn decide(&mut self, desk: &mut Desk, events: &mut [Event], judgements: &mut Vec<Judgement>) {
        let plan = Arc::clone(&self.plan);
        judgements.resize_with(events.len(), Judgement::default);
        for event in events.iter_mut() {
            evaluate(&plan.decide.steps, &mut event.row);
        }
        let lineup = Arc::clone(desk.lineup());
        let scoring = scoring(&mut self.scorings, &lineup);
        scoring.score(&mut desk.circuits, events, judgements);
        for (event, judgement) in events.iter_mut().zip(judgements.iter_mut()) {
            event.row[plan.decide.score] = judgement.score.map_or(Value::Null, Value::Float);
            plan.decide.policy.decide(&event.row, &mut judgement.verdict);
            if judgement.failure.is_some() {
                event.flags |= Flags::DEGRADED;
            }
            if judgement.asked.is_some() && judgement.score.is_none() {
                judgement.verdict.outcome = judgement.verdict.outcome.max(plan.decide.without_score);
            }
            explain(&plan, scoring, event, judgement, &mut self.contributions);
        }
        scoring.finish_shadows(judgements);
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

/// What runs the models of `lineup`; what runs those that are in force nowhere is dropped.
fn scoring<'s>(scorings: &'s mut Vec<Scoring>, lineup: &Arc<Lineup>) -> &'s mut Scoring {
    let found = scorings
        .iter()
        .position(|scoring| Arc::ptr_eq(scoring.lineup(), lineup));
    let index = found.unwrap_or_else(|| {
        scorings.retain(|scoring| Arc::strong_count(scoring.lineup()) > 1);
        scorings.push(Scoring::new(Arc::clone(lineup)));
        scorings.len() - 1
    });
    &mut scorings[index]
}

/// Fills in what moved the score, if the plan calls for it.
fn explain(plan: &Plan, scoring: &mut Scoring, event: &Event, judgement: &mut Judgement, contributions: &mut Vec<f64>) {
    judgement.contributions.clear();
    let (Some(explain), Some(score)) = (&plan.decide.explain, judgement.score) else {
        return;
    };
    if explain.calls_for(judgement.verdict.outcome, score, &plan.name, event.id()) {
        scoring.explain(judgement, contributions);
        let outcome = judgement.verdict.outcome;
        largest(contributions, outcome, explain.top, &mut judgement.contributions);
    }
}

fn evaluate(steps: &[Step], row: &mut Row) {
    for step in steps {
        row[step.slot] = step.expression.evaluate(row);
    }
}

/// Writes an entity key into `buffer`: keys are text; integers are written in decimal so that 42 and "42" are the same entity.
pub fn write_key<'k>(value: &Value, buffer: &'k mut String) -> Option<&'k str> {
    buffer.clear();
    match value {
        Value::Text(text) => buffer.push_str(text),
        Value::Int(number) => write!(buffer, "{number}").expect("writing to a String succeeds"),
        _ => return None,
    }
    Some(buffer)
}
