//! Decisions say what moved their score: contributions, and the reasons of the model's card.

use crate::shop::{OLD, Task, root, shop, slot, transaction};
use riskstream_definition::{Compiled, compile};
use riskstream_events::{Outcome, OwnedDecisionRecord, Value};
use riskstream_models::{Method, Space};
use std::fmt::Write;
use std::path::Path;

/// The demo's pipeline with this in place of its section `explain`.
fn card_fraud(explain: &str) -> Compiled {
    let directory = root().join("pipelines");
    let source = std::fs::read_to_string(directory.join("card-fraud.yaml")).unwrap();
    assert!(source.contains(EXPLAIN));
    compile(
        "card-fraud.yaml",
        &source.replace(EXPLAIN, explain),
        &directory,
        &|_| None,
    )
    .unwrap()
}

const EXPLAIN: &str = "explain: {outcomes: [decline], top: 3}";
const EXPLAIN_ALL: &str = "explain: {sample: 1, top: 39}";

const BURST: [(&str, f64); 3] = [
    ("amount", 900.0),
    ("customer_count_1h", 9.0),
    ("customer_sum_1h", 2000.0),
];

#[test]
fn a_decline_names_the_inputs_that_moved_its_score_most() {
    let compiled = card_fraud(EXPLAIN);
    let plan = &compiled.plan;
    let model = compiled.decision.lineup.champion_plan().unwrap();
    let attribution = &model.explanation.as_ref().unwrap().attribution;
    assert_eq!(
        (attribution.method(), attribution.space()),
        (Method::Trees, Space::LogOdds)
    );
    let mut events = [
        transaction(plan, "ordinary", &[("amount", 9.0)]),
        transaction(plan, "burst", &BURST),
    ];
    let mut task = Task::new(&compiled);
    let decisions = task.decide(&mut events);
    assert_eq!(decisions[0].policy.outcome, Outcome::APPROVE);
    assert!(decisions[0].contributions.is_empty());
    assert_eq!(decisions[1].policy.outcome, Outcome::DECLINE);

    let number = |slot: &usize| events[1].row[*slot].as_number().unwrap_or(f64::NAN);
    let row: Vec<f64> = model.inputs.iter().map(number).collect();
    let mut all = Vec::new();
    attribution.explainer().explain(&row, &mut all).unwrap();
    let score = decisions[1].answer.score.unwrap();
    let sum = attribution.baseline() + all.iter().sum::<f64>();
    let log_odds = (score / (1.0 - score)).ln();
    assert!((sum - log_odds).abs() < 1e-4, "{sum} against {log_odds}");

    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| all[*b].total_cmp(&all[*a]));
    let record = task.record(transaction(plan, "burst", &BURST));
    let named = record
        .reasons
        .iter()
        .filter_map(|reason| Some((reason.name.as_str(), reason.contribution?)));
    let expected = order[..3]
        .iter()
        .map(|&input| (plan.slots[model.inputs[input]].name.as_str(), all[input]));
    assert_eq!(named.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
fn reasons_have_the_codes_and_texts_of_the_card() {
    let compiled = card_fraud(EXPLAIN_ALL);
    let mut values = BURST.to_vec();
    values.extend([
        ("customer_mean_30d", 0.300_000_011_920_928_96),
        ("amount_to_mean_30d", 3_000.123_456),
        ("night", 1.0),
        ("terminal_frauds_7d", 2.0),
    ]);
    let record = Task::new(&compiled).record(transaction(&compiled.plan, "burst", &values));
    insta::assert_snapshot!(reasons(&record));
    let lowering = record
        .reasons
        .iter()
        .filter(|reason| reason.contribution.is_some_and(|value| value < 0.0));
    for reason in lowering {
        assert_eq!((reason.code.as_str(), &reason.description), ("SCORE_FEATURE", &None));
        assert_eq!(reason.outcome, "approve");
    }
}

/// A line for each reason.
fn reasons(record: &OwnedDecisionRecord) -> String {
    let mut text = String::new();
    for reason in &record.reasons {
        let contribution = reason
            .contribution
            .map_or(String::new(), |value| format!(" {value:+.4}"));
        let description = reason.description.as_deref().unwrap_or("no text");
        let (name, code, outcome) = (&reason.name, &reason.code, &reason.outcome);
        writeln!(text, "{name}{contribution} {outcome} {code}: {description}").unwrap();
    }
    text
}

/// The demo's pipeline with these reasons in its model's card, and with one more feature.
fn with_reasons(directory: &Path, reasons: &str, feature: &str) -> Compiled {
    std::fs::copy(root().join("models/card-fraud.onnx"), directory.join("model.onnx")).unwrap();
    let card = std::fs::read_to_string(root().join("models/card-fraud.card.yaml")).unwrap();
    let (before, rest) = card.split_once("# What decisions say").unwrap();
    let (_, background) = rest.split_once("# Payments that explanations").unwrap();
    let card = format!("{before}reasons:\n  {reasons}\n#{background}");
    std::fs::write(directory.join("model.card.yaml"), card).unwrap();
    let source = std::fs::read_to_string(root().join("pipelines/card-fraud.yaml")).unwrap();
    let source = source
        .replace(EXPLAIN, EXPLAIN_ALL)
        .replace("../models/card-fraud.onnx", "model.onnx")
        .replace("      channel: text\n", "      channel: text\n      note: text\n")
        .replace("features:\n", &format!("features:\n  {feature}\n"));
    compile("card-fraud.yaml", &source, directory, &|_| None).unwrap()
}

#[test]
fn texts_may_name_fields_that_nothing_else_uses() {
    let directory = tempfile::tempdir().unwrap();
    let reasons = "amount: {code: A, text: '{note}: {last_country} at {event_time}'}";
    let feature = "last_country: {entity: terminal, last: country}";
    let compiled = with_reasons(directory.path(), reasons, feature);
    let plan = &compiled.plan;
    assert!(compiled.inputs[0].fields.iter().any(|field| field.name == "note"));
    let note = slot(plan, "note");
    assert!(
        plan.stages[1].carries.iter().any(|(carried, _)| *carried == note),
        "rows carry it to the last stage"
    );
    let mut event = transaction(plan, "burst", &BURST);
    event.row[note] = Value::Text("gift".into());
    let record = Task::new(&compiled).record(event);
    let reason = record.reasons.iter().find(|reason| reason.code == "A").unwrap();
    let expected = "gift: missing at 2026-01-06T11:46:40Z";
    assert_eq!(reason.description.as_deref(), Some(expected));
}

#[test]
fn the_same_events_give_the_same_bytes_whatever_they_are_scored_with() {
    let compiled = card_fraud(EXPLAIN_ALL);
    let plan = &compiled.plan;
    let events = || {
        (0..40).map(|number| {
            let values = [
                ("amount", f64::from(number * number)),
                ("customer_count_1h", f64::from(number % 5)),
            ];
            transaction(plan, &format!("t{number}"), &values)
        })
    };
    let together = Task::new(&compiled).records(&mut events().collect::<Vec<_>>());
    let mut task = Task::new(&compiled);
    for (event, expected) in events().zip(together) {
        assert_eq!(task.records(&mut [event]), [expected]);
    }
}

#[test]
fn a_score_an_outcome_or_a_sample_calls_for_an_explanation() {
    for (explain, expected) in [
        ("explain: {score: 0}", true),
        ("explain: {score: 0.999999}", false),
        ("explain: {sample: 1}", true),
        ("explain: {sample: 0}", false),
        ("explain: {outcomes: [review, approve]}", true),
    ] {
        let compiled = card_fraud(explain);
        let decisions = Task::new(&compiled).decide(&mut [transaction(&compiled.plan, "t", &[("amount", 9.0)])]);
        assert_eq!(!decisions[0].contributions.is_empty(), expected, "{explain}");
    }
}

#[test]
fn a_contribution_is_the_distance_to_the_mean_over_the_background() {
    let shop = shop(OLD, "explain: {sample: 1}");
    let decisions = Task::new(&shop).decide(&mut [transaction(&shop.plan, "t", &[("amount", 700.0)])]);
    let contributions = &decisions[0].contributions;
    assert_eq!(contributions.len(), 1);
    // The score is amount / 1024, the background's amounts are 10, 40 and 90.
    let expected = (700.0 - (10.0 + 40.0 + 90.0) / 3.0) / 1024.0;
    let value = contributions[0].value;
    assert!((value - expected).abs() < 1e-6, "{value} against {expected}");
}
