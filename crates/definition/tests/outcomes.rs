//! The outcomes that a pipeline file lists: where they are used, and what is wrong with them.

mod mistakes;

use mistakes::{Mistake, compiled, reports};
use riskstream_definition::{Style, run_examples};
use std::path::Path;

const PIPELINE: &str = r#"
name: outcomes
inputs:
  transactions:
    topic: transactions
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, amount: float}
entities: {customer: {key: customer}}
features:
  payments: {entity: customer, count: transactions, window: 1h}
outcomes: [pass, challenge, queue, block]
rules:
  - {name: vip, when: customer == "vip", then: pass}
  - {name: often, when: payments > 1, then: challenge, set: {by: often, challenge_type: sms}}
  - {name: large, when: amount > 1000, then: queue, set: {by: large}}
  - {name: new, when: payments == 1, then: block, mode: shadow}
decision: {challenge: amount > 10, block: amount > 5000, queue: amount > 100, queue_reason: M7}
outputs: {decisions: decisions, dead_letters: dead-letters}
examples:
  - name: by severity
    events:
      - transactions: {id: a, time: "2026-01-05T12:00:00Z", customer: A, amount: 1}
        expect: {outcome: pass, reasons: [], shadow_rules: [new]}
      - transactions: {id: b, time: "2026-01-05T12:00:00Z", customer: B, amount: 11}
        expect: {outcome: challenge, reasons: [SCORE_CHALLENGE]}
      - transactions: {id: c, time: "2026-01-05T12:00:00Z", customer: C, amount: 101}
        expect: {outcome: queue, reasons: [M7]}
      - transactions: {id: d, time: "2026-01-05T12:00:00Z", customer: D, amount: 5001}
        expect: {outcome: block, reasons: [large, SCORE_BLOCK]}
      - transactions: {id: e, time: "2026-01-05T12:00:00Z", customer: C, amount: 1001}
        expect: {outcome: queue, reasons: [often, large, M7], attributes: {by: large, challenge_type: sms}}
      - transactions: {id: f, time: "2026-01-05T12:00:00Z", customer: vip, amount: 9000}
        expect: {outcome: queue, reasons: [vip, large]}
"#;

#[test]
fn listed_outcomes_decide_by_their_order() {
    let compiled = compiled(PIPELINE).unwrap_or_else(|report| panic!("{report}"));
    let held = run_examples(&compiled).map_err(|report| report.render(Style::Plain, 120));
    assert_eq!(held.unwrap_or_else(|report| panic!("{report}")), 1);
    assert!(
        compiled
            .decision_avro_schema()
            .contains(r#"["pass", "challenge", "queue", "block"]"#)
    );
    assert!(
        compiled
            .decision_json_schema()
            .contains(r#"{"enum": ["pass", "challenge", "queue", "block"]}"#)
    );
}

#[test]
fn a_file_without_outcomes_has_the_schema_of_before() {
    let source = PIPELINE
        .replace("outcomes: [pass, challenge, queue, block]\n", "")
        .replace("then: pass", "then: approve")
        .replace("then: challenge", "then: review")
        .replace("then: queue", "then: review")
        .replace("then: block", "then: decline");
    let (source, _) = source.split_once("decision:").unwrap();
    let source = format!("{source}outputs: {{decisions: decisions, dead_letters: dead-letters}}\n");
    let compiled = compiled(&source).unwrap_or_else(|report| panic!("{report}"));
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
    let schema = |name: &str| std::fs::read_to_string(schemas.join(name)).unwrap();
    assert_eq!(compiled.decision_avro_schema(), schema("decision.avsc"));
    assert_eq!(compiled.decision_json_schema(), schema("decision.schema.json"));
}

const CASES: &[Mistake] = &[
    ("an unknown outcome of a rule", "then: queue", "then: quene"),
    ("an outcome of before", "then: block", "then: decline"),
    (
        "an unknown outcome of an example",
        "{outcome: block",
        "{outcome: blocked",
    ),
    (
        "a threshold of no outcome",
        "block: amount > 5000",
        "decline: amount > 5000",
    ),
    (
        "a threshold of the mildest outcome",
        "block: amount > 5000",
        "pass: amount < 1",
    ),
    ("a reason code of no outcome", "queue_reason: M7", "queu_reason: M7"),
    ("an outcome twice", "queue, block]", "queue, challenge, block]"),
    ("one outcome", "[pass, challenge, queue, block]", "[pass]"),
    ("no outcomes", "[pass, challenge, queue, block]", "[]"),
    ("no list", "[pass, challenge, queue, block]", "pass"),
    (
        "a name that Avro does not take",
        "queue, block]",
        "step-up, queue, block]",
    ),
    (
        "a name that is another key",
        "queue, block]",
        "without_score, queue, block]",
    ),
    (
        "a name like that of a reason code",
        "queue, block]",
        "block_reason, queue, block]",
    ),
    (
        "too many",
        "queue, block]",
        "a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac, queue, block]",
    ),
    (
        "no outcome without a score",
        "rules:",
        "rollout: {file: rollout.yaml}\nrules:",
    ),
    (
        "an unknown outcome without a score",
        "decision: {",
        "decision: {without_score: qeue, ",
    ),
    ("a broken threshold", "block: amount > 5000", "block: amout > 5000"),
];

#[test]
fn what_is_wrong_with_outcomes() {
    let text = reports(PIPELINE, CASES, |_, file| file);
    insta::assert_snapshot!(text);
}
