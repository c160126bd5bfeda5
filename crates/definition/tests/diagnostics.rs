//! The diagnostics of pipeline files: a correct file, and one error in each case.

#[path = "diagnostics/cases.rs"]
mod cases;

use cases::CASES;
use riskstream_definition::{Style, compile};
use std::fmt::Write;
use std::path::Path;

const CORRECT: &str = r#"name: shop
inputs:
  transactions:
    topic: transactions
    format: json
    key: customer_id
    id: transaction_id
    event_time: time
    fields:
      transaction_id: text
      time: timestamp
      customer_id: text
      terminal_id: text
      country: text
      card: {type: text, personal: true}
      amount: float
  labels:
    topic: labels
    id: transaction_id
    event_time: known_at
    fields: {transaction_id: text, customer_id: text, fraud: bool, known_at: timestamp}
entities:
  customer: {key: customer_id, lateness: 1h, retention: 90d}
  terminal: {key: terminal_id}
features:
  count_1h: {entity: customer, count: transactions, window: 1h}
  usual: {entity: customer, mean: amount, window: 30d, when: amount > 0.0, include_current: false}
  ratio: {expression: amount / usual}
  risk: {entity: terminal, mean: fraud, of: labels, window: 28d, empty: 0}
  favourites: {entity: customer, top_k: country, k: 3, window: 30d}
lists:
  home: [DE, FR]
rules:
  - {name: velocity, when: count_1h > 5 && amount > 100, then: review, reason: R101}
  - name: abroad
    when: ratio > 10 && !(country in home)
    then: decline
decision: {decline: score >= 0.95, review: risk > 0.5}
outputs: {decisions: risk-decisions, dead_letters: dead-letters}
delivery: exactly_once
kafka: {brokers: "localhost:9092", properties: {client.id: shop}}
state: {directory: state, cache: 64MiB}
http: {listen: "127.0.0.1:9464"}
personal_data: {key_env: SECRET}
max_future: 1h
examples:
  - name: nothing special
    events:
      - transactions: {transaction_id: a, time: "2026-01-05T12:00:00Z", customer_id: C, terminal_id: T, country: DE, card: "1", amount: 1}
        expect: {outcome: approve, features: {count_1h: 1}}
"#;

#[test]
fn the_correct_file_is_correct() {
    assert_eq!(diagnostics(CORRECT), "ok");
}

#[test]
fn one_error_each() {
    let mut text = String::new();
    for (what, from, to) in CASES {
        assert!(CORRECT.contains(from), "{what}: nothing to replace");
        let broken = CORRECT.replacen(from, to, 1);
        writeln!(text, "## {what}\n\n{}\n", diagnostics(&broken)).unwrap();
    }
    insta::assert_snapshot!(text);
}

/// What follows from an error is not reported again.
#[test]
fn one_error_is_one_diagnostic() {
    // The missing model file is a second error there.
    for (what, from, to) in CASES.iter().filter(|(what, ..)| !what.starts_with("a model input")) {
        let report = diagnostics(&CORRECT.replacen(from, to, 1));
        assert!(report.ends_with("\n1 error in pipeline.yaml"), "{what}:\n{report}");
    }
}

#[test]
fn ten_errors_at_once() {
    let mut broken = CORRECT.to_owned();
    for what in [
        "an unknown key",
        "an unknown word",
        "an unknown input",
        "a type that does not fit",
        "no k",
        "an unknown outcome",
        "a bad size",
        "an unset variable",
        "an unknown name in an expression",
        "an example of an unknown feature",
    ] {
        let (_, from, to) = CASES.iter().find(|(case, ..)| *case == what).unwrap();
        assert!(broken.contains(from), "{what}");
        broken = broken.replacen(from, to, 1);
    }
    let report = diagnostics(&broken);
    assert!(report.ends_with("\n10 errors in pipeline.yaml"), "{report}");
    insta::assert_snapshot!(report);
}

#[test]
fn invalid_text_is_reported_without_a_panic() {
    for source in [
        "",
        "[]",
        "42",
        "name: x",
        "inputs: 3",
        "inputs: {transactions: 5}",
        "entities: [a]",
        "features: {a: {}}",
        "- -",
        "{",
        "a: b: c",
        "\u{0}",
        "inputs:\n  transactions:\n",
        "rules: [{}]",
        "examples: [{name: x, events: [{}]}]",
    ] {
        assert_ne!(diagnostics(source), "ok", "{source}");
    }
    // Prefixes of a correct file: a file that is being typed.
    for end in (0..CORRECT.len())
        .filter(|end| CORRECT.is_char_boundary(*end))
        .step_by(7)
    {
        diagnostics(&CORRECT[..end]);
    }
    // Files with a missing line or an additional character.
    let lines: Vec<&str> = CORRECT.lines().collect();
    for missing in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(missing);
        diagnostics(&fewer.join("\n"));
    }
    for at in (0..CORRECT.len()).filter(|at| CORRECT.is_char_boundary(*at)).step_by(5) {
        for insert in ["{", "'", "ä", ": "] {
            let mut typed = CORRECT.to_owned();
            typed.insert_str(at, insert);
            diagnostics(&typed);
        }
    }
}

#[test]
fn a_place_beyond_65535_columns_is_shown_with_its_line_cut() {
    let list = vec!["DE"; 40_000].join(", ");
    let report = diagnostics(&CORRECT.replacen("[DE, FR]", &format!("[{list}, [FR]]"), 1));
    assert!(report.contains("pipeline.yaml:32:160010]"), "{report}");
    assert!(report.contains("…") && report.len() < 2_000, "{report}");
    // The expression with the error may be longer than a line that is shown.
    let expression = format!("country in [{}]", vec!["1"; 15_000].join(", "));
    let report = diagnostics(&CORRECT.replacen("ratio > 10 && !(country in home)", &expression, 1));
    assert!(
        report.contains("a list of numbers cannot hold text") && report.len() < 2_000,
        "{report}"
    );
}

#[test]
fn a_list_of_300_000_entries_fits() {
    let list: Vec<String> = (0..300_000).map(|number| format!("M{number}")).collect();
    let source = CORRECT.replacen("[DE, FR]", &format!("[{}]", list.join(", ")), 1);
    assert_eq!(diagnostics(&source), "ok");
}

#[test]
fn secrets_in_the_file_are_not_shown() {
    let source = CORRECT
        .replacen(
            "properties: {client.id: shop}",
            "properties: {sasl.password: hunter2, client.idd: shop}",
            1,
        )
        .replacen(
            "personal_data:",
            "registry:\n  password: hunter3\n  urll: http://me:hunter4@localhost\npersonal_data:",
            1,
        );
    let report = diagnostics(&source);
    assert!(report.contains("client.idd") && report.contains("urll"), "{report}");
    assert!(!report.contains("hunter"), "{report}");
    let report = diagnostics(&source.replacen("registry:", "registry: {", 1));
    assert!(report.contains("not YAML") && !report.contains("hunter"), "{report}");
}

/// Values of variables and of Kafka's properties have no types of YAML.
#[test]
fn substituted_values_and_properties_stay_text() {
    let with = |properties: &str, environment: &dyn Fn(&str) -> Option<String>| {
        let kafka = "kafka: {brokers: \"localhost:9092\", properties: {client.id: shop}}";
        let favourites = "favourites: {entity: customer, top_k: country, k: 3, window: 30d}";
        let in_lines = "favourites:\n    entity: customer\n    top_k: country\n    k: ${K}\n    window: 30d\n    include_current: ${CURRENT}";
        assert!(CORRECT.contains(kafka) && CORRECT.contains(favourites));
        let source = CORRECT
            .replacen("name: shop", "name: ${NAME}", 1)
            .replacen(
                kafka,
                &format!("kafka:\n  brokers: localhost:9092\n  properties:\n    {properties}"),
                1,
            )
            .replacen(favourites, in_lines, 1);
        compile("pipeline.yaml", &source, Path::new(""), environment).unwrap()
    };
    for text in [
        "007",
        "0123456789",
        "1e3",
        "1.50",
        "null",
        "~",
        " leading",
        "true",
        "0x1F",
        "a: b",
        "#",
        "[",
        "\"",
        "trailing ",
    ] {
        let environment = |name: &str| {
            Some(match name {
                "PASSWORD" => text.to_owned(),
                "NAME" => "007".to_owned(),
                "K" => "3".to_owned(),
                _ => "false".to_owned(),
            })
        };
        let compiled = with("sasl.password: ${PASSWORD}", &environment);
        assert_eq!(compiled.plan.name, "007");
        let kafka = compiled.settings.kafka.unwrap();
        assert_eq!(kafka.properties, [("sasl.password".to_owned(), text.to_owned())]);
        assert_eq!(kafka.group, "007");
    }
    for text in ["007", "0123456789", "1e3", "1.50", "null", "~", "true", "hunter2"] {
        let value = |name: &str| match name {
            "K" => "3",
            "CURRENT" => "true",
            _ => "shop",
        };
        let environment = |name: &str| Some(value(name).to_owned());
        let compiled = with(&format!("sasl.password: {text}"), &environment);
        let kafka = compiled.settings.kafka.unwrap();
        assert_eq!(kafka.properties, [("sasl.password".to_owned(), text.to_owned())]);
    }
}

/// The warnings of a file that differs from the correct one.
fn warnings(from: &str, to: &str) -> String {
    assert!(CORRECT.contains(from), "{from}");
    let source = CORRECT.replacen(from, to, 1);
    let compiled =
        compile("pipeline.yaml", &source, Path::new(""), &|_| None).unwrap_or_else(|report| panic!("{report}"));
    compiled
        .warnings()
        .map_or_else(String::new, |report| report.render(Style::Plain, 120))
}

#[test]
fn an_aggregated_expression_that_is_not_in_the_precision_is_a_warning() {
    let in_cents = |value: &str| {
        let from = "customer_id, lateness: 1h";
        let coarse = CORRECT.replacen(from, &format!("{from}, precision: 0.01"), 1);
        let source = coarse.replacen("mean: amount,", &format!("mean: '{value}',"), 1);
        let compiled =
            compile("pipeline.yaml", &source, Path::new(""), &|_| None).unwrap_or_else(|report| panic!("{report}"));
        compiled.warnings().is_some()
    };
    for value in [
        "amount",
        "-amount",
        "amount * 2",
        "abs(amount)",
        "coalesce(amount, 0.0)",
        "country == \"DE\" ? amount : 0.5",
        "max(amount, 10)",
        "floor(amount)",
    ] {
        assert!(!in_cents(value), "{value}");
    }
    for value in [
        "amount / 1000",
        "amount * 0.001",
        "log1p(amount)",
        "amount * amount",
        "1.0 / amount",
    ] {
        assert!(in_cents(value), "{value}");
    }
    assert_eq!(warnings("mean: amount,", "mean: amount / 1000, precision: 0.001,"), "");
    assert_eq!(warnings("mean: amount,", "mean: log(amount),"), "");
    insta::assert_snapshot!(warnings("mean: amount,", "mean: amount / 1e9,"));
}

fn diagnostics(source: &str) -> String {
    match compile("pipeline.yaml", source, Path::new("no such directory"), &|_| None) {
        Ok(_) => "ok".to_owned(),
        Err(report) => report.render(Style::Plain, 120).trim_end().to_owned(),
    }
}
