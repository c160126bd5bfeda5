//! Inputs of other events: logins and password changes beside payments and labels.

mod mistakes;

use mistakes::{Mistake, compiled, reports};
use riskstream_definition::{Compiled, Style, explain, prepare, run_examples};
use riskstream_engine::plan::InputKind;

const CORRECT: &str = r#"
name: shop
inputs:
  transactions:
    topic: transactions
    key: customer
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, terminal: text, amount: float}
  labels:
    topic: labels
    id: id
    event_time: known_at
    fields: {id: text, customer: text, fraud: bool, known_at: timestamp}
  logins:
    kind: events
    topic: logins
    id: login_id
    event_time: time
    where: attempt > 0
    fields: {login_id: text, time: timestamp, customer: text, terminal: text, device: text, succeeded: bool, attempt: int}
  password_changes:
    kind: events
    topic: password-changes
    id: change_id
    event_time: time
    fields: {change_id: int, time: timestamp, customer: text}
entities:
  customer: {key: customer, lateness: 1h}
  terminal: {key: terminal}
features:
  payments: {entity: customer, count: transactions, window: 1h}
  logins_1h: {entity: customer, count: logins, of: logins, window: 1h}
  failed_1d: {entity: customer, count: logins, window: 1d, when: '!succeeded'}
  devices: {entity: customer, distinct: device, of: logins, window: 7d}
  since_change: {entity: customer, time_since_last: password_changes}
  terminal_logins: {entity: terminal, count: logins, window: 1h}
  risk: {entity: terminal, mean: fraud, of: labels, window: 28d, empty: 0}
rules:
  - {name: takeover, when: 'since_change < 3600 && devices > 1', then: decline}
  - {name: guessed, when: failed_1d >= 3, then: review}
outputs: {decisions: decisions, dead_letters: dead-letters}
examples:
  - name: a new password, a new device, a payment
    events:
      - logins: {login_id: l1, time: "2026-01-05T10:00:00Z", customer: C, terminal: T, device: phone, succeeded: true, attempt: 1}
      - transactions: {id: l1, time: "2026-01-05T10:30:00Z", customer: C, terminal: T, amount: 1}
        expect: {outcome: approve, flags: [], features: {logins_1h: 1, devices: 1, since_change: null, terminal_logins: 1, failed_1d: 0}}
      - password_changes: {change_id: 1, time: "2026-01-05T11:00:00Z", customer: C}
      - logins: {login_id: l2, time: "2026-01-05T11:01:00Z", customer: C, device: tablet, succeeded: true, attempt: 1}
      - logins: {login_id: l2, time: "2026-01-05T11:01:00Z", customer: C, device: tablet, succeeded: true, attempt: 1}
      - transactions: {id: t2, time: "2026-01-05T11:02:00Z", customer: C, terminal: T, amount: 1}
        expect: {outcome: decline, features: {logins_1h: 1, devices: 2, since_change: 120.0, terminal_logins: 0}}
  - name: wrong passwords, one of them late
    events:
      - logins: {login_id: l1, time: "2026-01-05T10:00:00Z", customer: C, succeeded: false, attempt: 1}
      - logins: {login_id: l2, time: "2026-01-05T10:01:00Z", customer: C, succeeded: false, attempt: 2}
      - logins: {login_id: l9, time: "2026-01-05T10:01:30Z", customer: C, succeeded: false, attempt: 0}
      - transactions: {id: t1, time: "2026-01-05T10:03:00Z", customer: C, terminal: T, amount: 1}
        expect: {outcome: approve, features: {failed_1d: 2}}
      - logins: {login_id: l3, time: "2026-01-05T10:02:00Z", customer: C, succeeded: false, attempt: 3}
      - transactions: {id: t2, time: "2026-01-05T10:04:00Z", customer: C, terminal: T, amount: 1}
        expect: {outcome: review, reasons: [guessed], features: {failed_1d: 3}}
  - name: a login of nobody, nowhere
    events:
      - logins: {login_id: l1, time: "2026-01-05T10:00:00Z", device: phone, attempt: 1}
      - logins: {login_id: l2, time: "2026-01-05T10:00:00Z", terminal: T, attempt: 1}
      - transactions: {id: t1, time: "2026-01-05T10:00:00Z", customer: C, terminal: T, amount: 1}
        expect: {outcome: approve, features: {logins_1h: 0, terminal_logins: 1}}
"#;

fn valid(source: &str) -> Compiled {
    compiled(source).unwrap_or_else(|report| panic!("{report}"))
}

fn warnings(source: &str) -> String {
    let warnings = valid(source).warnings();
    warnings.map_or_else(String::new, |report| report.render(Style::Plain, 120))
}

/// Windows over logins and the time since a password change, late ones, duplicates, and one at the time of the payment.
#[test]
fn payments_see_other_events() {
    let first = CORRECT.replacen(
        "        expect: {outcome: approve, features: {logins_1h: 0",
        "        expect: {features: {logins_1h: 0",
        1,
    );
    let report = run_examples(&valid(&first)).expect_err("a login without a key is a dead letter");
    let report = report.render(Style::Plain, 120);
    assert!(
        report.contains("missing_field") && report.contains("`customer`, `terminal` are missing or null"),
        "{report}"
    );
    let without = CORRECT.replacen(
        "      - logins: {login_id: l1, time: \"2026-01-05T10:00:00Z\", device: phone, attempt: 1}\n",
        "",
        1,
    );
    let examples = run_examples(&valid(&without));
    assert_eq!(
        examples.unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120))),
        3
    );
    assert_eq!(warnings(CORRECT), "");
}

/// What an event has to have.
#[test]
fn keys_that_events_must_have() {
    let optional = CORRECT.replacen(
        "customer: text, terminal: text, device",
        "customer: {type: text, required: false}, terminal: text, device",
        1,
    );
    assert_eq!(valid(CORRECT).plan.inputs[2].any_of.len(), 2);
    assert_eq!(valid(CORRECT).plan.inputs[3].any_of.len(), 1);
    assert!(valid(&optional).plan.inputs[2].any_of.is_empty());
    let plan = valid(&optional);
    run_examples(&plan).unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
}

/// A field of events may have the name of a function that rules call.
#[test]
fn a_function_is_no_field() {
    let source = CORRECT
        .replacen("attempt: int}", "attempt: int, duration: int}", 1)
        .replacen(
            "since_change < 3600",
            "duration(\"1h\") > duration(\"1m\") && since_change < 3600",
            1,
        );
    valid(&source);
}

/// A feature may have the name of the input that it counts.
#[test]
fn a_feature_named_as_its_input() {
    let source = CORRECT.replace("logins_1h", "logins");
    let examples = run_examples(&valid(&source.replace(
        "      - logins: {login_id: l1, time: \"2026-01-05T10:00:00Z\", device: phone, attempt: 1}\n",
        "",
    )));
    assert_eq!(
        examples.unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120))),
        3
    );
}

/// The file in the section of the documentation is correct but for what it leaves out.
#[test]
fn the_documented_inputs_are_correct() {
    let page = include_str!("../../../docs/pipeline-file.md");
    let section = &page[page.find("## Other events").expect("the section is there")..];
    let start = section.find("```yaml\n").expect("it has a file") + 8;
    let file = &section[start..start + section[start..].find("```").expect("the file ends")];
    let outputs = "outputs: {decisions: decisions, dead_letters: dead-letters}\n";
    assert_eq!(warnings(&format!("name: documented\n{file}{outputs}")), "");
}

/// What a roll-out reads has a value at the decision.
#[test]
fn a_roll_out_cannot_read_fields_of_events() {
    let pipeline = valid(&CORRECT[..CORRECT.find("examples:").unwrap()]);
    let rollout = "revision: 1\nrules:\n  - {name: tablet, when: 'device == \"tablet\"', then: review, reason: R}\n";
    let report = prepare("rollout.yaml", rollout, &pipeline)
        .map(|_| ())
        .expect_err("a payment has no device");
    let report = report.render(Style::Plain, 120);
    assert!(report.contains("`device` does not reach the decision"), "{report}");
    let rollout = rollout.replace("device == \"tablet\"", "devices > 1");
    prepare("rollout.yaml", &rollout, &pipeline)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
}

/// Events are applied only where features use them, and pass the stages before.
#[test]
fn events_go_where_features_use_them() {
    let plan = valid(CORRECT).plan;
    assert_eq!(plan.inputs[2].kind, InputKind::Events);
    let applied = |stage: usize, input: usize| plan.stages[stage].keys[input].is_some();
    assert!(applied(0, 2) && applied(1, 2) && applied(0, 3) && !applied(1, 3));
    assert!(plan.stages[0].completes_labels);
    let terminal_only = valid(
        &CORRECT[..CORRECT.find("examples:").unwrap()]
            .replace(
                "entity: customer, count: logins, of: logins, window: 1h",
                "entity: terminal, count: logins, window: 2h",
            )
            .replace(
                "entity: customer, count: logins, window: 1d",
                "entity: terminal, count: logins, window: 1d",
            )
            .replace("entity: customer, distinct", "entity: terminal, distinct"),
    );
    let keys: Vec<bool> = terminal_only
        .plan
        .stages
        .iter()
        .map(|stage| stage.keys[2].is_some())
        .collect();
    assert_eq!(keys, [false, true]);
}

/// State of labels is not that of events, even if all else is the same.
#[test]
fn the_kind_is_part_of_the_state() {
    let of = |kind: &str| {
        let file = &CORRECT[..CORRECT.find("examples:").unwrap()];
        let source = file.replacen(
            "kind: events\n    topic: password",
            &format!("{kind}topic: password"),
            1,
        );
        valid(&source)
            .plan
            .stages
            .iter()
            .map(|stage| stage.fingerprint.clone())
            .collect::<Vec<_>>()
    };
    let (events, labels) = (of("kind: events\n    "), of(""));
    assert!(events[0] != labels[0] && events[1] != labels[1]);
    assert_eq!(labels, of("kind: labels\n    "));
}

#[test]
fn the_plan_names_events() {
    let text = explain(&valid(CORRECT));
    let inputs: Vec<&str> = text.lines().filter(|line| line.starts_with("input ")).collect();
    insta::assert_snapshot!(inputs.join("\n"));
}

#[test]
fn an_input_that_no_feature_uses_is_a_warning() {
    let unused = CORRECT.replacen(
        "  since_change: {entity: customer, time_since_last: password_changes}\n",
        "  since_change: {entity: customer, time_since_last: transactions}\n",
        1,
    );
    insta::assert_snapshot!(warnings(&unused));
    let labels = unused.replacen("    kind: events\n    topic: password", "    topic: password", 1);
    assert_eq!(warnings(&labels), "", "labels are read by other commands, too");
}

const MISTAKES: &[Mistake] = &[
    (
        "an unknown kind",
        "kind: events\n    topic: logins",
        "kind: event\n    topic: logins",
    ),
    (
        "a kind of transactions",
        "    topic: transactions",
        "    kind: events\n    topic: transactions",
    ),
    (
        "`of:` names an unknown input",
        "distinct: device, of: logins",
        "distinct: device, of: login",
    ),
    (
        "an aggregation of events names an unknown input",
        "time_since_last: password_changes",
        "time_since_last: password_change",
    ),
    (
        "`of:` contradicts",
        "count: logins, of: logins",
        "count: logins, of: labels",
    ),
    (
        "`of: labels` with a field of events",
        "distinct: device, of: logins",
        "distinct: device, of: labels",
    ),
    ("no `of:`", "distinct: device, of: logins", "distinct: device"),
    (
        "a field that the event does not have",
        "distinct: device, of: logins",
        "distinct: devcie, of: logins",
    ),
    ("a field of transactions", "when: '!succeeded'", "when: amount > 1"),
    (
        "a condition with an unknown name",
        "when: '!succeeded'",
        "when: '!suceeded'",
    ),
    (
        "a feature of transactions in a condition of events",
        "window: 1h}\n  risk",
        "window: 1h, when: payments > 1}\n  risk",
    ),
    (
        "events without a key of any entity",
        "change_id: int, time: timestamp, customer: text}",
        "change_id: int, time: timestamp, user: text}",
    ),
    (
        "unused events without a key of any entity",
        "change_id: int, time: timestamp, customer: text}",
        "change_id: int, time: timestamp, user: text}",
    ),
    (
        "events without the key of the entity whose features use them",
        "count: logins, window: 1h}",
        "count: password_changes, window: 1h}",
    ),
    (
        "the field of an event in a rule",
        "failed_1d >= 3",
        "failed_1d >= 3 && attempt > 1",
    ),
    (
        "`arrives_within` of events",
        "    id: change_id\n",
        "    id: change_id\n    arrives_within: 1d\n",
    ),
    (
        "fields of one name and two types",
        "device: text, succeeded",
        "device: text, amount: int, succeeded",
    ),
    (
        "an expectation of an event",
        "attempt: 3}\n",
        "attempt: 3}\n        expect: {outcome: approve}\n",
    ),
];

#[test]
fn mistakes_in_inputs_of_events() {
    let unused = |source: String| source.replace("time_since_last: password_changes", "time_since_last: transactions");
    insta::assert_snapshot!(reports(CORRECT, MISTAKES, |what, source| {
        match what.starts_with("unused") {
            true => unused(source),
            false => source,
        }
    }));
}
