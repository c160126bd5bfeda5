//! Roll-outs of rules, thresholds, expressions, lists and explanations: what is refused and why, what is taken over, what changes.

use crate::shop::{directory, governed_text};
use riskstream_definition::{Compiled, Style, changes, compile, prepare, prepare_again, read_record};
use std::fmt::Write;
use std::path::Path;

fn pipeline() -> Compiled {
    // A path that is as long wherever the checkout is: messages are wrapped.
    let compiled = compile("shop.yaml", &governed_text("shop"), Path::new("tests/rollout"), &|_| {
        None
    });
    compiled.unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)))
}

const MISTAKES: [(&str, &str); 18] = [
    (
        "a shadow rule that needs a new feature, and a rule that needs a list",
        "revision: 1\nrules:\n- {name: often, when: payments_of_device > 3, then: review, mode: shadow}\n- {name: listed, when: country in embargo, then: decline}\n",
    ),
    (
        "a field that is not read, and one that does not reach the decision",
        "revision: 1\nrules:\n- {name: old_device, when: device == 'x', then: review}\n- {name: noted, when: note == 'x', then: review}\n",
    ),
    (
        "an aggregation, a filter and nothing",
        "revision: 1\nfeatures:\n  per_hour: {entity: customer, count: transactions, window: 1h}\n  large: {expression: amount > 5, when: amount > 1}\n  nothing: {}\n",
    ),
    (
        "a feature that state depends on, a field, a list",
        "revision: 1\nfeatures:\n  payments: {expression: 1}\n  amount: {expression: 2}\n  risky: {expression: 3}\n",
    ),
    (
        "another type",
        "revision: 1\nfeatures:\n  share: {expression: amount > 1000}\n",
    ),
    (
        "a circle through the pipeline file",
        "revision: 1\nfeatures:\n  share: {expression: double_share / 2}\n",
    ),
    (
        "an expression over a list whose entries change",
        "revision: 1\nfeatures:\n  is_blocked: {expression: customer in blocked}\n",
    ),
    ("a list that a feature uses", "revision: 1\nlists: {foreign: [FR]}\n"),
    ("a list that an output uses", "revision: 1\nlists: {watched: [RU]}\n"),
    (
        "lists with topics",
        "revision: 1\nlists:\n  blocked: [c1]\n  friends: {key: customer, topic: friends}\n  amount: [1]\n",
    ),
    (
        "a list with which a rule of the pipeline file is not valid any more",
        "revision: 1\nlists: {risky: [1, 2]}\n",
    ),
    (
        "what decides on state, schemas and topics",
        "revision: 1\ninputs: {}\nentities: {}\noutcomes: [approve, decline]\noutputs: {}\nheaders: {}\nkafka: {}\nmodel: {file: models/new.onnx}\n",
    ),
    (
        "rules and thresholds that no pipeline file could have",
        "revision: 1\nrules:\n- {name: a, when: amount, then: refuse}\n- {name: a, when: amount > 1, then: review, reason: 'no code'}\ndecision: {challenge: score > 0.5, approve: score < 0.1}\n",
    ),
    (
        "explanations of a model that was not prepared for them",
        "revision: 1\nexplain: {outcomes: [decline]}\n",
    ),
    (
        "examples that name what there is not",
        "revision: 1\nexamples:\n- name: a\n  lists: {risky: [{key: BR}]}\n  events:\n  - transactions: {id: a}\n    expect: {outcome: refuse, features: {hourly: 1}, outputs: [none]}\n",
    ),
    (
        "an example of its own that fails",
        "revision: 1\nrules:\n- {name: large, when: amount > 50, then: review}\nexamples:\n- name: a large payment\n  events:\n  - transactions: {id: a, time: '2026-01-05T12:00:00Z', customer: c1, amount: 100, country: FR, note: ''}\n    expect: {outcome: decline}\n",
    ),
    (
        "an example of the pipeline file that fails",
        "revision: 1\nrules:\n- {name: large, when: amount > 50, then: review}\n",
    ),
    ("an empty revision", "revision:\nrules: []\n"),
];

#[test]
fn every_mistake_with_its_place_and_what_to_write() {
    let pipeline = pipeline();
    let mut page = String::new();
    for (what, text) in MISTAKES {
        let report = match prepare("rollout.yaml", text, &pipeline) {
            Ok(_) => "ok".to_owned(),
            Err(report) => report.render(Style::Plain, 120),
        };
        writeln!(page, "## {what}\n\n{report}").unwrap();
    }
    insta::assert_snapshot!(page);
}

#[test]
fn records_that_say_nothing_are_refused() {
    let mut page = String::new();
    for text in [
        "{approves: 1}",
        "{approves: 1, applies: 1, sha256: a, author: b}",
        "{approves: one, sha256: a, author: b, comment: c}",
        "{revision: 1, sha256: a}",
    ] {
        let report = read_record("a record", text).unwrap_err();
        writeln!(page, "## {text}\n\n{}", report.render(Style::Plain, 120)).unwrap();
    }
    insta::assert_snapshot!(page);
}

const WHOLE: &str = "
revision: 1
author: anna
champion: {file: models/new.onnx}
rules:
- {name: risky_country, when: country in risky, then: decline}
- {name: heavy, when: tenfold > 9, then: review, mode: shadow}
decision: {review: score >= 0.8}
features:
  tenfold: {expression: share * 10}
  share: {expression: amount / 500}
lists: {risky: [BR], heavy_countries: [US]}
";

#[test]
fn a_difference_names_what_is_new_what_is_gone_and_what_has_another_value() {
    let pipeline = pipeline();
    let lines = changes(&pipeline, "", WHOLE).join("\n");
    insta::assert_snapshot!(lines);
    assert!(changes(&pipeline, WHOLE, WHOLE).is_empty());
    assert!(changes(&pipeline, "", "{revision: 2, restores: 0}").is_empty());
}

/// What the roll-out does not name stays as the pipeline file says; what depends on it follows.
#[test]
fn a_rollout_is_compiled_over_the_pipeline_file() {
    let pipeline = compile("shop.yaml", &governed_text("shop"), &directory(), &|_| None).unwrap();
    let set = prepare("rollout.yaml", WHOLE, &pipeline).unwrap_or_else(|report| panic!("{report}"));
    let base = &pipeline.plan.decide;
    let listed: Vec<&str> = set.decide.features.iter().map(|(name, _)| name.as_str()).collect();
    let mut expected: Vec<&str> = base.features.iter().map(|(name, _)| name.as_str()).collect();
    expected.push("tenfold");
    assert_eq!(listed, expected);
    let sources: Vec<&str> = set
        .decide
        .expressions()
        .map(|computed| computed.expression.source())
        .collect();
    let at = |source: &str| sources.iter().position(|found| *found == source).unwrap();
    assert!(
        at("amount / 500") < at("share * 10") && at("amount / 500") < at("share * 2"),
        "{sources:?}"
    );
    // Rows of the stages stay as they are: what is new comes after.
    let slots = set.decide.slots.iter().zip(&pipeline.plan.slots);
    assert!(
        slots.clone().count() == pipeline.plan.slots.len() && slots.clone().all(|(one, other)| one.name == other.name)
    );
    // It can be made again from what the log holds.
    let again = prepare_again(&set.document, &pipeline).unwrap();
    assert_eq!(again.decide.policy.reasons().len(), set.decide.policy.reasons().len());
}
