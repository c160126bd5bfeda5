//! The pipeline of a scenario: as a file for the product, and as specifications for the oracle.

use crate::load::SECOND;
use crate::naive::{self, ABROAD, AMOUNT, FRAUD, ITEMS, SHOP};
use crate::scenario::{Feature, Scenario};
use crate::table::COLUMNS;
use riskstream_definition::{Style, compile};
use riskstream_events::Slot;
use riskstream_features::{Aggregation, EntitySpec, FeatureSpec, Precision};
use riskstream_pipeline::Topology;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// The rule: payments with more than this many payments of the first entity in two minutes are reviewed.
pub const BUSY: i64 = 3;

const COARSE: f64 = 0.01;

pub fn topology(scenario: &Scenario) -> Arc<Topology> {
    let text = text(scenario);
    let compiled = compile("simulated.yaml", &text, Path::new("."), &|_| None)
        .unwrap_or_else(|report| panic!("{}\n{text}", report.render(Style::Plain, 120)));
    Arc::new(compiled.json_topology(None).expect("no field is personal"))
}

pub fn text(scenario: &Scenario) -> String {
    let mut keys = String::new();
    for entity in 0..scenario.entities.len() {
        write!(keys, ", e{entity}: text").expect("a string");
    }
    let fields = format!(
        "id: id\n    event_time: time\n    fields: {{id: text, time: timestamp{keys}, amount: float, items: int, shop: text, \
         abroad: bool, fraud: bool}}\n"
    );
    let key = if scenario.is_keyed { "key: e0\n    " } else { "" };
    let mut text = format!("name: simulated\ninputs:\n  transactions:\n    topic: payments\n    {key}{fields}");
    if scenario.label_partitions.is_some() {
        text += &format!("  labels:\n    topic: labels\n    {fields}");
    }
    if let Some(table) = scenario.table {
        text += &format!(
            "  rows:\n    kind: table\n    topic: rows\n    key: e{0}\n    event_time: time\n    fields: {{e{0}: text, time: timestamp, \
             amount: float, items: int, shop: text}}\n",
            table.entity
        );
    }
    text += "entities:\n";
    for (number, entity) in scenario.entities.iter().enumerate() {
        let (lateness, dedupe) = (entity.lateness, entity.dedupe);
        text += &format!("  x{number}: {{key: e{number}, lateness: {lateness}s, dedupe: {dedupe}s}}\n");
    }
    text += "features:\n";
    for (number, feature) in scenario.features.iter().enumerate() {
        text += &feature_text(number, feature);
    }
    text += &format!("rules:\n  - {{name: busy, when: f0 > {BUSY}, then: review, reason: R1}}\n");
    if scenario.table.is_some() {
        let columns = COLUMNS.map(|column| format!("{column} == null")).join(" && ");
        text += &format!("  - {{name: empty, mode: shadow, when: {columns}, then: review, reason: R2}}\n");
    }
    text += "outputs: {decisions: decisions, dead_letters: dead-letters}\n";
    text
}

fn feature_text(number: usize, feature: &Feature) -> String {
    let aggregation = feature.aggregation;
    let input = if feature.of_labels { "labels" } else { "transactions" };
    let mut text = format!("  f{number}: {{entity: x{}, {}: ", feature.entity, aggregation.name());
    match feature.value {
        None => text += input,
        Some(value) if feature.of_labels => text += &format!("{value}, of: labels"),
        Some(value) => text += value,
    }
    match aggregation {
        Aggregation::FirstK(k)
        | Aggregation::LastK(k)
        | Aggregation::TopK(k)
        | Aggregation::BottomK(k)
        | Aggregation::Histogram(k) => text += &format!(", k: {k}"),
        Aggregation::Quantile(q) => text += &format!(", q: {q}"),
        Aggregation::DecayedCount { half_life } | Aggregation::DecayedSum { half_life } => {
            text += &format!(", half_life: {}s", half_life / SECOND);
        }
        _ => {}
    }
    match feature.window {
        Some(window) => text += &format!(", window: {window}s"),
        None if aggregation.is_decayed() => {}
        None => text += ", window: unlimited",
    }
    if feature.delay > 0 {
        text += &format!(", delay: {}s", feature.delay);
    }
    if !counts_itself(feature) {
        text += ", include_current: false";
    }
    if feature.is_coarse {
        text += &format!(", precision: {COARSE}");
    }
    if let Some(condition) = feature.condition {
        text += &format!(", when: \"{condition}\"");
    }
    text + "}\n"
}

/// Where the pipeline file says so only if it means something.
fn counts_itself(feature: &Feature) -> bool {
    let has_meaning = !feature.of_labels && feature.delay == 0 && feature.aggregation != Aggregation::TimeSinceLast;
    feature.include_current || !has_meaning
}

/// For each entity its specification, and the numbers of its features.
pub fn specs(scenario: &Scenario) -> Vec<(EntitySpec, Vec<usize>)> {
    let spec = |number: usize| {
        let features = scenario.features.iter().enumerate();
        let of_entity: Vec<(usize, FeatureSpec)> = features
            .filter(|(_, feature)| feature.entity == number)
            .map(|(number, feature)| (number, feature_spec(feature)))
            .collect();
        let (numbers, features): (Vec<_>, Vec<_>) = of_entity.into_iter().unzip();
        let entity = scenario.entities[number];
        let spec = EntitySpec {
            lateness: entity.lateness * SECOND,
            dedupe: entity.dedupe * SECOND,
            ..naive::spec(features)
        };
        (spec, numbers)
    };
    (0..scenario.entities.len()).map(spec).collect()
}

fn feature_spec(feature: &Feature) -> FeatureSpec {
    let value = feature.value.map(slot);
    let window = feature.window.map(|window| window * SECOND);
    FeatureSpec {
        input: u8::from(feature.of_labels),
        condition: feature.condition.map(naive::condition),
        delay: feature.delay * SECOND,
        include_current: counts_itself(feature),
        precision: match feature.is_coarse {
            true => Precision::new(COARSE).expect("a valid precision"),
            false => Precision::MILLIONTH,
        },
        ..naive::feature(feature.aggregation, value, window)
    }
}

fn slot(field: &str) -> Slot {
    match field {
        "amount" => AMOUNT,
        "items" => ITEMS,
        "shop" => SHOP,
        "abroad" => ABROAD,
        _ => FRAUD,
    }
}
