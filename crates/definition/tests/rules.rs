//! What rules may read besides fields and features, and what they do besides deciding.

use riskstream_definition::{Style, compile, run_examples};
use std::path::Path;

const INPUTS: &str = r#"
name: rules
inputs:
  transactions:
    topic: transactions
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, amount: float, ip: text}
entities: {customer: {key: customer, lateness: 1h}}
features:
  payments: {entity: customer, count: transactions, window: 1h}
outputs: {decisions: decisions, dead_letters: dead-letters}
"#;

/// Compiles a pipeline and runs its examples.
fn run(source: &str) -> Result<usize, String> {
    let shown = |report: riskstream_definition::Report| report.render(Style::Plain, 120);
    let compiled = compile("pipeline.yaml", source, Path::new("."), &|_| None).map_err(shown)?;
    run_examples(&compiled).map_err(shown)
}

#[track_caller]
fn holds(rules: &str, events: &str) {
    let source = format!("{INPUTS}rules:{rules}\nexamples:\n  - name: all\n    events:{events}");
    assert_eq!(run(&source).unwrap_or_else(|report| panic!("{report}")), 1);
}

const SHADOWS: &str = r#"
  - {name: large, when: amount > 100, then: review, reason: R1, set: {queue: normal, check: sms}}
  - {name: huge, when: amount > 1000, then: decline, reason: R2, set: {queue: high_value}}
  - {name: often, when: payments > 1, then: decline, reason: R3, mode: shadow, set: {queue: never}}
  - {name: trusted, when: customer == "vip", then: approve, mode: shadow}
"#;

#[test]
fn shadow_rules_are_listed_and_rules_set_attributes() {
    holds(
        SHADOWS,
        r#"
      - transactions: {id: a, time: "2026-01-05T12:00:00Z", customer: C, amount: 50}
        expect: {outcome: approve, reasons: [], shadow_rules: [], attributes: {}}
      - transactions: {id: b, time: "2026-01-05T12:01:00Z", customer: C, amount: 500}
        expect: {outcome: review, reasons: [R1], shadow_rules: [R3], attributes: {check: sms, queue: normal}}
      - transactions: {id: c, time: "2026-01-05T12:02:00Z", customer: vip, amount: 5000}
        expect: {outcome: decline, reasons: [R1, R2], shadow_rules: [trusted], attributes: {queue: high_value, check: sms}}
"#,
    );
}

#[test]
fn examples_compare_shadow_rules_and_attributes() {
    let source = format!(
        "{INPUTS}rules:{SHADOWS}\nexamples:\n  - name: wrong\n    events:\n      - transactions: {{id: b, time: \"2026-01-05T12:01:00Z\", customer: C, amount: 500}}\n        expect: {{shadow_rules: [R3], attributes: {{queue: high_value}}}}\n"
    );
    let report = run(&source).expect_err("the examples differ");
    for expected in [
        "shadow_rules is [], the example expects [R3]",
        "attributes is {check: sms, queue: normal}, the example expects {queue: high_value}",
    ] {
        assert!(report.contains(expected), "{report}");
    }
}

#[test]
fn rules_read_lateness_and_flags() {
    holds(
        r#"
  - {name: late, when: late_by > 60, then: review}
  - {name: again, when: '"duplicate" in flags', then: decline}
  - {name: known, when: '!("bootstrapping" in flags) && flags.all(f, f != "late")', then: approve}
"#,
        r#"
      - transactions: {id: a, time: "2026-01-05T12:00:00Z", customer: C, amount: 1}
        expect: {outcome: approve, reasons: []}
      - transactions: {id: b, time: "2026-01-05T13:30:00Z", customer: C, amount: 1}
        expect: {outcome: approve, reasons: [known]}
      - transactions: {id: c, time: "2026-01-05T13:29:00Z", customer: C, amount: 1}
        expect: {outcome: approve, reasons: [], flags: [late]}
      - transactions: {id: d, time: "2026-01-05T13:28:59Z", customer: C, amount: 1}
        expect: {outcome: review, reasons: [late], flags: [late]}
      - transactions: {id: b, time: "2026-01-05T13:31:00Z", customer: C, amount: 1}
        expect: {outcome: decline, reasons: [again, known], flags: [duplicate]}
"#,
    );
}

/// A file whose fields or features have these names means them, as before.
#[test]
fn a_feature_may_be_called_flags() {
    let source = INPUTS.replace(
        "features:",
        "features:\n  flags: {entity: customer, sum: amount, window: 1h}\n  late_by: {expression: amount * 2.0}",
    );
    let source = format!(
        "{source}rules: [{{name: sum, when: flags > 2 && late_by == 6.0, then: review}}]\nexamples:\n  - name: all\n    events:\n      - transactions: {{id: a, time: \"2026-01-05T12:00:00Z\", customer: C, amount: 3}}\n        expect: {{reasons: [sum]}}\n"
    );
    assert_eq!(run(&source), Ok(1));
}

#[test]
fn features_cannot_read_what_only_the_decision_knows() {
    for name in ["late_by", "flags", "score"] {
        let source = INPUTS.replace(
            "features:",
            &format!("features:\n  wrong: {{expression: {name} == null}}"),
        );
        let report = run(&source).expect_err("the name is unknown");
        assert!(report.contains(&format!("unknown name {name}")), "{report}");
        assert!(report.contains("only rules and thresholds"), "{report}");
    }
}

/// The functions for rules, in a pipeline.
#[test]
fn expressions_of_analysts() {
    holds(
        r#"
  - {name: office, when: 'ip_in(ip, ["10.0.0.0/8", "2001:db8::/32"])', then: approve}
  - {name: card_testing, when: 'customer.matches("^test-[0-9]+$")', then: decline}
"#,
        r#"
      - transactions: {id: a, time: "2026-01-05T12:00:00Z", customer: test-1, amount: 1, ip: 10.1.2.3}
        expect: {outcome: decline, reasons: [office, card_testing]}
      - transactions: {id: b, time: "2026-01-05T12:00:00Z", customer: test-, amount: 1, ip: "::1"}
        expect: {outcome: approve, reasons: []}
"#,
    );
}

/// By the documentation of `share`, computed with Python's hashlib: the keys lie at 0.1798 (c1), 0.2189 (4711), 0.3644 (C).
#[test]
fn rules_with_a_share_apply_to_its_keys() {
    holds(
        r#"
  - {name: tried, when: amount > 100, then: review, share: 0.2}
  - {name: widened, when: amount > 100, then: review, share: 0.3, entity: customer}
  - {name: watched, when: amount > 100, then: decline, mode: shadow, share: 0.25}
  - {name: nobody, when: amount > 100, then: decline, share: 0}
"#,
        r#"
      - transactions: {id: a, time: "2026-01-05T12:00:00Z", customer: c1, amount: 500}
        expect: {outcome: review, reasons: [tried, widened], shadow_rules: [watched]}
      - transactions: {id: b, time: "2026-01-05T12:00:01Z", customer: "4711", amount: 500}
        expect: {outcome: review, reasons: [widened], shadow_rules: [watched]}
      - transactions: {id: c, time: "2026-01-05T12:00:02Z", customer: C, amount: 500}
        expect: {outcome: approve, reasons: [], shadow_rules: []}
      - transactions: {id: d, time: "2026-01-05T12:00:03Z", customer: c1, amount: 50}
        expect: {outcome: approve, reasons: [], shadow_rules: []}
"#,
    );
}

#[test]
fn what_is_wrong_with_shares() {
    let rule = |more: &str| format!("{INPUTS}rules:\n  - {{name: tried, when: amount > 100, then: review, {more}}}\n");
    for (more, expected) in [
        ("share: 5", "a share must be from 0 to 1, this is 5"),
        ("share: 0.1, entity: custmer", "did you mean `customer`?"),
        ("entity: customer", "there is no `share`"),
    ] {
        let report = run(&rule(more)).expect_err(more);
        assert!(report.contains(expected), "{more}: {report}");
    }
}
