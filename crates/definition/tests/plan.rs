//! The plan: stages, what rows carry between them, topics, keys of labels.

use riskstream_definition::{Compiled, compile, entity_size, explain};
use riskstream_engine::plan::Plan;
use riskstream_events::Slot;
use riskstream_features::Precision;
use std::path::Path;

const TWO_ENTITIES: &str = r#"name: shop
inputs:
  transactions:
    topic: transactions
    key: customer_id
    id: transaction_id
    event_time: time
    fields:
      transaction_id: int
      time: timestamp
      customer_id: text
      terminal_id: text
      country: text
      amount: float
      unused: text
  labels:
    topic: labels
    id: transaction_id
    event_time: known_at
    fields: {transaction_id: int, customer_id: text, terminal_id: text, fraud: bool, known_at: timestamp}
entities:
  customer: {key: customer_id, lateness: 1h, dedupe: 2d}
  terminal: {key: terminal_id}
  country: {key: country}
features:
  large: {expression: amount > 10 * usual}
  night: {expression: event_time.getHours() < 6}
  usual: {entity: customer, mean: amount, window: 30d, delay: 1d}
  at_night: {entity: customer, count: transactions, window: 7d, when: night}
  double: {entity: customer, sum: amount * 2.0, window: 1h}
  large_here: {entity: terminal, count: transactions, window: 1d, when: large}
  risk: {entity: terminal, mean: fraud, of: labels, window: 28d, empty: 0}
  sum: {expression: risk + double}
rules:
  - {name: r, when: sum > 3.0 && large, then: review}
outputs: {decisions: decisions, dead_letters: dead-letters}
"#;

#[test]
fn stages_are_the_entities_that_features_use() {
    let plan = plan(TWO_ENTITIES);
    let stages: Vec<&str> = plan.stages.iter().map(|stage| stage.entity.as_str()).collect();
    assert_eq!(stages, ["customer", "terminal"]);
    assert_eq!(plan.stages[0].reach, 31 * 86_400_000_000);
    assert_eq!(plan.stages[1].reach, 28 * 86_400_000_000);
}

#[test]
fn the_first_entity_is_a_stage_even_without_features() {
    let source = TWO_ENTITIES
        .replace("  customer: {key: customer_id, lateness: 1h, dedupe: 2d}\n  terminal: {key: terminal_id}\n  country: {key: country}", "  country: {key: country}\n  customer: {key: customer_id}\n  terminal: {key: terminal_id}");
    let plan = plan(&source);
    let stages: Vec<&str> = plan.stages.iter().map(|stage| stage.entity.as_str()).collect();
    assert_eq!(stages, ["country", "customer", "terminal"]);
}

#[test]
fn expressions_are_computed_by_the_first_stage_that_needs_them() {
    let plan = plan(TWO_ENTITIES);
    let steps: Vec<Vec<&str>> = plan
        .stages
        .iter()
        .map(|stage| names(&plan, stage.before.iter().map(|step| step.slot)))
        .collect();
    assert_eq!(steps, [vec!["night", "double: amount * 2.0"], vec!["large"]]);
    assert_eq!(
        names(&plan, plan.decide.expressions().map(|computed| computed.slot)),
        ["sum"]
    );
}

#[test]
fn rows_carry_what_later_stages_need_and_no_more() {
    let plan = plan(TWO_ENTITIES);
    let carries = |stage: usize| {
        let mut names = names(&plan, plan.stages[stage].carries.iter().map(|(slot, _)| *slot));
        assert_eq!(names[..3], ["event_time", "event_id", "written_at"]);
        let mut others = names.split_off(3);
        others.sort_unstable();
        others
    };
    assert_eq!(carries(0), ["amount", "customer_id", "fraud", "terminal_id"]);
    // `amount` and `usual` for `large`; what the customer stage computed, for the decision; the key for its entities.
    assert_eq!(
        carries(1),
        [
            "amount",
            "at_night",
            "customer_id",
            "double",
            "fraud",
            "night",
            "terminal_id",
            "usual"
        ]
    );
}

#[test]
fn every_feature_is_listed_in_the_order_of_the_file() {
    let plan = plan(TWO_ENTITIES);
    let listed: Vec<&str> = plan.decide.features.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        listed,
        [
            "large",
            "night",
            "usual",
            "at_night",
            "double",
            "large_here",
            "risk",
            "sum"
        ]
    );
}

#[test]
fn only_fields_in_use_are_decoded() {
    let compiled = compiled(TWO_ENTITIES);
    let fields = |input: usize| -> Vec<(&str, bool)> {
        compiled.inputs[input]
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field.required))
            .collect()
    };
    assert_eq!(
        fields(0),
        [
            ("amount", false),
            ("customer_id", true),
            ("terminal_id", true),
            ("time", true),
            ("transaction_id", true)
        ]
    );
    assert_eq!(
        fields(1),
        [
            ("customer_id", true),
            ("fraud", false),
            ("known_at", true),
            ("terminal_id", true),
            ("transaction_id", true)
        ]
    );
}

#[test]
fn floats_that_are_aggregated_must_be_finite_and_those_that_are_summed_must_fit() {
    for (what, from, to, expected) in [
        ("a mean", "dedupe: 2d", "precision: 0.01", Some(("amount", Some(0.01)))),
        ("a maximum", "mean: amount", "max: amount", Some(("amount", None))),
        (
            "an expression's value is checked where it is computed",
            "mean: amount",
            "mean: amount + 1.0",
            None,
        ),
        ("an integer", "mean: amount", "mean: transaction_id", None),
    ] {
        let plan = plan(&TWO_ENTITIES.replace(from, to));
        let numbers = &plan.inputs[0].numbers;
        let found = numbers
            .first()
            .map(|(slot, precision)| (plan.slots[*slot].name.as_str(), precision.map(Precision::unit)));
        assert_eq!(found, expected, "{what}");
        assert!(plan.inputs[1].numbers.is_empty());
    }
}

#[test]
fn repartition_topics() {
    for (what, source, expected) in [
        (
            "labels are a second input",
            TWO_ENTITIES.to_owned(),
            "shop-hop-customer shop-hop-terminal",
        ),
        (
            "transactions only, keyed by the first entity",
            without_labels(),
            "- shop-hop-terminal",
        ),
        (
            "keyed by something else",
            without_labels().replace("key: customer_id\n", "key: terminal_id\n"),
            "shop-hop-customer shop-hop-terminal",
        ),
        (
            "no key is declared",
            without_labels().replace("    key: customer_id\n", ""),
            "shop-hop-customer shop-hop-terminal",
        ),
        (
            "labels that no feature uses",
            TWO_ENTITIES.replace("mean: fraud, of: labels", "mean: amount"),
            "- shop-hop-terminal",
        ),
    ] {
        let compiled = compiled(&source);
        let repartition_topics: Vec<&str> = compiled
            .repartition_topics
            .iter()
            .map(|topic| topic.as_deref().unwrap_or("-"))
            .collect();
        assert_eq!(repartition_topics.join(" "), expected, "{what}");
    }
}

#[test]
fn keys_of_labels() {
    let all = "{transaction_id: int, customer_id: text, terminal_id: text, fraud: bool, known_at: timestamp}";
    for (what, fields, keys, completes) in [
        ("both keys", all, "customer_id terminal_id", false),
        (
            "completed by the customer's transaction",
            &all.replace("terminal_id: text, ", ""),
            "customer_id terminal_id",
            true,
        ),
        (
            "only the key that is needed",
            &all.replace("customer_id: text, ", ""),
            "- terminal_id",
            false,
        ),
    ] {
        let plan = plan(&TWO_ENTITIES.replace(all, fields));
        let found: Vec<&str> = plan
            .stages
            .iter()
            .map(|stage| stage.keys[1].map_or("-", |slot| plan.slots[slot].name.as_str()))
            .collect();
        assert_eq!(found.join(" "), keys, "{what}");
        assert_eq!(plan.stages[0].completes_labels, completes, "{what}");
    }
    // Labels do not go beyond the last stage whose features use them.
    let plan = plan(&TWO_ENTITIES.replace("risk: {entity: terminal", "risk: {entity: customer"));
    assert!(plan.stages[0].keys[1].is_some());
    assert!(plan.stages[1].keys[1].is_none());
}

#[test]
fn a_fingerprint_depends_on_the_content_of_state_only() {
    let fingerprints = |source: &str| -> Vec<String> {
        plan(source)
            .stages
            .iter()
            .map(|stage| stage.fingerprint.clone())
            .collect()
    };
    let before = fingerprints(TWO_ENTITIES);
    for (what, from, to, changed) in [
        ("a rule", "sum > 3.0", "sum > 4.0", [false, false]),
        (
            "an expression of the decision",
            "risk + double",
            "risk - double",
            [false, false],
        ),
        (
            "the order of features",
            "  sum: {expression: risk + double}\n",
            "",
            [false, false],
        ),
        ("a window", "window: 7d", "window: 8d", [true, false]),
        (
            "a condition's expression",
            "getHours() < 6",
            "getHours() < 5",
            [true, false],
        ),
        ("a value's expression", "amount * 2.0", "amount * 3.0", [true, false]),
        ("a condition's dependency", "10 * usual", "11 * usual", [false, true]),
        ("a key", "{key: terminal_id}", "{key: country}", [false, true]),
        ("a field's type", "amount: float", "amount: int", [true, true]),
    ] {
        let mut source = TWO_ENTITIES.replace(from, to);
        if what == "the order of features" {
            source = source.replace("features:\n", "features:\n  sum: {expression: risk + double}\n");
        }
        if what == "a key" {
            source = source.replace(
                "customer_id: text, terminal_id: text, fraud",
                "customer_id: text, country: text, fraud",
            );
        }
        if what == "a field's type" {
            source = source.replace("amount * 2.0", "amount * 2");
            source = source
                .replace("10 * usual", "10.0 * usual")
                .replace("amount > 10.0", "double(amount) > 10.0");
        }
        let after = fingerprints(&source);
        let found: Vec<bool> = before
            .iter()
            .zip(&after)
            .map(|(before, after)| before != after)
            .collect();
        assert_eq!(found, changed, "{what}");
    }
}

#[test]
fn a_field_may_be_called_event_time() {
    let source = without_labels()
        .replace("event_time: time", "event_time: event_time")
        .replace("      time: timestamp", "      event_time: timestamp");
    let plan = plan(&source);
    let slot = plan.inputs[0].event_time;
    assert!(slot > 2, "{slot}");
    assert_eq!(plan.slots[slot].name, "event_time");
}

#[test]
fn the_version_is_the_files_hash() {
    let version = |source: &str| plan(source).version.clone();
    assert_eq!(version(TWO_ENTITIES).len(), 16);
    assert_eq!(version(TWO_ENTITIES), version(TWO_ENTITIES));
    assert_ne!(
        version(TWO_ENTITIES),
        version(&TWO_ENTITIES.replace("sum > 3.0", "sum > 3.5"))
    );
}

/// Sizes and fingerprints change with the layout of state, so only their presence is checked.
#[test]
fn the_plan_as_text() {
    let text = explain(&compiled(TWO_ENTITIES));
    let is_layout = |line: &&str| line.starts_with("  about ") || line.starts_with("  fingerprint ");
    assert_eq!(text.lines().filter(is_layout).count(), 4);
    let rest: Vec<&str> = text.lines().filter(|line| !is_layout(line)).collect();
    insta::assert_snapshot!(rest.join("\n"));
}

#[test]
fn sizes_are_plausible() {
    let compiled = compiled(TWO_ENTITIES);
    for stage in 0..2 {
        let size = entity_size(&compiled.plan, stage).unwrap();
        assert!((20..1_000).contains(&size.first), "{size:?}");
        // Time, id and value of an event, packed.
        assert!((4..200).contains(&size.event), "{size:?}");
    }
}

/// The same file without labels.
fn without_labels() -> String {
    let labels = TWO_ENTITIES.find("  labels:").unwrap();
    let entities = TWO_ENTITIES.find("entities:").unwrap();
    let mut source = TWO_ENTITIES.to_owned();
    source.replace_range(labels..entities, "");
    source.replace("mean: fraud, of: labels", "mean: amount")
}

fn compiled(source: &str) -> Compiled {
    compile("pipeline.yaml", source, Path::new("."), &|_| None).unwrap()
}

fn plan(source: &str) -> std::sync::Arc<Plan> {
    compiled(source).plan
}

fn names(plan: &Plan, slots: impl Iterator<Item = Slot>) -> Vec<&str> {
    slots.map(|slot| plan.slots[slot].name.as_str()).collect()
}
