//! Builds the record of a decision.

use crate::decision::Decision;
use crate::decision_set::DecisionSet;
use crate::explanation::Explanation;
use crate::model_plan::ModelPlan;
use riskstream_engine::plan::{DecidePlan, Plan, WRITTEN_AT};
use riskstream_engine::{Event, ModelFailure};
use riskstream_events::{DecisionId, DecisionReason, DecisionRecord, Latency, ModelRef, Outcome, Value};
use riskstream_lists::ListSet;

/// Assembles the record of a decision and lends it to `use_it`. `now` is the wall clock in microseconds since the epoch;
/// without it the record has no latency.
pub fn with_decision_record<R>(
    plan: &Plan,
    set: &DecisionSet,
    lists: &ListSet,
    event: &Event,
    decision: &Decision,
    now: Option<i64>,
    use_it: impl FnOnce(&DecisionRecord<'_>) -> R,
) -> R {
    // It stays the same if another secret makes the published pseudonyms.
    let id = DecisionId::new(&plan.name, event.id());
    let decide = &*set.decide;
    let event = &*plan.published(&decide.slots, event);
    let model = decision.answer.model.map(|model| &*set.lineup.models[model]);
    let texts = texts(model, event, decision);
    let mut reasons = Vec::with_capacity(decision.policy.fired.len());
    reasons.extend(rule_reasons(decide, &decision.policy.fired));
    reasons.extend(failure_reason(decide, decision));
    reasons.extend(contribution_reasons(decide, model, decision, &texts));
    let shadow_scores: Vec<(&str, f64)> = decision
        .shadows
        .iter()
        .filter_map(|&(model, score)| Some((&*set.lineup.models[model].label, score.ok()?)))
        .collect();
    let shadow_rules: Vec<DecisionReason<'_>> = rule_reasons(decide, &decision.policy.shadows).collect();
    let attributes: Vec<(&str, &str)> = decide.policy.attributes(&decision.policy).into_iter().collect();
    let lists = decide.lists.iter().zip(lists.versions());
    let lists: Vec<(&str, i64)> = lists
        .filter_map(|(name, version)| Some((name.as_str(), version.offset?)))
        .collect();
    let late_by = event.late_by();
    use_it(&DecisionRecord {
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
        entities: &decide.entities,
        score: decision.answer.score,
        outcome: decision.policy.outcome,
        outcomes: decide.policy.outcomes(),
        reasons: &reasons,
        features: &decide.features,
        flags: event.flags,
        late_by_ms: (late_by > 0).then_some(late_by / 1000),
        rollout: set.revision,
        lists: &lists,
        shadow_scores: &shadow_scores,
        shadow_rules: &shadow_rules,
        attributes: &attributes,
        latency: now.map(|decided_at| latency(event, decided_at)),
    })
}

/// The reasons that rules and thresholds give.
fn rule_reasons<'a>(decide: &'a DecidePlan, fired: &'a [usize]) -> impl Iterator<Item = DecisionReason<'a>> {
    let policy = &decide.policy;
    fired.iter().map(|&fired| {
        let reason = policy.reason(fired).expect("the policy fired it");
        DecisionReason {
            code: &reason.code,
            name: &reason.name,
            outcome: reason.outcome,
            description: reason.description.as_deref(),
            contribution: None,
        }
    })
}

/// That the model that was asked gave no score, if it did not.
fn failure_reason(decide: &DecidePlan, decision: &Decision) -> Option<DecisionReason<'static>> {
    let failure = decision.answer.failure?;
    let (code, outcome) = match decision.answer.score {
        Some(_) => ("FALLBACK_SCORE", Outcome::MILDEST),
        None => ("NO_SCORE", decide.without_score),
    };
    Some(DecisionReason {
        code,
        name: "model",
        outcome,
        description: Some(failure_text(failure)),
        contribution: None,
    })
}

/// What a decision record says of the model that gave no score.
fn failure_text(failure: ModelFailure) -> &'static str {
    match failure {
        ModelFailure::Failed => "the model failed",
        ModelFailure::Late => "the model exceeded its time budget",
        ModelFailure::NotANumber => "the model's answer is not a finite number",
        ModelFailure::CircuitOpen => "the model failed repeatedly and is left alone until its next trial",
    }
}

/// The inputs that moved the score, with the card's codes and the texts of [`texts`].
fn contribution_reasons<'a>(
    decide: &'a DecidePlan,
    model: Option<&'a ModelPlan>,
    decision: &'a Decision,
    texts: &'a [Option<String>],
) -> impl Iterator<Item = DecisionReason<'a>> {
    let explained = model.and_then(|model| Some((model, model.explanation.as_ref()?)));
    explained.into_iter().flat_map(move |(model, explanation)| {
        let contributions = decision.contributions.iter().zip(texts);
        contributions.map(move |(contribution, text)| DecisionReason {
            code: explanation
                .reason(contribution)
                .map_or("SCORE_FEATURE", |reason| &reason.code),
            name: &decide.slots[model.inputs[contribution.input]].name,
            outcome: match contribution.raises() {
                true => decision.policy.outcome,
                false => Outcome::MILDEST,
            },
            description: text.as_deref(),
            contribution: Some(contribution.value),
        })
    })
}

/// The card's text for each contribution. Nothing is allocated for a decision that is not explained.
fn texts(model: Option<&ModelPlan>, event: &Event, decision: &Decision) -> Vec<Option<String>> {
    let text = |explanation: &Explanation, contribution| explanation.reason(contribution)?.text(&event.row);
    match model.and_then(|model| model.explanation.as_ref()) {
        Some(explanation) => decision
            .contributions
            .iter()
            .map(|one| text(explanation, one))
            .collect(),
        None => Vec::new(),
    }
}

/// A record without a timestamp counts as written when it was decided.
fn latency(event: &Event, decided_at: i64) -> Latency {
    let ingested_at = match event.row[WRITTEN_AT] {
        Value::Timestamp(written_at) => written_at,
        _ => decided_at,
    };
    Latency {
        ingested_at,
        decided_at,
    }
}
