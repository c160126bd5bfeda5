//! The section `model:` against a real model file and its card; texts as model inputs.

use riskstream_definition::{Style, compile, run_examples};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A relative path: messages that contain it wrap in the same places in every checkout.
const FIXTURES: &str = "../riskstream/tests/fixtures";

const CORRECT: &str = r#"name: shop
inputs:
  transactions:
    topic: transactions
    key: customer_id
    id: transaction_id
    event_time: time
    fields: {transaction_id: text, time: timestamp, customer_id: text, channel: text, amount: float, hour: int}
entities: {customer: {key: customer_id}}
features: {payments: {entity: customer, count: transactions, window: 1d}}
model:
  file: channel.onnx
  inputs: [channel, amount]
decision: {decline: score > 0.95, review: score > 0.5}
outputs: {decisions: decisions, dead_letters: dead-letters}
examples:
  - name: channels known, unknown and missing
    events:
      - transactions: {transaction_id: a, time: "2026-01-05T12:00:00Z", customer_id: C, channel: POS, amount: 12.5}
        expect: {outcome: decline, score: [0.98063, 0.98065]}
      - transactions: {transaction_id: b, time: "2026-01-05T12:00:01Z", customer_id: C, channel: ATM, amount: 0.25}
        expect: {outcome: approve, score: [0.34580, 0.34582]}
      - transactions: {transaction_id: c, time: "2026-01-05T12:00:02Z", customer_id: C, channel: web, amount: -3}
        expect: {outcome: approve, score: [0.27887, 0.27889]}
      - transactions: {transaction_id: d, time: "2026-01-05T12:00:03Z", customer_id: C, amount: 1}
        expect: {outcome: review, score: [0.88594, 0.88595]}
"#;

/// What a user sees, or "ok".
fn diagnostics(source: &str, directory: &Path) -> String {
    match compile("pipeline.yaml", source, directory, &|_| None) {
        Ok(_) => "ok".to_owned(),
        Err(report) => report
            .render(Style::Plain, 120)
            .replace(&format!("{}/", directory.display()), ""),
    }
}

#[test]
fn a_text_field_is_a_model_input() {
    let compiled = compile("pipeline.yaml", CORRECT, Path::new(FIXTURES), &|_| None).unwrap();
    assert_eq!(run_examples(&compiled).unwrap(), 1);
    let model = compiled.decision.lineup.champion_plan().unwrap();
    assert_eq!((model.name.as_str(), model.version.as_str()), ("channel", "2"));
}

#[test]
fn the_pipeline_wins_over_the_card_in_names() {
    let source = CORRECT.replace("file: channel.onnx", "file: channel.onnx\n  name: mine\n  version: '7'");
    let compiled = compile("pipeline.yaml", &source, Path::new(FIXTURES), &|_| None).unwrap();
    let model = compiled.decision.lineup.champion_plan().unwrap();
    assert_eq!((model.name.as_str(), model.version.as_str()), ("mine", "7"));
}

#[test]
fn contradictions_of_the_model_or_its_card() {
    let in_inputs = [
        ("swapped", "[channel, amount]", "[amount, channel]"),
        ("a text for a number", "[channel, amount]", "[channel, customer_id]"),
        ("one too many", "[channel, amount]", "[channel, amount, hour]"),
    ];
    let in_pipeline = [(
        "another score",
        "[channel, amount]",
        "[channel, amount]\n  score: probabilities[0]",
    )];
    let in_card = [
        ("a hash of another file", "sha256: ", "sha256: 00"),
        ("an unknown key in the card", "inputs:", "input:"),
        ("a width that is not the model's", "[channel, amount]", "[channel]"),
        (
            "an impossible score in the card",
            "probabilities[1]",
            "probabilities[7]",
        ),
    ];
    let mut shown = String::new();
    let without_card = tempfile::tempdir().unwrap();
    fs::copy(
        Path::new(FIXTURES).join("channel.onnx"),
        without_card.path().join("channel.onnx"),
    )
    .unwrap();
    for (what, from, to) in in_inputs {
        let found = diagnostics(&CORRECT.replacen(from, to, 1), without_card.path());
        writeln!(shown, "## {what}, without a card\n\n{found}\n").unwrap();
    }
    for (what, from, to) in in_inputs.into_iter().chain(in_pipeline) {
        assert!(CORRECT.contains(from), "{what}");
        let found = diagnostics(&CORRECT.replacen(from, to, 1), Path::new(FIXTURES));
        writeln!(shown, "## {what}\n\n{found}\n").unwrap();
    }
    let card = fs::read_to_string(Path::new(FIXTURES).join("channel.card.yaml")).unwrap();
    for (what, from, to) in in_card {
        let directory = tempfile::tempdir().unwrap();
        fs::copy(
            Path::new(FIXTURES).join("channel.onnx"),
            directory.path().join("channel.onnx"),
        )
        .unwrap();
        assert!(card.contains(from), "{what}");
        fs::write(directory.path().join("channel.card.yaml"), card.replacen(from, to, 1)).unwrap();
        writeln!(shown, "## {what}\n\n{}\n", diagnostics(CORRECT, directory.path())).unwrap();
    }
    insta::assert_snapshot!(shown);
}

/// `probabilities` alone means its second column, which is what the card says.
#[test]
fn the_same_score_written_differently_is_accepted() {
    let source = CORRECT.replace("  inputs: [ch", "  score: probabilities\n  inputs: [ch");
    assert_eq!(diagnostics(&source, Path::new(FIXTURES)), "ok");
}

#[test]
fn a_model_without_a_card_needs_none() {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(
        Path::new(FIXTURES).join("channel.onnx"),
        directory.path().join("channel.onnx"),
    )
    .unwrap();
    assert_eq!(diagnostics(CORRECT, directory.path()), "ok");
}
