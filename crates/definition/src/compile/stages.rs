//! The chain of stages: whose keys, which expressions before, what travels in between.

use super::features::{CompiledFeatures, PlannedExpression, StageEntity};
use super::inputs::ResolvedInput;
use super::names::Names;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::node::Span;
use riskstream_engine::plan::{CANONICAL, EVENT_ID, EVENT_TIME, SlotExpression, StagePlan, TRANSACTIONS};
use riskstream_events::{Slot, ValueType};
use riskstream_features::{EntityFeatures, EntitySpec, FeatureSpec, InputSpec};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;

/// An entity of the chain.
#[derive(Clone, Debug)]
pub struct PlannedEntity {
    /// What features needed to know of it.
    pub stage: StageEntity,
    /// The field that holds its key, and where that is said.
    pub key: (String, Span),
    /// For how long an event's id is remembered, in microseconds.
    pub dedupe: i64,
    /// Units per 1.0 in sums.
    pub resolution: i64,
}

/// What stages are planned from.
pub struct StagePlanner<'a, 's> {
    /// The inputs that are used, in the plan's order.
    pub inputs: &'a [&'a ResolvedInput],
    /// For how long a label of each input may be completed, in microseconds.
    pub arrives_within: &'a BTreeMap<String, i64>,
    /// The chain.
    pub entities: &'a [PlannedEntity],
    /// The slots of fields.
    pub fields: &'a BTreeMap<String, Slot>,
    /// Names and types of slots.
    pub names: &'a Names<'s>,
    /// The features.
    pub features: &'a CompiledFeatures,
    /// What the decision reads besides features.
    pub decision_reads: &'a BTreeSet<Slot>,
    /// Memory for decoded entities of a task.
    pub cache_bytes: usize,
    /// Where diagnostics go.
    pub diagnostics: &'a mut Diagnostics,
}

/// The planned chain.
pub struct PlannedStages {
    /// The stages.
    pub stages: Vec<StagePlan>,
    /// The expressions that are left to the decision.
    pub decide_expressions: Vec<SlotExpression>,
    /// Fields without which a record is rejected unless the file says otherwise: entity keys.
    pub keys: BTreeSet<String>,
    /// The slots that have values when a transaction is decided.
    pub at_decision: BTreeSet<Slot>,
}

/// Keys of all inputs at all stages.
struct Keys {
    /// For each stage, for each input.
    slots: Vec<Vec<Option<Slot>>>,
    /// The slots of transactions from which labels are completed.
    carried: Vec<Slot>,
    /// For how long.
    keep: i64,
}

impl StagePlanner<'_, '_> {
    /// Plans the chain; `None` if something is wrong with it, which was reported.
    pub fn plan(mut self) -> Option<PlannedStages> {
        let keys = self.keys()?;
        let steps: HashMap<Slot, &PlannedExpression> =
            self.features.steps.iter().map(|step| (step.slot, step)).collect();
        let before = self.steps_of_stages(&steps);
        let decide: Vec<&PlannedExpression> = self
            .features
            .steps
            .iter()
            .filter(|step| !before.iter().flatten().any(|earlier| earlier.slot == step.slot))
            .collect();
        let carries = self.carries(&keys, &before, &decide);
        let types: Vec<ValueType> = self.names.slots().iter().map(|slot| slot.value_type).collect();
        let at_decision = self.at_decision(&carries, &before, &decide);
        let mut stages = Vec::new();
        for (at, entity) in self.entities.iter().enumerate() {
            let spec = self.spec(at, entity, &keys, &steps);
            let features = match EntityFeatures::compile(&spec, &types) {
                Ok(features) => Arc::new(features),
                Err(errors) => {
                    // Everything that can be typed wrongly was checked before with better words; this is the safety net.
                    for error in errors {
                        self.diagnostics
                            .add(Diagnostic::new(error.to_string(), entity.key.1.clone()));
                    }
                    return None;
                }
            };
            let reach = spec
                .features
                .iter()
                .filter_map(|feature| Some(feature.delay + feature.window?))
                .max();
            stages.push(StagePlan {
                entity: entity.stage.name.clone(),
                keys: keys.slots[at].clone(),
                before: before[at].iter().map(slot_expression).collect(),
                fingerprint: self.fingerprint(entity, &spec, &features, &steps),
                features,
                reach: reach.unwrap_or(0),
                completes_labels: at == 0 && !keys.carried.is_empty(),
                carries: carries[at].clone(),
            });
        }
        Some(PlannedStages {
            stages,
            decide_expressions: decide.into_iter().map(slot_expression).collect(),
            keys: self.entities.iter().map(|entity| entity.key.0.clone()).collect(),
            at_decision,
        })
    }

    /// What the last stage is brought, and what it and the decision compute.
    fn at_decision(
        &self,
        carries: &[Vec<(Slot, ValueType)>],
        before: &[Vec<PlannedExpression>],
        decide: &[&PlannedExpression],
    ) -> BTreeSet<Slot> {
        let brought = carries.last().into_iter().flatten().map(|(slot, _)| *slot);
        let features = self.features.stages.last().into_iter().flatten();
        let features = features.map(|feature| feature.output);
        let steps = before.last().into_iter().flatten().chain(decide.iter().copied());
        let steps = steps.map(|step| step.slot);
        brought.chain(features).chain(steps).collect()
    }

    fn keys(&mut self) -> Option<Keys> {
        let mut keys = Keys {
            slots: Vec::new(),
            carried: Vec::new(),
            keep: 0,
        };
        let mut complete = true;
        for (at, entity) in self.entities.iter().enumerate() {
            let Some(slot) = self.fields.get(&entity.key.0).copied() else {
                complete = false;
                continue;
            };
            let mut slots = Vec::new();
            for (index, input) in self.inputs.iter().enumerate() {
                slots.push(self.key_of(at, index as u8, input, slot, &mut keys, &mut complete));
            }
            keys.slots.push(slots);
        }
        complete.then_some(keys)
    }

    /// The key of an input's events at a stage. A label comes to a stage if its features, or those of a later one, use it.
    fn key_of(
        &mut self,
        at: usize,
        index: u8,
        input: &ResolvedInput,
        slot: Slot,
        keys: &mut Keys,
        complete: &mut bool,
    ) -> Option<Slot> {
        let name = &self.entities[at].key.0;
        if index == TRANSACTIONS {
            return Some(slot);
        }
        let uses = |stage: usize| self.features.stages[stage].iter().any(|feature| feature.input == index);
        if !(at..self.entities.len()).any(uses) {
            return None;
        }
        if input.fields.contains_key(name) {
            return Some(slot);
        }
        let first = &self.entities[0].key.0;
        if at > 0 && input.fields.contains_key(first) {
            if !keys.carried.contains(&slot) {
                keys.carried.push(slot);
            }
            keys.keep = keys
                .keep
                .max(self.arrives_within.get(&input.name).copied().unwrap_or(0));
            return Some(slot);
        }
        if at == 0 && !uses(0) {
            return None;
        }
        let help = match at {
            0 => format!("add `{name}` to the fields of `{}`", input.name),
            _ => format!(
                "add `{name}` to the fields of `{0}`; or `{first}`, with which it is completed from its transaction",
                input.name
            ),
        };
        self.diagnostics.add(
            Diagnostic::new(
                format!(
                    "features of `{}` use `{}`, which does not say whose event it is",
                    self.entities[at].stage.name, input.name
                ),
                input.span.clone(),
            )
            .label(format!("has no field `{name}`"))
            .help(help),
        );
        *complete = false;
        None
    }

    /// The expressions that each stage's values and conditions need and no stage before has computed.
    fn steps_of_stages(&self, steps: &HashMap<Slot, &PlannedExpression>) -> Vec<Vec<PlannedExpression>> {
        let mut done = BTreeSet::new();
        let mut stages = Vec::new();
        for features in &self.features.stages {
            let mut needed = BTreeSet::new();
            for slot in features.iter().flat_map(reads_of_feature) {
                collect_steps(slot, steps, &mut needed);
            }
            let mine: Vec<PlannedExpression> = self
                .features
                .steps
                .iter()
                .filter(|step| needed.contains(&step.slot) && done.insert(step.slot))
                .cloned()
                .collect();
            stages.push(mine);
        }
        stages
    }

    /// What rows bring along to each stage: from the end to the beginning, all that is read and not computed since.
    fn carries(
        &self,
        keys: &Keys,
        before: &[Vec<PlannedExpression>],
        decide: &[&PlannedExpression],
    ) -> Vec<Vec<(Slot, ValueType)>> {
        let mut needed = self.decision_reads.clone();
        needed.extend(self.features.listed.iter().map(|(_, slot)| *slot));
        needed.extend(decide.iter().flat_map(|step| step.expression.slots()).copied());
        decide.iter().for_each(|step| {
            needed.remove(&step.slot);
        });
        let mut carries = vec![Vec::new(); self.entities.len()];
        for at in (0..self.entities.len()).rev() {
            let features = &self.features.stages[at];
            features.iter().for_each(|feature| {
                needed.remove(&feature.output);
            });
            needed.extend(features.iter().flat_map(reads_of_feature));
            if at == 0 {
                // What labels lack is taken from state, not from the row: only transactions bring it.
                needed.extend(&keys.carried);
            }
            before[at].iter().for_each(|step| {
                needed.remove(&step.slot);
            });
            needed.extend(before[at].iter().flat_map(|step| step.expression.slots()).copied());
            needed.extend(keys.slots[at].iter().flatten());
            carries[at] = self.layout(&needed);
        }
        carries
    }

    fn layout(&self, needed: &BTreeSet<Slot>) -> Vec<(Slot, ValueType)> {
        let canonical = CANONICAL.iter().map(|(slot, _, value_type)| (*slot, *value_type));
        let others = needed
            .iter()
            .filter(|slot| CANONICAL.iter().all(|(canonical, ..)| canonical != *slot))
            .map(|slot| (*slot, self.names.slots()[*slot].value_type));
        canonical.chain(others).collect()
    }

    /// What the entity keeps. Features are in an order of their own, so that the state outlives their being moved and
    /// renamed in the file.
    fn spec(
        &self,
        at: usize,
        entity: &PlannedEntity,
        keys: &Keys,
        steps: &HashMap<Slot, &PlannedExpression>,
    ) -> EntitySpec {
        let mut features = self.features.stages[at].clone();
        features.sort_by_cached_key(|feature| self.identity(feature, steps));
        EntitySpec {
            name: entity.stage.name.clone(),
            features,
            inputs: self
                .inputs
                .iter()
                .map(|_| InputSpec {
                    event_time: EVENT_TIME,
                    id: Some(EVENT_ID),
                })
                .collect(),
            lateness: entity.stage.lateness,
            dedupe: entity.dedupe,
            keep: if at == 0 { keys.keep } else { 0 },
            resolution: entity.resolution,
            carried: if at == 0 { keys.carried.clone() } else { Vec::new() },
            cache_bytes: self.cache_bytes,
        }
    }

    /// State holds what fields and expressions gave: whoever changes their meaning needs new state.
    fn fingerprint(
        &self,
        entity: &PlannedEntity,
        spec: &EntitySpec,
        features: &EntityFeatures,
        steps: &HashMap<Slot, &PlannedExpression>,
    ) -> String {
        let mut text = format!(
            "{} by {} {:08x}",
            entity.stage.name,
            entity.key.0,
            features.fingerprint()
        );
        for input in self.inputs {
            write!(text, "\n{} {:?} {:?}", input.name, input.id, input.event_time).expect("writing to a string");
        }
        for feature in &spec.features {
            text.push('\n');
            text.push_str(&self.identity(feature, steps));
        }
        let digest = Sha256::digest(text.as_bytes());
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// All that a feature's share of the state depends on, in words without slots.
    fn identity(&self, feature: &FeatureSpec, steps: &HashMap<Slot, &PlannedExpression>) -> String {
        let FeatureSpec {
            aggregation,
            input,
            window,
            delay,
            include_current,
            ..
        } = feature;
        let condition = feature.condition.as_ref().map(|condition| condition.source());
        let mut text = format!("{input} {window:?} {delay} {include_current} {aggregation:?} {condition:?}");
        for slot in reads_of_feature(feature) {
            self.describe(slot, steps, &mut text);
        }
        text
    }

    fn describe(&self, slot: Slot, steps: &HashMap<Slot, &PlannedExpression>, text: &mut String) {
        match steps.get(&slot) {
            Some(step) => {
                write!(text, " ({})", step.expression.source()).expect("writing to a string");
                step.expression
                    .slots()
                    .iter()
                    .for_each(|read| self.describe(*read, steps, text));
            }
            None => {
                let info = &self.names.slots()[slot];
                write!(text, " {}:{}", info.name, info.value_type.name()).expect("writing to a string");
            }
        }
    }
}

fn slot_expression(step: &PlannedExpression) -> SlotExpression {
    SlotExpression {
        slot: step.slot,
        expression: step.expression.clone(),
    }
}

/// The slots that a feature's stage reads to aggregate an event.
fn reads_of_feature(feature: &FeatureSpec) -> impl Iterator<Item = Slot> {
    let condition = feature
        .condition
        .iter()
        .flat_map(|condition| condition.slots().iter().copied());
    feature.value.into_iter().chain(condition)
}

fn collect_steps(slot: Slot, steps: &HashMap<Slot, &PlannedExpression>, needed: &mut BTreeSet<Slot>) {
    if let Some(step) = steps.get(&slot)
        && needed.insert(slot)
    {
        step.expression
            .slots()
            .iter()
            .for_each(|read| collect_steps(*read, steps, needed));
    }
}
