//! From what was seen of a decision to what is reported of it.

use super::observer::{AppliedAtStage, DecidedTransaction};
use super::report::{
    AuditedContribution, AuditedEvent, AuditedExpression, AuditedFeature, AuditedRule, AuditedScore, AuditedStage,
    AuditedWindow, ListInForce,
};
use crate::replay::rows::is_same;
use crate::replay::values::{json, time_text};
use riskstream_engine::plan::{DecidePlan, Plan, StagePlan};
use riskstream_engine::{Event, ExplainPlan};
use riskstream_events::{OwnedDecisionRecord, Slot, Value};
use riskstream_expressions::Expression;
use riskstream_features::history::{FeatureContent, WindowContent};
use riskstream_features::{FeatureSpec, Parameter};
use riskstream_scoring::{Decider, Decision, DecisionSet, InForce};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

const SECOND: f64 = 1e6;

/// A decision that was made again, to be described.
pub(super) struct ReportBuilder<'a> {
    pub(super) plan: &'a Plan,
    pub(super) decided: &'a DecidedTransaction,
    /// The recorded decision.
    pub(super) recorded: Option<&'a OwnedDecisionRecord>,
}

impl ReportBuilder<'_> {
    pub(super) fn stage(&self, index: usize, seen: Option<&AppliedAtStage>, why_not: Option<&str>) -> AuditedStage {
        let stage = &self.plan.stages[index];
        let key = stage.keys[0].map(|slot| self.text(slot, &self.decided.event.row[slot]));
        let Some(seen) = seen else {
            return AuditedStage {
                entity: stage.entity.clone(),
                key: key.flatten(),
                left_out: Some(
                    why_not
                        .unwrap_or("the transaction has no key of this entity")
                        .to_owned(),
                ),
                is_duplicate: false,
                is_too_late: false,
                windows: Vec::new(),
            };
        };
        AuditedStage {
            entity: stage.entity.clone(),
            key: stage.keys[0].and_then(|slot| self.text(slot, &seen.key)),
            left_out: None,
            is_duplicate: seen.applied.duplicate,
            is_too_late: seen.applied.too_late,
            windows: seen
                .windows
                .iter()
                .map(|window| self.window(stage, seen, window))
                .collect(),
        }
    }

    fn window(&self, stage: &StagePlan, seen: &AppliedAtStage, window: &WindowContent) -> AuditedWindow {
        let input = &self.plan.inputs[usize::from(window.input)];
        let event = |event: &riskstream_features::history::WindowEvent| AuditedEvent {
            id: self.text(input.id, &Value::Text(event.id.clone())).unwrap_or_default(),
            time: time_text(event.time),
        };
        let features = window.features.iter().map(|feature| self.feature(stage, seen, feature));
        AuditedWindow {
            input: input.name.clone(),
            width_seconds: window.width.map(|width| width as f64 / SECOND),
            delay_seconds: window.delay as f64 / SECOND,
            after: window.after.map(time_text),
            through: time_text(window.through),
            holds_itself: window.holds_itself,
            is_cut: window.is_cut,
            events: window.events.iter().map(event).collect(),
            features: features.collect(),
        }
    }

    fn feature(&self, stage: &StagePlan, seen: &AppliedAtStage, content: &FeatureContent) -> AuditedFeature {
        let spec = &stage.features.spec().features[content.feature];
        let name = &self.plan.slots[spec.output].name;
        let from_state = &seen.values[content.feature];
        let decided_on = &self.decided.event.row[spec.output];
        let recorded = self.recorded.and_then(|recorded| recorded.feature(name));
        let recorded = recorded.map(|value| serde_json::to_value(value).unwrap_or_default());
        let of_slot = |value: &Value| match spec.value {
            Some(slot) => self.json(slot, value),
            None => json(value),
        };
        let shown = self.json(spec.output, decided_on);
        AuditedFeature {
            aggregation: spec.aggregation.name(),
            parameter: parameter(spec),
            of: spec.value.map(|slot| self.plan.slots[slot].name.clone()),
            when: spec.condition.as_ref().map(|condition| condition.source().to_owned()),
            entered: content
                .entered
                .iter()
                .map(|value| value.as_ref().map_or(Json::Null, of_slot))
                .collect(),
            is_confirmed: is_same(&content.value, from_state)
                && is_same(from_state, decided_on)
                && recorded.as_ref().is_none_or(|recorded| *recorded == shown),
            from_events: self.json(spec.output, &content.value),
            from_state: self.json(spec.output, from_state),
            decided_on: shown,
            recorded,
            name: name.clone(),
        }
    }

    pub(super) fn expressions(&self) -> Vec<AuditedExpression> {
        let decide = &*self.decided.set.decide;
        let expression = |step: &riskstream_engine::plan::SlotExpression| AuditedExpression {
            name: decide.slots[step.slot].name.clone(),
            expression: step.expression.source().to_owned(),
            read: self.read(&step.expression),
            value: self.json(step.slot, &self.decided.event.row[step.slot]),
        };
        decide.expressions().map(expression).collect()
    }

    pub(super) fn rules(&self) -> Vec<AuditedRule> {
        let policy = &self.decided.set.decide.policy;
        let result = &self.decided.decision.policy;
        let rules = policy.reasons().zip(policy.conditions()).enumerate();
        let rule = |(index, (reason, condition)): (usize, (_, &Expression))| {
            let reason: &riskstream_policy::PolicyReason = reason;
            AuditedRule {
                name: reason.name.clone(),
                code: reason.code.clone(),
                outcome: policy.outcomes().word(reason.outcome).to_owned(),
                mode: reason.mode.as_str(),
                when: condition.source().to_owned(),
                read: self.read(condition),
                holds: condition.is_true(&self.decided.event.row),
                fired: result.fired.contains(&index) || result.shadows.contains(&index),
            }
        };
        rules.map(rule).collect()
    }

    pub(super) fn score(&self) -> Option<AuditedScore> {
        let (set, answer) = (&self.decided.set, &self.decided.decision.answer);
        let model = |index: usize| &*set.lineup.models[index];
        answer.asked?;
        let by = answer.model.map(model).filter(|_| answer.score.is_some());
        let attribution = by.and_then(|by| Some(&by.explanation.as_ref()?.attribution));
        let shadows = self.decided.decision.shadows.iter();
        Some(AuditedScore {
            asked: answer.asked.map(|asked| model(asked).label.to_string()),
            model: by.map(|by| by.label.to_string()),
            sha256: by.map(|by| by.model.sha256().to_owned()),
            score: answer.score,
            failure: answer.failure.map(|failure| failure.as_str()),
            space: attribution.map(|attribution| format!("{:?}", attribution.space()).to_lowercase()),
            baseline: attribution.map(|attribution| attribution.baseline()),
            contributions: self.contributions(),
            shadows: shadows
                .map(|(index, score)| (model(*index).label.to_string(), score.ok()))
                .collect(),
        })
    }

    /// What all inputs moved the score by: decided once more by a set that explains every decision in full.
    fn contributions(&self) -> Vec<AuditedContribution> {
        let set = &self.decided.set;
        if set.decide.explain.is_none() {
            return Vec::new();
        }
        let explained = DecidePlan {
            explain: Some(ExplainPlan {
                outcomes: Vec::new(),
                score: None,
                sample: 1.0,
                top: usize::MAX,
            }),
            ..DecidePlan::clone(&set.decide)
        };
        let explaining = DecisionSet {
            decide: Arc::new(explained),
            ..DecisionSet::clone(set)
        };
        let mut in_force = InForce::new(Arc::new(explaining));
        in_force.set_lists(Arc::clone(&self.decided.lists));
        let mut events: [Event; 1] = [self.decided.event.clone()];
        let mut decisions: Vec<Decision> = Vec::new();
        Decider::default().decide(self.plan, &mut in_force, &mut events, &mut decisions);
        let Some(decision) = decisions.first() else {
            return Vec::new();
        };
        let Some(model) = decision.answer.model.map(|model| &set.lineup.models[model]) else {
            return Vec::new();
        };
        let contribution = |contribution: &riskstream_scoring::Contribution| {
            let slot = model.inputs[contribution.input];
            AuditedContribution {
                input: self.name(slot),
                value: self.json(slot, &self.decided.event.row[slot]),
                contribution: contribution.value,
            }
        };
        let mut contributions: Vec<AuditedContribution> = decision.contributions.iter().map(contribution).collect();
        contributions.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        contributions
    }

    pub(super) fn lists(&self) -> Vec<ListInForce> {
        let names = self.decided.set.decide.lists.iter();
        let versions = names.zip(self.decided.lists.versions());
        versions
            .map(|(name, version)| ListInForce {
                list: name.clone(),
                topic: version.topic.to_string(),
                offset: version.offset,
            })
            .collect()
    }

    /// Names and values of what an expression read.
    fn read(&self, expression: &Expression) -> BTreeMap<String, Json> {
        let read = |slot: &Slot| (self.name(*slot), self.json(*slot, &self.decided.event.row[*slot]));
        expression.slots().iter().map(read).collect()
    }

    /// The name of a slot. What is looked up in a list or table, in the slots `in HOLDER` and `HOLDER.FIELD`, is named as an
    /// expression names it.
    fn name(&self, slot: Slot) -> String {
        let decide = &*self.decided.set.decide;
        let named = &decide.slots[slot].name;
        let lookup = decide
            .lookups()
            .find(|lookup| lookup.entry.all().any(|of_entry| of_entry == slot));
        let Some(lookup) = lookup else {
            return named.clone();
        };
        let key = &decide.slots[lookup.key].name;
        match named.split_once('.') {
            Some((holder, field)) => format!("{holder}[{key}].{field}"),
            None => format!("{key} {named}"),
        }
    }

    /// A value as it is published.
    fn published<'v>(&self, slot: Slot, value: &'v Value) -> Cow<'v, Value> {
        let holds_pseudonyms = self.decided.set.decide.slots[slot].holds_pseudonyms;
        match &self.plan.published {
            Some(published) if holds_pseudonyms => Cow::Owned(published.publish_value(value)),
            _ => Cow::Borrowed(value),
        }
    }

    fn json(&self, slot: Slot, value: &Value) -> Json {
        json(&self.published(slot, value))
    }

    /// A key or an id as text.
    fn text(&self, slot: Slot, value: &Value) -> Option<String> {
        match &*self.published(slot, value) {
            Value::Text(text) => Some(text.to_string()),
            Value::Int(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

fn parameter(spec: &FeatureSpec) -> Option<(&'static str, f64)> {
    match spec.aggregation.parameter() {
        Parameter::None => None,
        Parameter::K(k) => Some(("k", k as f64)),
        Parameter::Q(q) => Some(("q", q)),
        Parameter::HalfLife(half_life) => Some(("half_life_seconds", half_life as f64 / SECOND)),
    }
}
