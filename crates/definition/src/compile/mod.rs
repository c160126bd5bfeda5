//! From what was typed to what is valid.

mod cards;
mod checks;
mod columns;
mod decide;
mod entities;
mod explain;
mod features;
mod fields;
mod identifiers;
mod inputs;
mod model;
mod names;
mod provenance;
mod reasons;
mod rollout;
mod stages;
mod topics;
mod usage;

use super::compiled::{Compiled, InputSettings, RolloutSettings};
use super::diagnostics::{Diagnostic, Diagnostics};
use super::read::Spanned;
use super::settings;
use super::syntax::{Format, PipelineFile};
use cards::Cards;
use checks::{check_examples, check_top};
use entities::resolve_entities;
use features::{CompiledFeatures, FeatureCompiler, StageEntity, aggregated_slots};
use inputs::{ResolvedInput, Surroundings};
use model::ModelCompiler;
use names::Names;
use provenance::Provenances;
use reasons::{Texts, personal_names};
use riskstream_engine::plan::{DecidePlan, InputPlan, Plan};
use riskstream_events::{Slot, ValueType};
use riskstream_scoring::Lineup;
pub use rollout::RolloutScope;
use sha2::{Digest, Sha256};
use stages::{PlannedEntity, PlannedStages, StagePlanner};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use usage::{used_fields, used_inputs};

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = DAY / 24;

/// Compiles the file; what is wrong with it goes to `diagnostics`, all of it. `Some` only if nothing is.
pub fn compile(file: &PipelineFile, source: &str, directory: &Path, diagnostics: &mut Diagnostics) -> Option<Compiled> {
    let settings = settings::resolve(file, diagnostics);
    check_top(file, diagnostics);
    let surroundings = Surroundings {
        directory,
        registry: file.registry.as_ref(),
    };
    let inputs = inputs::resolve(&file.inputs, &surroundings, diagnostics);
    let entities = resolve_entities(file, &inputs, diagnostics);
    let used_inputs = used_inputs(file, &inputs);
    let input_index: BTreeMap<String, u8> = used_inputs
        .iter()
        .enumerate()
        .map(|(index, input)| (input.name.clone(), index as u8))
        .collect();
    let cards = Cards::new(directory);
    let mut names = Names::new(source);
    let fields = inputs::declare_fields(
        &inputs,
        &file.inputs,
        &used_fields(file, &used_inputs, &entities, &cards),
        &mut names,
        diagnostics,
    );
    let mut provenances = Provenances::default();
    fields.values().for_each(|slot| provenances.field(*slot));
    decide::declare_lists(&file.lists, &mut names, diagnostics);
    let features = compile_features(
        file,
        &inputs,
        &input_index,
        &entities,
        &mut names,
        &mut provenances,
        diagnostics,
    );
    let score = names.slot("score", ValueType::Float);
    let explain = explain::compile_explain(file, diagnostics);
    let personal = personal_names(file, &inputs, &names);
    let texts = Texts {
        names: &names,
        personal: &personal,
    };
    let mut models = ModelCompiler {
        cards: &cards,
        names: &names,
        texts: explain.as_ref().map(|_| texts),
        diagnostics,
        models: Vec::new(),
    };
    let champion = file.model.as_ref().and_then(|section| models.decider(&section.value));
    let lineup = Lineup {
        champion,
        models: models.models,
        ..Lineup::default()
    };
    let policy = decide::compile_policy(file, score, &names, diagnostics);
    let mut decision_reads: BTreeSet<Slot> = decide::reads(&lineup.models, policy.as_ref(), score)
        .into_iter()
        .collect();
    let entity_slots: Vec<(String, Slot)> = entities
        .iter()
        .filter_map(|entity| Some((entity.stage.name.clone(), *fields.get(&entity.key.0)?)))
        .collect();
    decision_reads.extend(entity_slots.iter().map(|(_, slot)| *slot));
    let explanations = lineup.models.iter().filter_map(|model| model.explanation.as_ref());
    decision_reads.extend(explanations.flat_map(|explanation| explanation.slots()));
    let planned = StagePlanner {
        inputs: &used_inputs,
        arrives_within: &arrives_within(file),
        entities: &entities,
        fields: &fields,
        names: &names,
        features: &features,
        decision_reads: &decision_reads,
        cache_bytes: settings.cache_bytes,
        diagnostics,
    }
    .plan();
    check_examples(file, diagnostics);
    if !diagnostics.is_empty() {
        return None;
    }
    let (planned, policy) = (planned?, policy?);
    let name = file.name.0.as_ref()?.value.clone();
    let input_plans = input_plans(&used_inputs, &fields, &features, &entities)?;
    let inputs = input_settings(&used_inputs, &fields, &planned);
    let repartition_topics = repartition_topics(&name, &used_inputs, &planned, &entities, file.rollout.is_some());
    let rollout = RolloutScope {
        names: names.of_decision(&planned.at_decision),
        explains: explain.is_some(),
        personal,
        directory: directory.to_owned(),
        model: own_model(file),
    };
    let slots = names.slots().to_vec();
    let plan = Plan {
        name,
        version: version(source, &lineup),
        slots,
        inputs: input_plans,
        stages: planned.stages,
        decide: DecidePlan {
            expressions: planned.decide_expressions,
            explain,
            score,
            policy,
            without_score: decide::without_score(file),
            features: features.listed,
            entities: entity_slots,
        },
        max_future: file.max_future.map_or(HOUR, |duration| duration.0),
    };
    let outputs = &file.outputs.0.as_ref()?.value;
    Some(Compiled {
        plan: Arc::new(plan),
        lineup: Arc::new(lineup),
        inputs,
        repartition_topics,
        decisions: outputs.decisions.0.as_ref()?.value.as_str().into(),
        dead_letters: outputs.dead_letters.0.as_ref()?.value.as_str().into(),
        decision_format: outputs.format.as_ref().map_or(Format::Json, |format| format.value),
        rollout,
        rollout_settings: rollout_settings(file),
        settings,
        examples: file.examples.0.iter().map(|example| example.value.clone()).collect(),
        file: "".into(),
        source: source.into(),
    })
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
    })
}

/// The share, unless it is none; then `example` tells what one means.
fn share_of(given: &Spanned<f64>, example: &str, diagnostics: &mut Diagnostics) -> Option<f64> {
    let is_share = (0.0..=1.0).contains(&given.value);
    if !is_share {
        let message = format!("a share lies between 0 and 1, not at {}", given.value);
        diagnostics.add(Diagnostic::new(message, given.span.clone()).help(example));
    }
    is_share.then_some(given.value)
}

/// The first 16 hexadecimal digits of the SHA-256 over the file and the hashes of its models' cards. (The models' own hashes
/// stand in every decision.)
fn version(source: &str, lineup: &Lineup) -> String {
    let cards = lineup.models.iter().filter_map(|model| model.card.as_ref());
    let hashed = cards.fold(Sha256::new().chain_update(source), |hashed, card| {
        hashed.chain_update(card)
    });
    hashed
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn compile_features(
    file: &PipelineFile,
    inputs: &[ResolvedInput],
    input_index: &BTreeMap<String, u8>,
    entities: &[PlannedEntity],
    names: &mut Names<'_>,
    provenances: &mut Provenances,
    diagnostics: &mut Diagnostics,
) -> CompiledFeatures {
    let stages: Vec<StageEntity> = entities.iter().map(|entity| entity.stage.clone()).collect();
    let entity_names: Vec<String> = file.entities.names().map(str::to_owned).collect();
    FeatureCompiler::new(
        names,
        provenances,
        inputs,
        input_index,
        &stages,
        &entity_names,
        diagnostics,
    )
    .compile(&file.features)
}

fn arrives_within(file: &PipelineFile) -> BTreeMap<String, i64> {
    let within = |input: &super::syntax::Input| input.arrives_within.as_ref().map_or(30 * DAY, |within| within.value.0);
    file.inputs
        .iter()
        .map(|(key, input)| (key.name.clone(), within(input)))
        .collect()
}

fn input_plans(
    inputs: &[&ResolvedInput],
    fields: &BTreeMap<String, Slot>,
    features: &CompiledFeatures,
    entities: &[PlannedEntity],
) -> Option<Vec<InputPlan>> {
    let mut plans = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        // Integers always fit. A float that is compared and never summed only has to be finite: 0 units of it always fit.
        let mut numbers: BTreeMap<Slot, i64> = BTreeMap::new();
        for (stage, slot, is_fixed_point) in aggregated_slots(&features.stages, index as u8) {
            let is_float = input
                .fields
                .iter()
                .any(|(name, field)| fields.get(name) == Some(&slot) && field.value_type == ValueType::Float);
            if is_float {
                let units = numbers.entry(slot).or_insert(0);
                *units = (*units).max(if is_fixed_point { entities[stage].resolution } else { 0 });
            }
        }
        plans.push(InputPlan {
            name: input.name.clone(),
            id: *fields.get(input.id.as_ref()?)?,
            event_time: *fields.get(input.event_time.as_ref()?)?,
            numbers: numbers.into_iter().collect(),
        });
    }
    Some(plans)
}

fn input_settings(
    inputs: &[&ResolvedInput],
    fields: &BTreeMap<String, Slot>,
    planned: &PlannedStages,
) -> Vec<InputSettings> {
    inputs
        .iter()
        .map(|input| InputSettings {
            name: input.name.clone(),
            topic: input.topic.as_str().into(),
            format: input.format,
            schema: input.schema.clone(),
            key: input.key.clone(),
            fields: input
                .fields
                .iter()
                .filter_map(|(name, field)| {
                    let slot = *fields.get(name)?;
                    let named = input.id.as_ref() == Some(name) || input.event_time.as_ref() == Some(name);
                    Some(field.to_field(name, slot, named || planned.keys.contains(name)))
                })
                .collect(),
        })
        .collect()
}

/// A repartition topic in front of each stage, unless the first can read the transactions themselves. A stage that decides after
/// roll-outs needs one: they are written into its log.
fn repartition_topics(
    name: &str,
    inputs: &[&ResolvedInput],
    planned: &PlannedStages,
    entities: &[PlannedEntity],
    rolls_out: bool,
) -> Vec<Option<Arc<str>>> {
    let takes_notices = rolls_out && planned.stages.len() == 1;
    let direct =
        !takes_notices && inputs.len() == 1 && inputs[0].key.as_ref() == entities.first().map(|entity| &entity.key.0);
    planned
        .stages
        .iter()
        .enumerate()
        .map(|(at, stage)| (at > 0 || !direct).then(|| format!("{name}-hop-{}", stage.entity).into()))
        .collect()
}
