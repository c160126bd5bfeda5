//! From what was typed to what is valid.

mod decide;
mod features;
mod identifiers;
mod inputs;
mod names;
mod provenance;
mod stages;

use super::compiled::{Compiled, InputSettings, Settings};
use super::mistakes::{Mistake, Mistakes, enumerate};
use super::node::Span;
use super::read::Spanned;
use super::settings;
use super::surface::{Entity, Format, PipelineFile};
use features::{CompiledFeatures, FeatureCompiler, StageEntity, sources, summed_slots};
use identifiers::identifiers;
use inputs::{ResolvedInput, Surroundings, check_topic_name};
use names::Names;
use provenance::Provenances;
use riskstream_engine::plan::{DecidePlan, InputPlan, Plan};
use riskstream_events::{Slot, ValueType};
use sha2::{Digest, Sha256};
use stages::{PlannedEntity, PlannedStages, StagePlanner};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = DAY / 24;

/// Compiles the file; what is wrong with it goes to `mistakes`, all of it. `Some` only if nothing is.
pub fn compile(
    file: &PipelineFile,
    source: &str,
    directory: &Path,
    mistakes: &mut Mistakes,
) -> Option<Compiled> {
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
    let fields = inputs::declare_fields(
        &inputs,
        &file.inputs,
        &used_fields(file, &used_inputs, &entities),
        &mut names,
        mistakes,
    );
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
        .and_then(|section| decide::compile_model(section, directory, &names, mistakes));
    let policy = decide::compile_policy(file, score, &names, mistakes);
    let mut decision_reads: BTreeSet<Slot> = decide::reads(model.as_ref(), policy.as_ref(), score)
        .into_iter()
        .collect();
    let entity_slots: Vec<(String, Slot)> = entities
        .iter()
        .filter_map(|entity| Some((entity.stage.name.clone(), *fields.get(&entity.key.0)?)))
        .collect();
    decision_reads.extend(entity_slots.iter().map(|(_, slot)| *slot));
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
        decision_format: outputs
            .format
            .as_ref()
            .map_or(Format::Json, |format| format.value),
        settings: Settings {
            personal: settings.personal || personal(file),
            ..settings
        },
        examples: file
            .examples
            .0
            .iter()
            .map(|example| example.value.clone())
            .collect(),
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

fn check_top(file: &PipelineFile, mistakes: &mut Mistakes) {
    if file.inputs.get("transactions").is_none() {
        let span: Span = file
            .inputs
            .0
            .first()
            .map_or(0..0, |(key, _)| key.span.clone());
        mistakes.add(
            Mistake::new("there is no input `transactions`", span)
                .nearest("transactions", file.inputs.names())
                .help("`inputs:` needs `transactions:`, the topic whose records are decided upon"),
        );
    }
    if file.entities.0.is_empty() {
        mistakes
            .add(Mistake::new("there are no entities", 0..0).help(
                "add what features are kept per: `entities: {customer: {key: customer_id}}`",
            ));
    }
    if let Some(name) = &file.name.0 {
        check_topic_name(name, mistakes);
    }
    let Some(outputs) = &file.outputs.0 else {
        return;
    };
    let topics: Vec<&Spanned<String>> = [&outputs.value.decisions, &outputs.value.dead_letters]
        .iter()
        .filter_map(|topic| topic.0.as_ref())
        .collect();
    for topic in &topics {
        check_topic_name(topic, mistakes);
        let read = file
            .inputs
            .iter()
            .filter_map(|(_, input)| input.topic.0.as_ref())
            .find(|read| read.value == topic.value);
        if let Some(read) = read {
            mistakes.add(
                Mistake::new(
                    format!("the topic `{}` is read and written", topic.value),
                    topic.span.clone(),
                )
                .label("written")
                .also(read.span.clone(), "read")
                .help("the pipeline would read its own results: use another topic"),
            );
        }
    }
    if let [decisions, dead_letters] = topics.as_slice()
        && decisions.value == dead_letters.value
    {
        mistakes.add(
            Mistake::new(
                "decisions and dead letters need topics of their own",
                dead_letters.span.clone(),
            )
            .also(decisions.span.clone(), "the same topic"),
        );
    }
    if let Some(format) = outputs
        .value
        .format
        .as_ref()
        .filter(|format| format.value == Format::Avro)
        && file.registry.is_none()
    {
        mistakes.add(
            Mistake::new("`avro` needs a schema registry", format.span.clone())
                .help("add `registry: {url: http://localhost:8081}`, or say `format: avro_plain`"),
        );
    }
}

/// The chain of entities: those that features use, and the first.
fn resolve_entities(
    file: &PipelineFile,
    inputs: &[ResolvedInput],
    mistakes: &mut Mistakes,
) -> Vec<PlannedEntity> {
    let used: BTreeSet<&str> = file
        .features
        .iter()
        .filter_map(|(_, feature)| Some(feature.entity.as_ref()?.value.as_str()))
        .collect();
    let transactions = inputs.first().filter(|input| input.name == "transactions");
    let mut planned = Vec::new();
    for (at, (key, entity)) in file.entities.0.iter().enumerate() {
        let Some(entity) = entity else { continue };
        if !names::is_identifier(&key.name) || key.name.contains('.') {
            mistakes.add(
                Mistake::new(format!("`{}` is not a name", key.name), key.span.clone())
                    .help("names are letters, digits and `_`, and do not begin with a digit"),
            );
            continue;
        }
        let entity = resolve_entity(&key.name, entity, transactions, file, mistakes);
        planned.extend(entity.filter(|_| at == 0 || used.contains(key.name.as_str())));
    }
    planned
}

fn resolve_entity(
    name: &str,
    entity: &Entity,
    transactions: Option<&ResolvedInput>,
    file: &PipelineFile,
    mistakes: &mut Mistakes,
) -> Option<PlannedEntity> {
    let key = entity.key.0.as_ref();
    if let (Some(key), Some(transactions)) = (key, transactions) {
        check_entity_key(key, transactions, file, mistakes);
    }
    let resolution = match &entity.precision {
        None => Some(1_000_000),
        Some(precision) => resolution(precision, mistakes),
    };
    let duration = |given: &Option<Spanned<super::read::Duration>>| {
        given.as_ref().map_or(DAY, |given| given.value.0)
    };
    Some(PlannedEntity {
        stage: StageEntity {
            name: name.to_owned(),
            lateness: duration(&entity.lateness),
            retention: entity
                .retention
                .as_ref()
                .map(|retention| (retention.value.0, retention.span.clone())),
        },
        key: (key?.value.clone(), key?.span.clone()),
        dedupe: duration(&entity.dedupe),
        resolution: resolution?,
    })
}

fn check_entity_key(
    key: &Spanned<String>,
    transactions: &ResolvedInput,
    file: &PipelineFile,
    mistakes: &mut Mistakes,
) {
    match transactions.fields.get(&key.value) {
        Some(field) if matches!(field.value_type, ValueType::Text | ValueType::Int) => {}
        Some(field) => mistakes.add(
            Mistake::new(
                format!(
                    "the key of an entity is text or int, `{}` is {}",
                    key.value,
                    field.value_type.name()
                ),
                key.span.clone(),
            )
            .also(field.span.clone(), "declared here"),
        ),
        None => {
            let typed = file.inputs.get("transactions").and_then(|(_, input)| input);
            if typed.is_some_and(|input| input.fields.names().any(|name| name == key.value)) {
                return;
            }
            mistakes.add(
                Mistake::new(
                    format!("transactions have no field `{}`", key.value),
                    key.span.clone(),
                )
                .nearest(&key.value, transactions.fields.keys().map(String::as_str))
                .help(format!(
                    "their fields are {}",
                    enumerate(transactions.fields.keys().map(String::as_str))
                )),
            );
        }
    }
}

/// Units per 1.0.
fn resolution(precision: &Spanned<f64>, mistakes: &mut Mistakes) -> Option<i64> {
    let units = (1.0 / precision.value).round();
    let exact = precision.value > 0.0
        && (1.0..=1e12).contains(&units)
        && (units * precision.value - 1.0).abs() < 1e-9;
    if !exact {
        mistakes.add(
            Mistake::new(
                format!("{} cannot be a precision", precision.value),
                precision.span.clone(),
            )
            .help("write what the smallest unit is: `0.01` for cents, `0.000001`, at most 1"),
        );
    }
    exact.then_some(units as i64)
}

/// Transactions, and the label inputs that features use, in the order of the file.
fn used_inputs<'i>(file: &PipelineFile, inputs: &'i [ResolvedInput]) -> Vec<&'i ResolvedInput> {
    let mut mentioned: BTreeSet<&str> = BTreeSet::from(["transactions"]);
    for (_, feature) in file.features.iter() {
        mentioned.extend(feature.of.as_ref().map(|of| of.value.as_str()));
        let counted = [
            &feature.count,
            &feature.time_since_last,
            &feature.decayed_count,
        ];
        mentioned.extend(
            counted
                .into_iter()
                .flatten()
                .map(|source| source.value.0.as_str()),
        );
    }
    inputs
        .iter()
        .filter(|input| mentioned.contains(input.name.as_str()))
        .collect()
}

/// Every name that something in the file mentions, so that only those fields get a slot and are decoded.
fn used_fields(
    file: &PipelineFile,
    inputs: &[&ResolvedInput],
    entities: &[PlannedEntity],
) -> BTreeSet<String> {
    let mut used: BTreeSet<String> = entities.iter().map(|entity| entity.key.0.clone()).collect();
    for input in inputs {
        used.extend(input.id.clone());
        used.extend(input.event_time.clone());
    }
    let rules = file
        .rules
        .0
        .iter()
        .filter_map(|rule| rule.value.when.0.as_ref());
    let thresholds = file
        .decision
        .iter()
        .flat_map(|decision| [&decision.value.decline, &decision.value.review]);
    let expressions = file
        .features
        .iter()
        .flat_map(|(_, feature)| sources(feature))
        .chain(rules)
        .chain(thresholds.flatten());
    for source in expressions {
        used.extend(identifiers(&source.value.0).into_iter().map(str::to_owned));
    }
    let model_inputs = file
        .model
        .iter()
        .filter_map(|model| model.value.inputs.0.as_ref());
    used.extend(
        model_inputs.flat_map(|inputs| inputs.value.0.iter().map(|input| input.value.clone())),
    );
    used
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
    let within = |input: &super::surface::Input| {
        input
            .arrives_within
            .as_ref()
            .map_or(30 * DAY, |within| within.value.0)
    };
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
        let mut numbers: BTreeMap<Slot, i64> = BTreeMap::new();
        for (stage, slot) in summed_slots(&features.stages, index as u8) {
            let is_number = input.fields.iter().any(|(name, field)| {
                fields.get(name) == Some(&slot)
                    && matches!(field.value_type, ValueType::Int | ValueType::Float)
            });
            if is_number {
                let units = numbers.entry(slot).or_insert(0);
                *units = (*units).max(entities[stage].resolution);
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
                    let named =
                        input.id.as_ref() == Some(name) || input.event_time.as_ref() == Some(name);
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
    let direct =
        inputs.len() == 1 && inputs[0].key.as_ref() == entities.first().map(|entity| &entity.key.0);
    planned
        .stages
        .iter()
        .enumerate()
        .map(|(at, stage)| {
            (at > 0 || !direct).then(|| format!("{name}-hop-{}", stage.entity).into())
        })
        .collect()
}

fn personal(file: &PipelineFile) -> bool {
    let declared = |input: &super::surface::Input| {
        input.fields.iter().any(|(_, field)| {
            field
                .0
                .personal
                .as_ref()
                .is_some_and(|personal| personal.value)
        })
    };
    file.inputs.iter().any(|(_, input)| declared(input))
}

fn check_examples(file: &PipelineFile, mistakes: &mut Mistakes) {
    let features: Vec<&str> = file.features.names().collect();
    for event in file
        .examples
        .0
        .iter()
        .flat_map(|example| &example.value.events.0)
    {
        let event = &event.value;
        if file.inputs.get(&event.input.name).is_none() {
            if event.input.name == "transactions" {
                continue;
            }
            mistakes.add(
                Mistake::new(
                    format!("unknown input `{}`", event.input.name),
                    event.input.span.clone(),
                )
                .nearest(&event.input.name, file.inputs.names())
                .help(format!("the inputs are {}", enumerate(file.inputs.names()))),
            );
            continue;
        }
        let Some(expect) = &event.expect else {
            continue;
        };
        if event.input.name != "transactions" {
            mistakes.add(
                Mistake::new(
                    "only a transaction has a decision",
                    event.input.span.clone(),
                )
                .help("move `expect:` to a transaction"),
            );
        }
        for name in expect
            .features
            .0
            .iter()
            .map(|(key, _)| key)
            .filter(|key| !features.contains(&key.name.as_str()))
        {
            mistakes.add(
                Mistake::new(
                    format!("unknown feature `{}`", name.name),
                    name.span.clone(),
                )
                .nearest(&name.name, features.iter().copied()),
            );
        }
    }
}
