//! Decisions say what moved their score: from the pipeline file to the table that people read.

use riskstream::commands::explain::explanation;
use riskstream_definition::{Compiled, compile};
use riskstream_engine::plan::{EVENT_ID, EVENT_TIME, Plan};
use riskstream_engine::{Decision, Engine, Event};
use riskstream_events::{Outcome, OwnedDecisionRecord, Value, ValueType, encode_json};
use riskstream_models::{Method, Space};
use riskstream_pipeline::decide::with_decision;
use riskstream_scoring::{Decider, ModelsInForce};
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pipeline(change: impl Fn(&str) -> String) -> Compiled {
    let source = std::fs::read_to_string(root().join("pipelines/card-fraud.yaml")).unwrap();
    compile("card-fraud.yaml", &change(&source), &root().join("pipelines"), &|_| {
        None
    })
    .unwrap()
}

const EXPLAIN: &str = "explain: {outcomes: [decline], top: 3}";

/// A transaction with these features; all others are missing.
fn transaction(plan: &Plan, id: &str, values: &[(&str, f64)]) -> Event {
    let mut row = vec![Value::Null; plan.slots.len()];
    row[EVENT_ID] = Value::Text(id.into());
    row[EVENT_TIME] = Value::Timestamp(1_767_700_000_000_000);
    for (name, value) in values {
        let slot = plan.slots.iter().position(|slot| slot.name == *name).unwrap();
        row[slot] = match plan.slots[slot].value_type {
            ValueType::Int => Value::Int(*value as i64),
            _ => Value::Float(*value),
        };
    }
    Event {
        row,
        watermark: 1_767_700_000_000_000,
        ..Event::default()
    }
}

const BURST: [(&str, f64); 3] = [
    ("amount", 900.0),
    ("customer_count_1h", 9.0),
    ("customer_sum_1h", 2000.0),
];

fn decide(compiled: &Compiled, decider: &mut Decider, events: &mut [Event]) -> (Vec<Decision>, Vec<Vec<u8>>) {
    let plan = &compiled.plan;
    let engine = Engine::new(Arc::clone(plan));
    let mut decisions = Vec::new();
    let mut models = ModelsInForce::new(Arc::clone(&compiled.lineup));
    decider.decide(&engine, &mut models, events, &mut decisions);
    let encoded = |(event, decision): (&Event, &Decision)| {
        let mut bytes = Vec::new();
        with_decision(plan, models.lineup(), event, decision, None, |decision| {
            encode_json(decision, &mut bytes)
        });
        bytes
    };
    let bytes = events.iter().zip(&decisions).map(encoded).collect();
    (decisions, bytes)
}

#[test]
fn a_decline_names_the_inputs_that_moved_its_score_most() {
    let compiled = pipeline(str::to_owned);
    let plan = &compiled.plan;
    let model = compiled.lineup.champion_plan().unwrap();
    let attribution = &model.explanation.as_ref().unwrap().attribution;
    assert_eq!(
        (attribution.method(), attribution.space()),
        (Method::Trees, Space::LogOdds)
    );
    let mut decider = Decider::default();
    let mut events = [
        transaction(plan, "ordinary", &[("amount", 9.0)]),
        transaction(plan, "burst", &BURST),
    ];
    let (decisions, encoded) = decide(&compiled, &mut decider, &mut events);
    assert_eq!(decisions[0].policy.outcome, Outcome::Approve);
    assert!(decisions[0].contributions.is_empty());
    assert_eq!(decisions[1].policy.outcome, Outcome::Decline);

    let number = |slot: &usize| {
        events[1].row[*slot]
            .as_number()
            .map_or(f32::NAN, |number| number as f32)
    };
    let row: Vec<f32> = model.inputs.iter().map(number).collect();
    let mut all = Vec::new();
    attribution.explainer().explain(&row, &mut all).unwrap();
    let score = decisions[1].answer.score.unwrap();
    let sum = attribution.baseline() + all.iter().sum::<f64>();
    assert!(
        (sum - (score / (1.0 - score)).ln()).abs() < 1e-4,
        "{sum} against the score {score}"
    );
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| all[*b].total_cmp(&all[*a]));

    let decision = OwnedDecisionRecord::from_json(&encoded[1]).unwrap();
    let named = decision.reasons.iter().filter(|reason| reason.contribution.is_some());
    let named: Vec<(String, f64)> = named
        .map(|reason| (reason.name.clone(), reason.contribution.unwrap()))
        .collect();
    let expected = order[..3]
        .iter()
        .map(|&input| (plan.slots[model.inputs[input]].name.clone(), all[input]));
    assert_eq!(named, expected.collect::<Vec<_>>());
}

#[test]
fn reasons_tell_what_the_card_says_in_the_words_of_people() {
    let compiled = pipeline(|source| source.replace(EXPLAIN, "explain: {sample: 1, top: 39}"));
    let plan = &compiled.plan;
    let mut values = BURST.to_vec();
    values.extend([
        ("customer_mean_30d", 0.300_000_011_920_928_96),
        ("amount_to_mean_30d", 3_000.123_456),
        ("night", 1.0),
        ("terminal_frauds_7d", 2.0),
    ]);
    let mut events = [transaction(plan, "burst", &values)];
    let (_, decisions) = decide(&compiled, &mut Decider::default(), &mut events);
    let decision = OwnedDecisionRecord::from_json(&decisions[0]).unwrap();
    insta::assert_snapshot!(explanation(&decision));
    let lowered = |contribution: f64| contribution < 0.0;
    for reason in decision
        .reasons
        .iter()
        .filter(|reason| reason.contribution.is_some_and(lowered))
    {
        assert_eq!((reason.code.as_str(), &reason.description), ("SCORE_FEATURE", &None));
        assert_eq!(reason.outcome, Outcome::Approve);
    }
}

/// The demo's pipeline with these reasons in its model's card, and with more features.
fn with_reasons(directory: &Path, reasons: &str, features: &str) -> Result<Compiled, String> {
    std::fs::copy(root().join("models/card-fraud.onnx"), directory.join("model.onnx")).unwrap();
    let card = std::fs::read_to_string(root().join("models/card-fraud.card.yaml")).unwrap();
    let (before, rest) = card.split_once("# What decisions say").unwrap();
    let (_, background) = rest.split_once("# Payments that explanations").unwrap();
    let card = format!("{before}reasons:\n  {reasons}\n#{background}");
    std::fs::write(directory.join("model.card.yaml"), card).unwrap();
    let source = std::fs::read_to_string(root().join("pipelines/card-fraud.yaml")).unwrap();
    let source = source
        .replace(EXPLAIN, "explain: {sample: 1, top: 39}")
        .replace("../models/card-fraud.onnx", "model.onnx")
        .replace("      channel: text\n", "      channel: text\n      note: text\n")
        .replace("features:\n", &format!("features:\n  {features}\n"));
    compile("card-fraud.yaml", &source, directory, &|_| None).map_err(|report| report.to_string())
}

#[test]
fn texts_may_name_fields_that_nothing_else_uses() {
    let directory = tempfile::tempdir().unwrap();
    let reasons = "amount: {code: A, text: '{note}: {last_country} at {event_time}'}";
    let feature = "last_country: {entity: terminal, last: country}";
    let compiled = with_reasons(directory.path(), reasons, feature).unwrap();
    let plan = &compiled.plan;
    assert!(compiled.inputs[0].fields.iter().any(|field| field.name == "note"));
    let slot = |name: &str| plan.slots.iter().position(|slot| slot.name == name).unwrap();
    let carried = |slot: usize| plan.stages[1].carries.iter().any(|(carried, _)| *carried == slot);
    assert!(carried(slot("note")), "the last stage's rows bring it along");
    let mut event = transaction(plan, "burst", &BURST);
    event.row[slot("note")] = Value::Text("gift".into());
    let (_, decisions) = decide(&compiled, &mut Decider::default(), &mut [event]);
    let decision = OwnedDecisionRecord::from_json(&decisions[0]).unwrap();
    let told = decision.reasons.iter().find(|reason| reason.code == "A").unwrap();
    let expected = "gift: missing at 2026-01-06T11:46:40Z";
    assert_eq!(told.description.as_deref(), Some(expected));
}

#[test]
fn mistakes_in_reasons_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut text = String::new();
    let features = "last_card: {entity: customer, last: card_id}\n  masked: {expression: 'channel + last_card'}\n  \
                    amounts: {entity: customer, last_k: amount, k: 3}";
    for reasons in [
        "amuont: {code: A}",
        "amount: {code: 'A 1'}",
        "amount: {text: 'much'}",
        "amount: {code: A, text: '{value'}",
        "amount: {code: A, text: '{}'}",
        "amount: {code: A, text: '{customer_meen_30d}'}",
        "amount: {code: A, text: '{card_id}'}",
        "amount: {code: A, text: '{masked}'}",
        "amount: {code: A, text: '{amounts}'}",
        "amount: {code: A, text: '{score}'}",
    ] {
        let report = with_reasons(directory.path(), reasons, features)
            .map(|_| ())
            .unwrap_err();
        let report = report.replace(&directory.path().display().to_string(), "DIRECTORY");
        writeln!(text, "## {reasons}\n\n{report}\n").unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_same_events_give_the_same_bytes_whatever_they_are_scored_with() {
    let compiled = pipeline(|source| source.replace(EXPLAIN, "explain: {sample: 1, top: 39}"));
    let plan = &compiled.plan;
    let some = || {
        let amounts = (0..40).map(|number| {
            [
                ("amount", f64::from(number * number)),
                ("customer_count_1h", f64::from(number % 5)),
            ]
        });
        amounts
            .enumerate()
            .map(|(number, values)| transaction(plan, &format!("t{number}"), &values))
    };
    let mut together: Vec<Event> = some().collect();
    let (_, together) = decide(&compiled, &mut Decider::default(), &mut together);
    let mut decider = Decider::default();
    for (mut event, expected) in some().zip(together) {
        let (_, alone) = decide(&compiled, &mut decider, std::slice::from_mut(&mut event));
        assert_eq!(
            String::from_utf8(alone[0].clone()).unwrap(),
            String::from_utf8(expected).unwrap()
        );
    }
}

#[test]
fn a_score_or_a_sample_calls_for_an_explanation() {
    for (explain, expected) in [
        ("explain: {score: 0}", true),
        ("explain: {score: 0.999999}", false),
        ("explain: {sample: 1}", true),
        ("explain: {sample: 0}", false),
        ("explain: {outcomes: [review, approve]}", true),
    ] {
        let compiled = pipeline(|source| source.replace(EXPLAIN, explain));
        let mut events = [transaction(&compiled.plan, "ordinary", &[("amount", 9.0)])];
        let (decisions, _) = decide(&compiled, &mut Decider::default(), &mut events);
        assert_eq!(!decisions[0].contributions.is_empty(), expected, "{explain}");
    }
}

#[test]
fn mistakes_of_the_section_and_the_card_are_told() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("models")).unwrap();
    std::fs::create_dir(directory.path().join("pipelines")).unwrap();
    std::fs::copy(
        root().join("models/card-fraud.onnx"),
        directory.path().join("models/card-fraud.onnx"),
    )
    .unwrap();
    let card = directory.path().join("models/card-fraud.card.yaml");
    let source = std::fs::read_to_string(root().join("pipelines/card-fraud.yaml")).unwrap();
    let whole = std::fs::read_to_string(root().join("models/card-fraud.card.yaml")).unwrap();
    let (without_background, _) = whole.split_once("background:").unwrap();
    let sections = [
        ("nothing said", "explain: {top: 3}"),
        ("no share", "explain: {sample: 2}"),
        ("of nothing", "explain: {outcomes: [decline], top: 0}"),
        ("an unknown outcome", "explain: {outcomes: [declined]}"),
        ("an unknown key", "explain: {outcome: [decline]}"),
    ];
    let cards = [
        ("no card", None),
        ("no background", Some(without_background.to_owned())),
        ("no rows", Some(format!("{without_background}background: []"))),
        ("no list", Some(format!("{without_background}background: 1"))),
        (
            "a short row",
            Some(format!("{without_background}background:\n- [1, 2]")),
        ),
    ];
    let mut text = String::new();
    let mut show = |what: &str, source: &str| {
        let report = compile("card-fraud.yaml", source, &directory.path().join("pipelines"), &|_| {
            None
        })
        .unwrap_err();
        let report = report
            .to_string()
            .replace(&directory.path().display().to_string(), "DIRECTORY");
        writeln!(text, "## {what}\n\n{report}\n").unwrap();
    };
    for (what, content) in cards {
        match content {
            Some(content) => std::fs::write(&card, content).unwrap(),
            None => assert!(!card.exists()),
        }
        show(what, &source);
    }
    std::fs::write(&card, &whole).unwrap();
    for (what, explain) in sections {
        show(what, &source.replace(EXPLAIN, explain));
    }
    let rules = std::fs::read_to_string(root().join("pipelines/card-fraud-rules.yaml")).unwrap();
    show(
        "no model",
        &rules.replacen("rules:\n", &format!("{EXPLAIN}\nrules:\n"), 1),
    );
    insta::assert_snapshot!(text);
}

const DECISIONS: &str = concat!(
    r#"{"decision_id":"aa","event_id":"T1","pipeline":"shop","pipeline_version":"1","binary_version":"1","model":null,"#,
    r#""event_time":"2026-01-05T12:00:00Z","entities":{},"score":null,"outcome":"approve","reasons":[],"features":{},"#,
    r#""flags":[],"late_by_ms":null,"shadow_scores":{},"rollout":0,"latency":null}"#,
    "\n",
    r#"{"decision_id":"bb","event_id":"T2","pipeline":"shop","pipeline_version":"1","binary_version":"1","#,
    r#""model":{"name":"card-fraud","version":"1.0.0","sha256":"ab"},"event_time":"2026-01-05T12:00:00Z","entities":{},"#,
    r#""score":0.97531,"outcome":"decline","reasons":["#,
    r#"{"code":"R101","name":"burst","outcome":"decline","description":"more than six payments","contribution":null},"#,
    r#"{"code":"SCORE_FEATURE","name":"amount_to_mean_30d","outcome":"decline","description":null,"contribution":3.25},"#,
    r#"{"code":"SCORE_FEATURE","name":"online","outcome":"approve","description":null,"contribution":-0.5},"#,
    r#"{"code":"USUAL","name":"usual","outcome":"decline","description":"nothing is usual","contribution":0.25},"#,
    r#"{"code":"SCORE_FEATURE","name":"amount","outcome":"decline","description":null,"contribution":0.125}],"#,
    r#""features":{"amount_to_mean_30d":16.123456,"online":false,"usual":null},"flags":[],"late_by_ms":null,"#,
    r#""shadow_scores":{},"rollout":0,"latency":null}"#,
    "\n",
);

#[test]
fn explanations_are_tables() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(DECISIONS.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let mut text = String::new();
    for (arguments, input) in [
        (vec!["explain", path], ""),
        (vec!["explain", "--id", "bb"], DECISIONS),
        (vec!["explain", path, "--id", "T1"], ""),
        (vec!["explain", path, "--id", "T3"], ""),
        (vec!["explain"], DECISIONS.split_once('\n').unwrap().0),
        (vec!["explain"], "\n{\"decision_id\":1}"),
        (vec!["explain", "no/such/file"], ""),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_riskstream"))
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        writeln!(text, "$ riskstream {}", arguments.join(" ")).unwrap();
        text += std::str::from_utf8(&output.stdout).unwrap();
        text += std::str::from_utf8(&output.stderr).unwrap();
        writeln!(text, "exit code {}\n", output.status.code().unwrap()).unwrap();
    }
    insta::assert_snapshot!(text.replace(path, "decisions.jsonl"));
}
