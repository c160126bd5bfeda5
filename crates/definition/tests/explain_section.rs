//! Diagnostics of the section `explain:`, and of what it needs of the model's card: background rows and reasons.

use riskstream_definition::{Compiled, Style, compile};
use riskstream_models::{Method, Space};
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

const EXPLAIN: &str = "explain: {outcomes: [decline], top: 3}";

/// The diagnostics of the demo's pipeline with these reasons in its model's card, and with more features.
fn with_reasons(directory: &Path, reasons: &str, features: &str) -> String {
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
    match compile("card-fraud.yaml", &source, directory, &|_| None) {
        Ok(_) => "ok".to_owned(),
        Err(report) => report.to_string(),
    }
}

#[test]
fn what_is_wrong_with_reasons() {
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
        let report = with_reasons(directory.path(), reasons, features);
        let report = report.replace(&directory.path().display().to_string(), "DIRECTORY");
        writeln!(text, "## {reasons}\n\n{report}\n").unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_wrong_with_the_section_or_the_background() {
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
        (
            "a text for a number",
            Some(format!(
                "{without_background}background:\n- [{}]",
                vec!["POS"; 39].join(", ")
            )),
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

/// A pipeline whose model takes a text and a number, with this background in the model's card.
fn of_texts(directory: &Path, background: &str) -> Result<Compiled, String> {
    let fixtures = root().join("crates/riskstream/tests/fixtures");
    std::fs::copy(fixtures.join("channel.onnx"), directory.join("channel.onnx")).unwrap();
    let card = std::fs::read_to_string(fixtures.join("channel.card.yaml")).unwrap();
    let reasons = "reasons: {channel: {code: CHANNEL, text: '{value}, usually {usual}'}}";
    std::fs::write(
        directory.join("channel.card.yaml"),
        format!("{card}\n{reasons}\nbackground: {background}\n"),
    )
    .unwrap();
    let source = "
name: shop
inputs:
  transactions:
    topic: payments
    key: customer
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, channel: text, amount: float}
entities: {customer: {key: customer}}
features: {payments: {entity: customer, count: transactions, window: 1h}}
model: {file: channel.onnx}
explain: {sample: 1}
outputs: {decisions: decisions, dead_letters: dead-letters}
";
    compile("shop.yaml", source, directory, &|_| None).map_err(|report| report.render(Style::Plain, 400))
}

#[test]
fn models_of_texts_are_explained_exactly() {
    let directory = tempfile::tempdir().unwrap();
    let compiled = of_texts(directory.path(), "[[POS, 12.5], [ATM, null], [POS, 3], [null, 1]]");
    let refused = compiled.map(|_| ()).unwrap_err();
    assert!(
        refused.contains("the model scores row 2 with NaN") && refused.contains("replace these rows of `background:`"),
        "{refused}"
    );
    let compiled = of_texts(directory.path(), "[[POS, 12.5], [ATM, 2], [POS, 3], [null, 1]]").unwrap();
    let model = compiled.decision.lineup.champion_plan().unwrap();
    let explanation = model.explanation.as_ref().unwrap();
    let attribution = &explanation.attribution;
    assert_eq!(
        (attribution.method(), attribution.space()),
        (Method::Linear, Space::Raw)
    );
    let reason = explanation.reasons[0].as_ref().unwrap();
    assert!(format!("{reason:?}").contains(r#"Words("POS")"#), "{reason:?}");
    let refused = of_texts(directory.path(), "[[12.5, POS]]").map(|_| ()).unwrap_err();
    assert!(
        refused.contains("row 1 of `background` has a number for `channel`, the model takes a text"),
        "{refused}"
    );
}
