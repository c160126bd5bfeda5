//! The step itself: admit an event, apply it to a stage's state, decide.

use crate::event::Event;
use crate::explain::{Contribution, largest};
use crate::plan::{EVENT_ID, EVENT_TIME, Plan, Step, TRANSACTIONS, WRITTEN_AT};
use compact_str::{CompactString, ToCompactString};
use riskstream_events::{Flags, ReasonCode, Rejection, Row, Slot, Value};
use riskstream_features::state::{StateError, StateStore};
use riskstream_features::{ApplyError, EntityStates};
use riskstream_models::{ColumnKind, Explainer, Scorer};
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
    /// The model's score, if it gave one.
    pub score: Option<f64>,
    /// What moved the score most, if that is to be said.
    pub contributions: Vec<Contribution>,
}

/// Follows a plan. One for each worker: it owns the model's scratch space.
pub struct Engine {
    plan: Arc<Plan>,
    scorer: Option<Scorer>,
    explainer: Option<Explainer>,
    contributions: Vec<f64>,
    matrix: Vec<f32>,
    scores: Vec<f32>,
    key: String,
}

impl Engine {
    /// An engine for `plan`.
    pub fn new(plan: Arc<Plan>) -> Engine {
        let scorer = plan.decide.model.as_ref().map(|model| model.model.scorer());
        let explainer = plan
            .decide
            .explain
            .as_ref()
            .map(|explain| explain.attribution.explainer());
        Engine {
            plan,
            scorer,
            explainer,
            contributions: Vec::new(),
            matrix: Vec::new(),
            scores: Vec::new(),
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

    /// Scores the events in one call to the model and judges each. `judgements` is made as long as `events`.
    pub fn decide(&mut self, events: &mut [Event], judgements: &mut Vec<Judgement>) {
        let plan = Arc::clone(&self.plan);
        judgements.resize_with(events.len(), Judgement::default);
        for event in events.iter_mut() {
            evaluate(&plan.decide.steps, &mut event.row);
        }
        self.score(events, judgements);
        for (index, (event, judgement)) in events.iter_mut().zip(judgements).enumerate() {
            event.row[plan.decide.score] = judgement.score.map_or(Value::Null, Value::Float);
            plan.decide.policy.decide(&event.row, &mut judgement.verdict);
            if plan.decide.model.is_some() && judgement.score.is_none() {
                event.flags |= Flags::DEGRADED;
                judgement.verdict.outcome = judgement.verdict.outcome.max(plan.decide.without_score);
            }
            self.explain(index, event, judgement);
        }
    }

    /// Fills in what moved the score of the event whose row is the `index`th of the matrix.
    fn explain(&mut self, index: usize, event: &Event, judgement: &mut Judgement) {
        judgement.contributions.clear();
        let decide = &self.plan.decide;
        let (Some(plan), Some(model), Some(score)) = (&decide.explain, &decide.model, judgement.score) else {
            return;
        };
        let Some(explainer) = &mut self.explainer else { return };
        if !plan.calls_for(judgement.verdict.outcome, score, &self.plan.name, event.id()) {
            return;
        }
        let width = model.inputs.len();
        let row = &self.matrix[index * width..][..width];
        if explainer.explain(row, &mut self.contributions).is_ok() {
            let outcome = judgement.verdict.outcome;
            largest(&self.contributions, outcome, plan.top, &mut judgement.contributions);
        }
    }

    fn score(&mut self, events: &[Event], judgements: &mut [Judgement]) {
        let plan = Arc::clone(&self.plan);
        let Some(model) = &plan.decide.model else { return };
        self.matrix.clear();
        for event in events {
            let columns = model.inputs.iter().zip(model.model.columns());
            self.matrix.extend(columns.map(|(&slot, kind)| match kind {
                ColumnKind::Number => model_number(&event.row[slot]),
                ColumnKind::Text => model.model.text_code(model_text(&event.row[slot])),
            }));
        }
        if self.run_model(0..events.len(), model.inputs.len()) {
            for (judgement, &score) in judgements.iter_mut().zip(&self.scores) {
                judgement.score = usable(score);
            }
            return;
        }
        // One row may spoil a batch: each gets its own chance.
        for (index, judgement) in judgements.iter_mut().enumerate() {
            let ran = self.run_model(index..index + 1, model.inputs.len());
            judgement.score = if ran { usable(self.scores[0]) } else { None };
        }
    }

    /// False if the model failed; its scratch is then made anew.
    fn run_model(&mut self, rows: std::ops::Range<usize>, width: usize) -> bool {
        let Some(scorer) = &mut self.scorer else { return false };
        let matrix = &self.matrix[rows.start * width..rows.end * width];
        self.scores.clear();
        let ran = scorer.score(matrix, &mut self.scores).is_ok() && self.scores.len() == rows.len();
        if !ran {
            self.scorer = self.plan.decide.model.as_ref().map(|model| model.model.scorer());
        }
        ran
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

/// Models take float32; what is absent is NaN, as XGBoost and LightGBM expect it.
fn model_number(value: &Value) -> f32 {
    value.as_number().map_or(f32::NAN, |number| number as f32)
}

/// A text that is absent is empty: ONNX has no missing strings.
fn model_text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}

fn usable(score: f32) -> Option<f64> {
    score.is_finite().then_some(f64::from(score))
}
