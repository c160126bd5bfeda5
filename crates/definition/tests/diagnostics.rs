//! The diagnostics of pipeline files: a correct file, and one error in each case.

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

/// The name of each case, the text that is replaced, and its replacement.
const CASES: &[(&str, &str, &str)] = &[
    (
        "an unknown source of event times",
        "event_time: time\n",
        "event_time: {from: header}\n",
    ),
    (
        "an earliest time that is none",
        "event_time: time\n",
        "event_time: time\n    min_time: yesterday\n",
    ),
    (
        "an unknown time zone",
        "time: timestamp\n",
        "time: {type: timestamp, zone: Europe/Bärlin}\n",
    ),
    (
        "a zone of a text",
        "country: text\n",
        "country: {type: text, zone: UTC}\n",
    ),
    (
        "a scale of a text",
        "country: text\n",
        "country: {type: text, decimal_scale: 2}\n",
    ),
    (
        "an unknown envelope",
        "format: json\n",
        "format: json\n    envelope: maxwell\n",
    ),
    (
        "an unknown treatment of tombstones",
        "format: json\n",
        "format: json\n    tombstones: skip\n",
    ),
    (
        "a filter that is no condition",
        "format: json\n",
        "format: json\n    where: amount\n",
    ),
    (
        "a filter over another input",
        "format: json\n",
        "format: json\n    where: fraud\n",
    ),
    (
        "a filter over a feature",
        "format: json\n",
        "format: json\n    where: count_1h > 1\n",
    ),
    (
        "a filter over event_time",
        "format: json\n",
        "format: json\n    where: event_time > timestamp(\"2020-01-01T00:00:00Z\")\n",
    ),
    ("not YAML", "name: shop", "name: \"shop"),
    ("a tab", "  customer: {", "\tcustomer: {"),
    ("a key twice", "delivery: exactly_once", "name: again"),
    ("an unknown section", "rules:\n", "rule:\n"),
    ("an unknown key", "window: 1h}", "widnow: 1h}"),
    ("an unknown type", "amount: float", "amount: flaot"),
    ("an unknown word", "delivery: exactly_once", "delivery: exactly-once"),
    ("a missing key", "    topic: transactions\n", ""),
    (
        "a missing output topic",
        "outputs: {decisions: risk-decisions, dead_letters: dead-letters}",
        "outputs: {decisions: risk-decisions}",
    ),
    ("a name that YAML takes for a number", "name: shop", "name: 42"),
    (
        "an undeclared id",
        "id: transaction_id\n    event_time: time",
        "id: transaction\n    event_time: time",
    ),
    ("an event time that is none", "event_time: time", "event_time: amount"),
    (
        "an unknown entity",
        "count_1h: {entity: customer",
        "count_1h: {entity: custmer",
    ),
    ("an unknown input", "of: labels", "of: lables"),
    (
        "an entity's key that is no field",
        "{key: terminal_id}",
        "{key: terminal}",
    ),
    ("an entity's key that is a float", "{key: terminal_id}", "{key: amount}"),
    ("a bad duration", "window: 1h}", "window: 1hour}"),
    ("a duration without a unit", "window: 1h}", "window: 3600}"),
    ("no window", ", window: 1h}", "}"),
    ("a window beyond retention", "window: 30d, when", "window: 90d, when"),
    ("two aggregations", "mean: amount", "mean: amount, sum: amount"),
    ("no aggregation", "count: transactions, window: 1h", "window: 1h"),
    ("the sum of a text", "mean: amount", "sum: country"),
    ("counting a value", "count: transactions", "count: amount"),
    ("an unlimited top k", "k: 3, window: 30d", "k: 3, window: unlimited"),
    ("no k", "k: 3, ", ""),
    ("a k where there is none", "window: 1h}", "window: 1h, k: 3}"),
    (
        "a window of an expression",
        "{expression: amount / usual}",
        "{expression: amount / usual, window: 1d}",
    ),
    ("a label's field of a transaction", "of: labels, ", ""),
    (
        "an expression that does not parse",
        "amount / usual",
        "amount / / usual",
    ),
    ("an unknown name in an expression", "amount / usual", "amuont / usual"),
    ("a type that does not fit", "count_1h > 5", "country > 5"),
    ("a rule that is not bool", "risk > 0.5", "risk + 0.5"),
    (
        "an error in an expression over lines",
        "    when: ratio > 10 && !(country in home)\n",
        "    when: >\n      ratio > 10 &&\n      !(cuontry in home)\n",
    ),
    (
        "an error in an escaped text",
        "    when: ratio > 10 && !(country in home)\n",
        "    when: \"country == \\\"DE\\\" && nothing\"\n",
    ),
    (
        "a circle",
        "{expression: amount / usual}",
        "{expression: other + 1}\n  other: {expression: ratio + 1}",
    ),
    (
        "defined by itself",
        "{expression: amount / usual}",
        "{expression: ratio + 1}",
    ),
    ("a feature named like a field", "  favourites: {", "  amount: {"),
    ("a reserved name", "  home: [DE, FR]", "  home: [DE, FR]\n  score: [1]"),
    ("a list of two types", "[DE, FR]", "[DE, 5]"),
    ("two rules of one name", "- name: abroad", "- name: velocity"),
    ("a bad reason code", "reason: R101", "reason: R 101"),
    ("an unknown outcome", "then: decline", "then: reject"),
    ("score in a feature", "amount / usual", "score / usual"),
    (
        "a feature of the same entity in a condition",
        "when: amount > 0.0",
        "when: count_1h > 1",
    ),
    (
        "a feature of a later entity in a condition",
        "when: amount > 0.0",
        "when: risk > 0.1",
    ),
    (
        "a label that does not say whose it is",
        "customer_id: text, fraud: bool",
        "fraud: bool",
    ),
    (
        "fields that disagree",
        "transaction_id: text, customer_id: text, fraud",
        "transaction_id: text, customer_id: int, fraud",
    ),
    (
        "a model that is not there",
        "decision:",
        "model: {file: nothing.onnx, inputs: [amount]}\ndecision:",
    ),
    (
        "a model input that nothing defines",
        "decision:",
        "model: {file: nothing.onnx, inputs: [amount, count_1day]}\ndecision:",
    ),
    (
        "a model input that is a list",
        "decision:",
        "model: {file: nothing.onnx, inputs: [favourites]}\ndecision:",
    ),
    ("an unset variable", "localhost:9092", "${BROKERS}"),
    ("Avro without a registry", "format: json", "format: avro"),
    ("bare Avro without a schema", "format: json", "format: avro_plain"),
    (
        "a schema file that is not there",
        "format: json",
        "format: avro_plain\n    schema: nothing.avsc",
    ),
    (
        "personal data without a secret",
        "personal_data: {key_env: SECRET}\n",
        "",
    ),
    ("a personal number", "card: {type: text", "card: {type: int"),
    (
        "a topic read and written",
        "decisions: risk-decisions",
        "decisions: transactions",
    ),
    (
        "one topic for two things",
        "dead_letters: dead-letters",
        "dead_letters: risk-decisions",
    ),
    ("a bad topic name", "topic: labels", "topic: my labels"),
    (
        "no transactions",
        "  transactions:\n    topic",
        "  payments:\n    topic",
    ),
    ("a property that is ours", "client.id: shop", "group.id: shop"),
    ("a misspelt property", "client.id: shop", "sasl.mecanism: PLAIN"),
    (
        "a property's wrong value",
        "client.id: shop",
        "security.protocol: sasl-ssl",
    ),
    (
        "a mechanism that there is not",
        "client.id: shop",
        "sasl.mechanism: plain",
    ),
    (
        "a property of the guarantees",
        "client.id: shop",
        "enable.idempotence: false",
    ),
    (
        "two fields at one place",
        "country: text",
        "country: {type: text, path: terminal_id}",
    ),
    (
        "a field within another",
        "country: text",
        "country: {type: text, path: terminal_id.country}",
    ),
    (
        "a precision that is none",
        "{key: terminal_id}",
        "{key: terminal_id, precision: 0.3}",
    ),
    (
        "the precision of a maximum",
        "mean: amount,",
        "max: amount, precision: 0.1,",
    ),
    (
        "the precision of whole numbers",
        "mean: fraud,",
        "mean: fraud, precision: 0.1,",
    ),
    (
        "the characters of a pseudonym",
        "count_1h > 5",
        "card.startsWith(\"4929\")",
    ),
    ("a pseudonym and a clear text", "count_1h > 5", "card == country"),
    (
        "a pseudonym in a list of clear texts",
        "country in home",
        "card in home",
    ),
    (
        "a derivation that there is not",
        "personal: true}",
        "personal: true, derive: {card_bin: bin_10}}",
    ),
    (
        "derived from a field that is not personal",
        "country: text",
        "country: {type: text, derive: {start: bin}}",
    ),
    (
        "a derived field with the name of another",
        "personal: true}",
        "personal: true, derive: {country: bin}}",
    ),
    (
        "the whole part of a quotient as an index",
        "ratio > 10 && !(country in home)",
        "favourites[count_1h / 2] == country",
    ),
    ("a bad address", "listen: \"127.0.0.1:9464\"", "listen: localhost"),
    ("a bad size", "cache: 64MiB", "cache: 64"),
    (
        "an example of an unknown input",
        "- transactions: {transaction_id: a",
        "- transaction: {transaction_id: a",
    ),
    ("an example of an unknown feature", "{count_1h: 1}", "{count_1hour: 1}"),
];

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
    // The mistake itself may be longer than a line that is shown.
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
