//! The end of the chain: transactions are collected, scored together, judged and encoded.

use crate::circuits;
use crate::context::TaskContext;
use crate::tally::Tally;
use crate::topology::DecisionFormat;
use riskstream_engine::plan::{Plan, WRITTEN_AT};
use riskstream_engine::{Decision, Event, ModelFailure};
use riskstream_events::{
    DecisionId, DecisionRecord, Flags, Latency, ModelRef, Outcome, Reason, Value, encode_avro, encode_json, wire,
};
use riskstream_scoring::{Explanation, Lineup, ModelsInForce};
use std::sync::Arc;

/// Rows scored in one call: enough to share the model's fixed cost, few enough to stay in the cache.
const SCORED_TOGETHER: usize = 128;

/// Who decides at a task, and the transactions that wait to be scored; there are none between batches.
pub struct DecisionBuffer {
    models: ModelsInForce,
    /// The models as of the last write.
    written: ModelsInForce,
    plan: Arc<Plan>,
    /// What stood of circuits beside the committed position when the task was opened.
    found: Option<String>,
    events: Vec<Event>,
    decisions: Vec<Decision>,
}

impl DecisionBuffer {
    /// Nothing waits yet, and `lineup` decides. `found` is what stands of circuits beside the position that decisions begin at.
    pub fn new(plan: Arc<Plan>, lineup: Arc<Lineup>, found: Option<String>) -> DecisionBuffer {
        let models = circuits::models(&plan, lineup, found.as_deref());
        DecisionBuffer {
            written: models.clone(),
            models,
            plan,
            found,
            events: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// The line-up in force.
    pub fn lineup(&self) -> &Arc<Lineup> {
        self.models.lineup()
    }

    /// Puts another line-up in force for what is pushed from now on.
    pub fn change(&mut self, lineup: Arc<Lineup>, context: &mut TaskContext<'_>) {
        self.flush(context);
        // In a replay this may be the line-up that decided at the committed position.
        self.models = circuits::models(&self.plan, lineup, self.found.as_deref());
    }

    /// The circuits, to be kept beside the position; none if all are closed.
    pub fn circuits(&self) -> Option<String> {
        circuits::note(&self.plan, &self.models)
    }

    /// The line-up in force, if it came into force since the last write.
    pub fn change_to_write(&self) -> Option<&Arc<Lineup>> {
        let lineup = self.models.lineup();
        (!Arc::ptr_eq(lineup, self.written.lineup())).then_some(lineup)
    }

    /// Takes note that the models was written.
    pub fn written(&mut self) {
        self.written.clone_from(&self.models);
    }

    /// Adds a transaction whose features are complete.
    pub fn push(&mut self, event: Event, context: &mut TaskContext<'_>) {
        self.events.push(event);
        if self.events.len() >= SCORED_TOGETHER {
            self.flush(context);
        }
    }

    /// Decides all that wait and writes their decisions.
    pub fn flush(&mut self, context: &mut TaskContext<'_>) {
        if self.events.is_empty() {
            return;
        }
        context
            .decider
            .decide(context.engine, &mut self.models, &mut self.events, &mut self.decisions);
        let lineup = Arc::clone(self.models.lineup());
        for (event, decision) in self.events.iter().zip(&self.decisions) {
            count(context.tally, event, decision, context.now);
            context.tally.models.count(&lineup, decision);
            write(&self.plan, &lineup, event, decision, context);
        }
        for event in self.events.drain(..) {
            context.recycle(event.row);
        }
    }

    /// Goes back to the last write.
    pub fn restore(&mut self) {
        self.events.clear();
        self.models.clone_from(&self.written);
    }
}

fn count(tally: &mut Tally, event: &Event, decision: &Decision, now: i64) {
    tally.decisions[decision.policy.outcome as usize] += 1;
    tally.degraded += u64::from(event.flags.contains(Flags::DEGRADED));
    tally.duplicates += u64::from(event.flags.contains(Flags::DUPLICATE));
    tally.late += u64::from(event.flags.contains(Flags::LATE));
    if let Value::Timestamp(written_at) = event.row[WRITTEN_AT] {
        tally.latencies.push(now.saturating_sub(written_at));
    }
}

fn write(plan: &Plan, lineup: &Lineup, event: &Event, decision: &Decision, context: &mut TaskContext<'_>) {
    let format = context.decision_format;
    let now = context.now;
    let key = plan.decide.entities.first().map(|(_, slot)| &event.row[*slot]);
    let mut key_text = String::new();
    let key = key.and_then(|value| riskstream_engine::write_key(value, &mut key_text));
    let key = key.unwrap_or(event.id()).as_bytes();
    context.outputs.push(context.decisions, None, None, Some(key), |bytes| {
        with_decision(plan, lineup, event, decision, Some(now), |decision| match format {
            DecisionFormat::Json => encode_json(decision, bytes),
            DecisionFormat::Avro { schema_id } => {
                wire::prefix(schema_id, bytes);
                encode_avro(decision, bytes);
            }
            DecisionFormat::AvroPlain => encode_avro(decision, bytes),
        });
    });
}

/// What the model's card says of each contribution. Nothing is allocated for a decision that is not explained.
fn texts(explanation: Option<&Explanation>, event: &Event, decision: &Decision) -> Vec<Option<String>> {
    let Some(explanation) = explanation else {
        return Vec::new();
    };
    let contributions = decision.contributions.iter();
    contributions
        .map(|contribution| explanation.reason(contribution)?.text(&event.row))
        .collect()
}

/// Assembles the decision record of a judged event and lends it to `use_it`. `now` is the wall clock in
/// microseconds; none where there is no log (files).
pub fn with_decision<R>(
    plan: &Plan,
    lineup: &Lineup,
    event: &Event,
    decision: &Decision,
    now: Option<i64>,
    use_it: impl FnOnce(&DecisionRecord<'_>) -> R,
) -> R {
    let id = DecisionId::new(&plan.name, event.id());
    let policy = &plan.decide.policy;
    let mut reasons: Vec<Reason<'_>> = Vec::with_capacity(decision.policy.fired.len());
    for &rule in &decision.policy.fired {
        let reason = policy.reason(rule).expect("the policy fired it");
        reasons.push(Reason {
            code: &reason.code,
            name: &reason.name,
            outcome: reason.outcome,
            description: reason.description.as_deref(),
            contribution: None,
        });
    }
    if let Some(failure) = decision.answer.failure {
        let has_score = decision.answer.score.is_some();
        reasons.push(Reason {
            code: if has_score { "FALLBACK_SCORE" } else { "NO_SCORE" },
            name: "model",
            outcome: if has_score {
                Outcome::Approve
            } else {
                plan.decide.without_score
            },
            description: Some(why(failure)),
            contribution: None,
        });
    }
    let model = decision.answer.model.map(|model| &lineup.models[model]);
    let explanation = model.and_then(|model| model.explanation.as_ref());
    let texts = texts(explanation, event, decision);
    if let (Some(model), Some(explanation)) = (model, explanation) {
        reasons.extend(decision.contributions.iter().zip(&texts).map(|(contribution, text)| {
            Reason {
                code: explanation
                    .reason(contribution)
                    .map_or("SCORE_FEATURE", |reason| &reason.code),
                name: &plan.slots[model.inputs[contribution.input]].name,
                outcome: match contribution.raises() {
                    true => decision.policy.outcome,
                    false => Outcome::Approve,
                },
                description: text.as_deref(),
                contribution: Some(contribution.value),
            }
        }));
    }
    let latency = now.map(|decided_at| Latency {
        ingested_at: match event.row[WRITTEN_AT] {
            Value::Timestamp(written_at) => written_at,
            _ => decided_at,
        },
        decided_at,
    });
    let shadow_scores: Vec<(&str, f64)> = decision
        .shadows
        .iter()
        .filter_map(|&(model, score)| Some((&*lineup.models[model].label, score.ok()?)))
        .collect();
    let late_by = event.late_by();
    let decision = DecisionRecord {
        decision_id: id.as_str(),
        event_id: event.id(),
        pipeline: &plan.name,
        pipeline_version: &plan.version,
        binary_version: env!("CARGO_PKG_VERSION"),
        model: model.map(|model| ModelRef {
            name: &model.name,
            version: &model.version,
            sha256: model.model.sha256(),
        }),
        event_time: event.event_time(),
        row: &event.row,
        entities: &plan.decide.entities,
        score: decision.answer.score,
        outcome: decision.policy.outcome,
        reasons: &reasons,
        features: &plan.decide.features,
        flags: event.flags,
        late_by_ms: (late_by > 0).then_some(late_by / 1000),
        rollout: lineup.revision,
        shadow_scores: &shadow_scores,
        latency,
    };
    use_it(&decision)
}

/// What a degraded decision says of the model that was to decide.
fn why(failure: ModelFailure) -> &'static str {
    match failure {
        ModelFailure::Failed => "the model failed",
        ModelFailure::Late => "the model exceeded its time budget",
        ModelFailure::NotANumber => "the model's answer is not a finite number",
        ModelFailure::CircuitOpen => "the model failed repeatedly and is left alone until its next trial",
    }
}
