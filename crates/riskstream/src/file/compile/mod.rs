//! From what was typed to what is valid.

mod checks;
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
mod stages;
mod topics;
mod usage;

use super::compiled::{Compiled, InputSettings};
use super::mistakes::Mistakes;
use super::settings;
use super::surface::{Format, PipelineFile};
use checks::{check_examples, check_top};
use entities::resolve_entities;
use features::{CompiledFeatures, FeatureCompiler, StageEntity, aggregated_slots};
use inputs::{ResolvedInput, Surroundings};
use names::Names;
use provenance::Provenances;
use reasons::{Texts, personal_names};
use riskstream_engine::plan::{DecidePlan, InputPlan, Plan};
use riskstream_events::{Slot, ValueType};
use sha2::{Digest, Sha256};
use stages::{PlannedEntity, PlannedStages, StagePlanner};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use usage::{used_fields, used_inputs};

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = DAY / 24;

/// Compiles the file; what is wrong with it goes to `mistakes`, all of it. `Some` only if nothing is.
pub fn compile(file: &PipelineFile, source: &str, directory: &Path, mistakes: &mut Mistakes) -> Option<Compiled> {
    let settings = settings::resolve(file, mistakes);
    check_top(file, mistakes);
    let surroundings = Surroundings {
        directory,
        registry: file.registry.as_ref(),
    };
    let inputs = inputs::resolve(&file.inputs, &surroundings, mistakes);
    let entities = resolve_entities(file, &inputs, mistakes);
    let used_inputs = used_inputs(file, &inputs);
    let input_index: BTreeMap<String, u8> = used_inputs
        .iter()
        .enumerate()
        .map(|(index, input)| (input.name.clone(), index as u8))
        .collect();
    let mut names = Names::new(source);
    let mut used_fields = used_fields(file, &used_inputs, &entities);
    used_fields.extend(reasons::mentioned_in_texts(file, directory));
    let fields = inputs::declare_fields(&inputs, &file.inputs, &used_fields, &mut names, mistakes);
    let mut provenances = Provenances::default();
    fields.values().for_each(|slot| provenances.field(*slot));
    decide::declare_lists(&file.lists, &mut names, mistakes);
    let features = compile_features(
        file,
        &inputs,
        &input_index,
        &entities,
        &mut names,
        &mut provenances,
        mistakes,
    );
    let score = names.slot("score", ValueType::Float);
    let model = file
        .model
        .as_ref()
        .and_then(|section| model::compile_model(section, directory, &names, mistakes));
    let texts = Texts {
        names: &names,
        personal: personal_names(file, &inputs, &names),
    };
    let explain = explain::compile_explain(file, directory, model.as_ref(), &texts, mistakes);
    let policy = decide::compile_policy(file, score, &names, mistakes);
    let mut decision_reads: BTreeSet<Slot> = decide::reads(model.as_ref(), policy.as_ref(), score)
        .into_iter()
        .collect();
    let entity_slots: Vec<(String, Slot)> = entities
        .iter()
        .filter_map(|entity| Some((entity.stage.name.clone(), *fields.get(&entity.key.0)?)))
        .collect();
    decision_reads.extend(entity_slots.iter().map(|(_, slot)| *slot));
    decision_reads.extend(explain.iter().flat_map(|explain| explain.slots()));
    let planned = StagePlanner {
        inputs: &used_inputs,
        arrives_within: &arrives_within(file),
        entities: &entities,
        fields: &fields,
        names: &names,
        features: &features,
        decision_reads: &decision_reads,
        cache_bytes: settings.cache_bytes,
        mistakes,
    }
    .plan();
    check_examples(file, mistakes);
    if !mistakes.is_empty() {
        return None;
    }
    let (planned, policy) = (planned?, policy?);
    let name = file.name.0.as_ref()?.value.clone();
    let input_plans = input_plans(&used_inputs, &fields, &features, &entities)?;
    let inputs = input_settings(&used_inputs, &fields, &planned);
    let hops = hops(&name, &used_inputs, &planned, &entities);
    let slots = names.into_slots();
    let plan = Plan {
        name,
        version: version(source),
        slots,
        inputs: input_plans,
        stages: planned.stages,
        decide: DecidePlan {
            steps: planned.decide_steps,
            model,
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
        inputs,
        hops,
        decisions: outputs.decisions.0.as_ref()?.value.as_str().into(),
        dead_letters: outputs.dead_letters.0.as_ref()?.value.as_str().into(),
        decision_format: outputs.format.as_ref().map_or(Format::Json, |format| format.value),
        settings,
        examples: file.examples.0.iter().map(|example| example.value.clone()).collect(),
        file: "".into(),
        source: source.into(),
    })
}

/// The first 16 hexadecimal digits of the file's SHA-256.
fn version(source: &str) -> String {
    Sha256::digest(source.as_bytes())
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
    mistakes: &mut Mistakes,
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
        mistakes,
    )
    .compile(&file.features)
}

fn arrives_within(file: &PipelineFile) -> BTreeMap<String, i64> {
    let within =
        |input: &super::surface::Input| input.arrives_within.as_ref().map_or(30 * DAY, |within| within.value.0);
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

/// A hop topic in front of each stage, unless the first can read the transactions themselves.
fn hops(
    name: &str,
    inputs: &[&ResolvedInput],
    planned: &PlannedStages,
    entities: &[PlannedEntity],
) -> Vec<Option<Arc<str>>> {
    let direct = inputs.len() == 1 && inputs[0].key.as_ref() == entities.first().map(|entity| &entity.key.0);
    planned
        .stages
        .iter()
        .enumerate()
        .map(|(at, stage)| (at > 0 || !direct).then(|| format!("{name}-hop-{}", stage.entity).into()))
        .collect()
}
