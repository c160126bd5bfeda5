//! Builds the compiled pipeline from the results of all phases.

use super::compiled::{Compiled, InputSettings, RolloutSettings, Settings};
use super::entities::{self, PlannedEntity, PlannedKey};
use super::examples::Known;
use super::features::CompiledFeatures;
use super::file_text::FileText;
use super::filters::RecordConditions;
use super::inputs::{ResolvedField, ResolvedInput};
use super::lists::EntryListSettings;
use super::models::Models;
use super::outcomes::DeclaredOutcomes;
use super::rollout_scope::{DecisionExpression, ModelPlaces, RolloutScope, all_lists, all_tables, bound_lists};
use super::stages::PlannedStages;
use super::symbols::Symbols;
use super::tables::TableSummary;
use super::topics::Topics;
use super::usage::Usage;
use crate::duration::HOUR;
use crate::syntax::read::Spanned;
use crate::syntax::{Example, PipelineFile};
use riskstream_engine::plan::{
    ComputedKey, DecidePlan, InputKind, InputPlan, Lookup, OutputPlan, Plan, RowPlan, SlotExpression, TRANSACTIONS,
    WRITTEN_AT, decision_steps,
};
use riskstream_events::{DerivedField, Field, Outcome, PublishedPseudonyms, Slot, ValueType};
use riskstream_expressions::{Expression, Revision};
use riskstream_features::Precision;
use riskstream_policy::{Policy, PolicySpec};
use riskstream_scoring::DecisionSet;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// The results of all phases of a file without diagnostics.
pub struct CompiledParts<'a> {
    pub file: &'a PipelineFile,
    pub text: &'a FileText<'a>,
    pub settings: Settings,
    pub published: Option<PublishedPseudonyms>,
    pub usage: Usage<'a>,
    pub entities: Vec<PlannedEntity>,
    pub filters: Vec<RecordConditions>,
    pub keys: Vec<Option<ComputedKey>>,
    pub symbols: Symbols<'a>,
    pub features: CompiledFeatures,
    pub models: Models,
    pub outcomes: DeclaredOutcomes,
    pub policy: (PolicySpec, Policy),
    pub outputs: OutputPlan,
    pub lists: Vec<EntryListSettings>,
    pub tables: Vec<TableSummary>,
    pub lookups: Vec<Lookup>,
    pub without_score: Outcome,
    pub stages: PlannedStages,
    pub topics: Topics,
    pub examples: Vec<Example>,
}

impl CompiledParts<'_> {
    /// The compiled pipeline. `None` only if a required name is missing, which is a diagnostic of an earlier phase.
    pub fn assemble(self) -> Option<Compiled> {
        let inputs = input_settings(&self);
        let rollout = self.rollout_scope();
        let input_plans = input_plans(&self)?;
        let version = version(&self);
        let (_, policy) = &self.policy;
        let conditions = policy.conditions().chain(self.outputs.expressions());
        let read: BTreeSet<Slot> = conditions.flat_map(Expression::slots).copied().collect();
        let is_read = |slot: Slot| Some(slot).filter(|slot| read.contains(slot));
        let decide = Arc::new(DecidePlan {
            slots: self.symbols.names.slots().to_vec(),
            steps: decision_steps(self.stages.decide_expressions, self.lookups),
            explain: self.models.explain,
            score: self.symbols.decision.score,
            late_by: is_read(self.symbols.decision.late_by),
            flags: is_read(self.symbols.decision.flags),
            policy: self.policy.1,
            outputs: self.outputs,
            without_score: self.without_score,
            lists: self.lists.iter().map(|list| list.name.clone()).collect(),
            features: self.features.listed,
            entities: entities::slots(&self.entities, &self.symbols),
        });
        let plan = Plan {
            name: self.file.name.0.as_ref()?.value.clone(),
            version,
            slots: self.symbols.names.slots().to_vec(),
            inputs: input_plans,
            decide: Arc::clone(&decide),
            stages: self.stages.stages,
            max_future: self.file.max_future.map_or(HOUR, |duration| duration.0),
            published: self.published,
        };
        Some(Compiled {
            plan: Arc::new(plan),
            decision: Arc::new(DecisionSet::of_pipeline(self.models.lineup, decide)),
            inputs,
            repartition_topics: self.topics.repartition,
            decisions: self.topics.decisions,
            dead_letters: self.topics.dead_letters,
            further_outputs: self.topics.further,
            decision_format: self.topics.decision_format,
            rollout,
            rollout_settings: rollout_settings(self.file),
            lists: self.lists,
            tables: self.tables,
            settings: self.settings,
            examples: self.examples,
            stage_values: self.stages.values,
            warnings: Arc::default(),
            file: self.text.name.into(),
            source: self.text.source.into(),
        })
    }
}

impl CompiledParts<'_> {
    /// What roll-outs are compiled against.
    fn rollout_scope(&self) -> RolloutScope {
        let transactions = self.usage.inputs.iter().take(1).flat_map(|input| input.fields.keys());
        let unread = transactions.filter(|name| !self.symbols.fields.contains_key(*name));
        let expressions = self.decision_expressions();
        RolloutScope {
            names: self
                .symbols
                .names
                .of_decision(&self.stages.at_decision, unread.cloned()),
            slots: self.symbols.decision,
            outcomes: self.outcomes.clone(),
            policy: self.policy.0.clone(),
            bound_lists: bound_lists(self.file, &self.usage.inputs, &expressions),
            lists: all_lists(self.file),
            tables: all_tables(self.file),
            expressions,
            known: Known::of(self.file).with_features(self.features.listed.iter().map(|(name, _)| name.as_str())),
            explains: self.models.explain.is_some(),
            personal: self.models.personal.clone(),
            places: ModelPlaces {
                directory: self.text.directory.to_owned(),
                model: own_model(self.file),
            },
        }
    }

    /// The expressions that are evaluated at the decision, in the order of their dependencies.
    fn decision_expressions(&self) -> Vec<DecisionExpression> {
        let computed = self.stages.decide_expressions.iter();
        let expression = |computed: &SlotExpression| {
            let (name, slot) = self.features.listed.iter().find(|(_, slot)| *slot == computed.slot)?;
            Some(DecisionExpression {
                name: name.clone(),
                slot: *slot,
                source: computed.expression.source().to_owned(),
            })
        };
        computed.filter_map(expression).collect()
    }

    /// The fields of an input's records that are used, with their slots.
    fn decoded<'i>(&'i self, input: &'i ResolvedInput) -> impl Iterator<Item = (&'i String, &'i ResolvedField, Slot)> {
        let fields = input.fields.iter();
        let fields = fields.filter(|(name, field)| field.derived.is_none() && self.usage.reads(input, name));
        fields.filter_map(|(name, field)| Some((name, field, *self.symbols.fields.get(name)?)))
    }

    /// Whether an event must have a field: the file says so, or it is the id, the event time or the key of an entity. Events
    /// need a key of some entity, see [`CompiledParts::any_of`].
    fn requires(&self, input: &ResolvedInput, name: &String) -> bool {
        let default = input.id.as_ref() == Some(name)
            || input.event_time.as_ref() == Some(name)
            || (!matches!(input.kind, InputKind::Events | InputKind::Table)
                && self
                    .entities
                    .iter()
                    .any(|entity| entity.key.is_in(input) && entity.key.fields.contains(name)));
        let field = input.fields.get(name);
        field.and_then(|field| field.required).unwrap_or(default)
    }

    /// The keys of entities of which an event of the input must have at least one: all that it can have, unless the file says
    /// of one that it is not required.
    fn any_of(&self, input: &ResolvedInput) -> Vec<Slot> {
        let keys = self.entities.iter().map(|entity| &entity.key);
        let keys: Vec<&PlannedKey> = keys.filter(|key| key.is_in(input)).collect();
        let mut fields = keys.iter().flat_map(|key| &key.fields);
        let is_optional = fields.any(|field| input.fields[field].required == Some(false));
        if input.kind != InputKind::Events || is_optional {
            return Vec::new();
        }
        let slot = |key: &&PlannedKey| self.symbols.fields.get(&key.name).copied();
        let mut slots: Vec<Slot> = keys.iter().filter_map(slot).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }
}

fn input_plans(phases: &CompiledParts<'_>) -> Option<Vec<InputPlan>> {
    let plan = |((index, input), RecordConditions { filter, deletion }): ((u8, &&ResolvedInput), &RecordConditions)| {
        let event_time = match input.time_is_of_record {
            true => WRITTEN_AT,
            false => *phases.symbols.fields.get(input.event_time.as_ref()?)?,
        };
        let required = phases.decoded(input).filter(|(name, ..)| phases.requires(input, name));
        let required = required
            .map(|(.., slot)| slot)
            .filter(|_| filter.is_some() || deletion.is_some());
        let computed_keys = computed_keys(phases, input);
        // A key that is null although it has all its fields is as wrong as a field that is missing.
        let complete = |(entity, _): &(&PlannedEntity, &ComputedKey)| {
            let mut fields = entity.key.fields.iter();
            fields.all(|field| phases.requires(input, field))
        };
        let required_keys = computed_keys.clone().filter(complete).map(|(_, key)| key.slot);
        Some(InputPlan {
            name: input.name.clone(),
            kind: input.kind,
            id: *phases.symbols.fields.get(input.id.as_ref()?)?,
            rows: row_plan(phases, input, deletion.as_ref()),
            event_time,
            min_time: input.min_time,
            required: required.chain(required_keys).collect(),
            computed_keys: computed_keys.map(|(_, key)| key.clone()).collect(),
            any_of: phases.any_of(input),
            filter: filter.clone(),
            ignores_tombstones: input.ignores_tombstones,
            headers: match index {
                TRANSACTIONS => phases.outputs.copied.iter().map(|header| header.slot).collect(),
                _ => Vec::new(),
            },
            numbers: aggregated_floats(phases, index, input),
            arrives_within: input.arrives_within,
        })
    };
    let inputs = (0..).zip(&phases.usage.inputs);
    inputs.zip(&phases.filters).map(plan).collect()
}

/// What makes a record of a table a row.
fn row_plan(phases: &CompiledParts<'_>, input: &ResolvedInput, deletion: Option<&Expression>) -> Option<RowPlan> {
    if input.kind != InputKind::Table {
        return None;
    }
    let slots = input.fields.iter().filter(|(name, _)| phases.usage.reads(input, name));
    let columns = slots.filter(|(name, _)| Some(*name) != input.key.as_ref());
    Some(RowPlan {
        columns: columns
            .filter_map(|(name, _)| phases.symbols.fields.get(name).copied())
            .collect(),
        deletion: deletion.cloned(),
        deletes_by_tombstones: input.deletes_by_tombstones,
    })
}

/// The computed keys of which an input has all fields.
fn computed_keys<'p>(
    phases: &'p CompiledParts<'_>,
    input: &'p ResolvedInput,
) -> impl Iterator<Item = (&'p PlannedEntity, &'p ComputedKey)> + Clone {
    let keys = phases.entities.iter().zip(&phases.keys);
    let keys = keys.filter_map(|(entity, key)| Some((entity, key.as_ref()?)));
    let is_of = |entity: &PlannedEntity| match phases.usage.table(&input.name) {
        Some(table) => table.entity == entity.name,
        None => entity.key.is_in(input),
    };
    keys.filter(move |(entity, _)| is_of(entity))
}

/// The float fields of an input that are aggregated, each with the finest precision of its sums, into which its values must
/// fit. Floats that are compared and never summed must only be finite. Integers always fit.
fn aggregated_floats(phases: &CompiledParts<'_>, index: u8, input: &ResolvedInput) -> Vec<(Slot, Option<Precision>)> {
    let is_float = |slot: Slot| {
        let mut fields = input.fields.iter();
        fields
            .any(|(name, field)| phases.symbols.fields.get(name) == Some(&slot) && field.value_type == ValueType::Float)
    };
    let mut floats: BTreeMap<Slot, Option<Precision>> = BTreeMap::new();
    for feature in phases
        .features
        .stages
        .iter()
        .flatten()
        .filter(|feature| feature.input == index)
    {
        let Some(slot) = feature.value.filter(|slot| is_float(*slot)) else {
            continue;
        };
        let finest = floats.entry(slot).or_default();
        if feature.aggregation.is_fixed_point() {
            let is_finer = finest.is_none_or(|finest| feature.precision.limit() < finest.limit());
            *finest = if is_finer { Some(feature.precision) } else { *finest };
        }
    }
    floats.into_iter().collect()
}

fn input_settings(phases: &CompiledParts<'_>) -> Vec<InputSettings> {
    let settings = |(input, RecordConditions { filter, deletion }): (&&ResolvedInput, &RecordConditions)| {
        let is_checked_later = filter.is_some() || deletion.is_some();
        let fields = phases.decoded(input).map(|(name, field, slot)| Field {
            // A record that is filtered out, or deletes a row, may lack the others.
            required: phases.requires(input, name) && (!is_checked_later || input.is_operation(field)),
            ..field.to_field(name, slot)
        });
        let slot_of = |name: &String| phases.symbols.fields.get(name).copied();
        let used = input.fields.iter().filter(|(name, _)| phases.usage.reads(input, name));
        let derived = used.filter_map(|(name, field)| {
            let (source, derivation) = field.derived.as_ref()?;
            Some(DerivedField {
                from: slot_of(source)?,
                to: slot_of(name)?,
                derivation: *derivation,
            })
        });
        InputSettings {
            name: input.name.clone(),
            topic: input.topic.as_str().into(),
            format: input.format,
            envelope: input.envelope,
            schema: input.schema.clone(),
            key: input.key.clone(),
            on_key_mismatch: input.on_key_mismatch,
            fields: fields.collect(),
            derived: derived.collect(),
        }
    };
    let inputs = phases.usage.inputs.iter();
    inputs.zip(&phases.filters).map(settings).collect()
}

fn own_model(file: &PipelineFile) -> Option<PathBuf> {
    let file = file.model.as_ref()?.value.file.0.as_ref()?;
    Some(file.value.as_str().into())
}

fn rollout_settings(file: &PipelineFile) -> Option<RolloutSettings> {
    let section = &file.rollout.as_ref()?.value;
    let given = |given: &Option<Spanned<String>>| given.as_ref().map(|given| given.value.clone());
    Some(RolloutSettings {
        file: given(&section.file),
        topic: given(&section.topic).map(Into::into),
        approvals: section.approvals.as_ref().map_or(0, |approvals| approvals.value),
        approvals_topic: given(&section.approvals_topic).map(Into::into),
    })
}

/// The latest revision of the language that gave an expression of the file its meaning.
fn revision(phases: &CompiledParts<'_>) -> Revision {
    let steps = phases.features.steps.iter().map(|step| &step.expression);
    let features = phases.features.stages.iter().flatten();
    let conditions = features.filter_map(|feature| feature.condition.as_ref());
    let all = steps
        .chain(conditions)
        .chain(phases.policy.1.conditions())
        .chain(phases.outputs.expressions());
    all.map(Expression::revision).max().unwrap_or_default()
}

/// The first 16 hexadecimal digits of the SHA-256 over the file, the hashes of its models' cards and of its tables and, if an
/// expression had another meaning before, the revision of the language. The hashes of the models themselves are in every
/// decision.
fn version(phases: &CompiledParts<'_>) -> String {
    let cards = phases
        .models
        .lineup
        .models
        .iter()
        .filter_map(|model| model.card.as_ref());
    let mut hashed = cards.fold(Sha256::new().chain_update(phases.text.source), |hashed, card| {
        hashed.chain_update(card)
    });
    for table in &phases.tables {
        hashed.update(&table.sha256);
    }
    let revision = revision(phases);
    if revision > Revision::First {
        hashed.update(format!("{revision:?}"));
    }
    let digest = hashed.finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
