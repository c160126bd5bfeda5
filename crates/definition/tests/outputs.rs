//! Further outputs: which decisions go there, and what is wrong with them.

mod mistakes;

use mistakes::{Mistake, compiled, reports};
use riskstream_definition::{Style, explain, run_examples};

const PIPELINE: &str = r#"
name: outputs
inputs:
  transactions:
    topic: transactions
    key: customer
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, amount: float, country: text, outcome: text}
entities: {customer: {key: customer}}
features:
  payments: {entity: customer, count: transactions, window: 1h}
rules:
  - {name: large, when: amount > 1000, then: review, set: {queue: high_value}}
  - {name: huge, when: amount > 5000, then: decline}
  - {name: often, when: payments > 1, then: decline, mode: shadow, set: {never: set}}
outputs:
  decisions: decisions
  dead_letters: dead-letters
  alerts: {topic: alerts, when: 'outcome == "review" || "huge" in rules'}
  high_value: {topic: high-value, when: attributes.queue == "high_value"}
  abroad: {topic: abroad, when: country != "DE"}
  watched: {topic: watched, when: '"often" in shadow_rules && !("duplicate" in flags)'}
examples:
  - name: by condition
    events:
      - transactions: {id: a, time: "2026-01-05T12:00:00Z", customer: A, amount: 1, country: DE, outcome: review}
        expect: {outcome: approve, outputs: []}
      - transactions: {id: b, time: "2026-01-05T12:00:00Z", customer: B, amount: 1001, country: DE}
        expect: {outcome: review, outputs: [alerts, high_value]}
      - transactions: {id: c, time: "2026-01-05T12:00:00Z", customer: C, amount: 5001, country: FR}
        expect: {outcome: decline, outputs: [alerts, high_value, abroad]}
      - transactions: {id: d, time: "2026-01-05T12:00:00Z", customer: A, amount: 1, country: DE}
        expect: {outputs: [watched]}
      - transactions: {id: d, time: "2026-01-05T12:00:00Z", customer: A, amount: 1, country: DE}
        expect: {outputs: []}
"#;

/// The result of compiling a pipeline and running its examples.
fn held(source: &str) -> Result<usize, String> {
    run_examples(&compiled(source)?).map_err(|report| report.render(Style::Plain, 120))
}

#[test]
fn decisions_go_where_a_condition_holds() {
    assert_eq!(held(PIPELINE).unwrap_or_else(|report| panic!("{report}")), 1);
    let plan = explain(&compiled(PIPELINE).unwrap());
    assert!(
        plan.contains("output high_value: to topic high-value where attributes.queue == \"high_value\""),
        "{plan}"
    );
}

#[test]
fn examples_compare_outputs() {
    let wrong = PIPELINE.replace("outputs: [alerts, high_value]}", "outputs: [alerts]}");
    let report = held(&wrong).unwrap_err();
    assert!(
        report.contains("outputs is [alerts, high_value], the example expects [alerts]"),
        "{report}"
    );
}

const CASES: &[Mistake] = &[
    ("an unknown outcome", r#"outcome == "review""#, r#"outcome == "revew""#),
    (
        "an unknown outcome in a list",
        r#"outcome == "review""#,
        r#"outcome in ["review", "block"]"#,
    ),
    ("an unknown name", r#"outcome == "review""#, "outcom == null"),
    (
        "an attribute that no rule sets",
        "attributes.queue ==",
        "attributes.never ==",
    ),
    ("no condition", r#"country != "DE""#, "country"),
    ("the topic of another output", "topic: abroad", "topic: alerts"),
    ("the topic of decisions", "topic: abroad", "topic: decisions"),
    ("the topic of dead letters", "topic: abroad", "topic: dead-letters"),
    ("an input", "topic: abroad", "topic: transactions"),
    ("a repartition topic", "    key: customer\n    id: id", "    id: id"),
    ("no topic", "{topic: abroad, when:", "{when:"),
    ("no when", r#", when: country != "DE"}"#, "}"),
    (
        "an unknown key",
        "{topic: abroad, when:",
        "{topic: abroad, format: json, when:",
    ),
    ("a misspelt key", "decisions: decisions", "decision: decisions"),
    ("no mapping", r#"{topic: abroad, when: country != "DE"}"#, "abroad"),
    ("not a topic", "topic: abroad", "topic: a b"),
    ("what rules cannot know", "amount > 5000,", "outcome == 'review',"),
    (
        "an unknown output of an example",
        "outputs: [watched]",
        "outputs: [watchd]",
    ),
];

#[test]
fn what_is_wrong_with_outputs() {
    let text = reports(PIPELINE, CASES, |what, file| match what {
        "a repartition topic" => file.replace("topic: abroad", "topic: outputs-hop-customer"),
        "what rules cannot know" => file.replace(", outcome: text}", "}"),
        _ => file,
    });
    insta::assert_snapshot!(text);
}
