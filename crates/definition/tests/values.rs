//! Values on their way through a compiled pipeline: what is left out, rounded, divided and derived. Each file's examples
//! say what is right.

use riskstream_definition::{compile, run_examples};
use std::path::Path;

/// A file with these features, rules and examples.
fn pipeline(features: &str, rest: &str) -> String {
    format!(
        r#"name: shop
inputs:
  transactions:
    topic: transactions
    id: id
    event_time: time
    fields:
      id: text
      time: timestamp
      card:
        type: text
        personal: true
        derive: {{card_bin: bin, card_bin_8: bin_8, card_end: last_4, card_valid: luhn, card_length: length}}
      amount: float
  labels:
    topic: labels
    id: id
    event_time: known_at
    fields: {{id: text, card: {{type: text, personal: true}}, known_at: timestamp, loss: float}}
entities: {{card: {{key: card}}, issuer: {{key: card_bin}}}}
features:
{features}
outputs: {{decisions: decisions, dead_letters: dead-letters}}
personal_data: {{key_env: SECRET}}
{rest}
"#
    )
}

#[track_caller]
fn holds(source: &str) {
    let compiled =
        compile("pipeline.yaml", source, Path::new(""), &|_| None).unwrap_or_else(|report| panic!("{report}"));
    run_examples(&compiled).unwrap_or_else(|report| panic!("{report}"));
}

const FIRST: &str = "- transactions: {id: a, time: '2026-01-05T12:00:00Z', card: '4929 1234 5678 1236', amount: ";
const SECOND: &str = "- transactions: {id: b, time: '2026-01-05T12:00:01Z', card: '4929 1234 5678 1236', amount: ";

#[test]
fn one_features_value_does_not_make_a_payment_a_dead_letter() {
    let features = "
  mean_log: {entity: card, mean: log(amount), window: 1h}
  least_log: {entity: card, min: log(amount), window: 1h}
  inverse: {entity: card, sum: 1.0 / amount, window: 1h}
  payments: {entity: card, count: transactions, window: 1h}
  spent: {entity: card, sum: amount, window: 1h}";
    let examples = format!(
        "examples:
  - name: a card check of 0
    events:
      {FIRST} 0}}
        expect: {{flags: [inexact], features: {{mean_log: null, least_log: null, inverse: 0.0, payments: 1, spent: 0.0}}}}
      {SECOND} 1}}
        expect: {{flags: [], features: {{mean_log: 0.0, least_log: 0.0, inverse: 1.0, payments: 2, spent: 1.0}}}}"
    );
    holds(&pipeline(features, &examples));
}

#[test]
fn a_label_with_such_a_value_counts_with_its_others() {
    let features = "
  log_loss: {entity: card, mean: log(loss), of: labels, window: 1d}
  frauds: {entity: card, count: labels, window: 1d}";
    let examples = format!(
        "examples:
  - name: a loss of 0
    events:
      {FIRST} 1}}
      - labels: {{id: a, card: '4929 1234 5678 1236', known_at: '2026-01-05T12:00:00.5Z', loss: 0}}
      {SECOND} 1}}
        expect: {{features: {{log_loss: null, frauds: 1}}}}"
    );
    holds(&pipeline(features, &examples));
}

#[test]
fn amounts_in_wei_are_summed_in_a_coarser_precision() {
    let features = "  spent: {entity: card, sum: amount, window: 1h, precision: 1e9}";
    let examples = format!(
        "examples:
  - name: one ether and a half
    events:
      {FIRST} 1e18}}
        expect: {{flags: [], features: {{spent: 1e18}}}}
      {SECOND} 500000000000000000}}
        expect: {{flags: [], features: {{spent: 1.5e18}}}}"
    );
    holds(&pipeline(features, &examples));
    let features = "  spent: {entity: card, sum: amount, window: 1h}";
    let examples = format!(
        "examples:
  - name: with the default precision
    events:
      {FIRST} 1e18}}
        expect: {{dead_letter: out_of_range}}
      {SECOND} 5e-8}}
        expect: {{flags: [inexact], features: {{spent: 0.0}}}}"
    );
    holds(&pipeline(features, &examples));
}

#[test]
fn a_share_of_two_counts_is_a_share() {
    let features = "
  short: {entity: card, count: transactions, window: 500ms}
  long: {entity: card, count: transactions, window: 1h}
  none: {entity: card, count: labels, window: 1h}
  share: {expression: short / long}
  whole: {expression: 'div(short, long)'}
  of_none: {expression: long / none}";
    let examples = format!(
        "examples:
  - name: half of the payments
    events:
      {FIRST} 1}}
        expect: {{features: {{share: 1.0, whole: 1, of_none: null}}}}
      {SECOND} 1}}
        expect: {{features: {{share: 0.5, whole: 0}}, outcome: review}}
rules: [{{name: half, when: short / long < 1, then: review}}]"
    );
    holds(&pipeline(features, &examples));
}

#[test]
fn what_is_derived_from_a_personal_field_is_in_clear() {
    let features = "
  issuer_payments: {entity: issuer, count: transactions, window: 1h}
  end: {expression: card_end}
  long_bin: {expression: card_bin_8}
  valid: {expression: card_valid}
  digits: {expression: card_length}";
    let examples = "lists: {watched: ['492912']}
rules: [{name: issuer, when: card_bin in watched && card_valid, then: review}]
examples:
  - name: two cards of one issuer
    events:
      - transactions: {id: a, time: '2026-01-05T12:00:00Z', card: '4929 1234 5678 1236', amount: 1}
        expect: {outcome: review, features: {issuer_payments: 1, end: '1236', long_bin: '49291234', valid: true, digits: 16}}
      - transactions: {id: b, time: '2026-01-05T12:00:01Z', card: '4929129999999990', amount: 1}
        expect: {outcome: approve, features: {issuer_payments: 2, end: '9990', valid: false, digits: 16}}";
    holds(&pipeline(features, examples));
}

#[test]
fn an_example_may_give_the_range_of_a_number() {
    let features = "  average: {entity: card, mean: amount, window: 1h}";
    let examples = |range: &str| {
        let events =
            format!("{FIRST} 69.9}}\n      {SECOND} 70.01}}\n        expect: {{features: {{average: {range}}}}}");
        pipeline(
            features,
            &format!("examples:\n  - name: range\n    events:\n      {events}"),
        )
    };
    holds(&examples("[69.9, 70.0]"));
    holds(&examples("[69, 70]"));
    for wrong in ["[69.9, 69.95]", "[70, 71]", "[69.955]", "[69.9, 70.0, 70.1]", "[a, b]"] {
        let compiled = compile("pipeline.yaml", &examples(wrong), Path::new(""), &|_| None).unwrap();
        assert!(run_examples(&compiled).is_err(), "{wrong}");
    }
}

/// A file whose text has another meaning than before has another version and other state; others have not.
#[test]
fn a_quotient_of_ints_changes_the_version_and_the_state() {
    let plan = |features: &str| {
        let source = pipeline(features, "");
        let compiled =
            compile("pipeline.yaml", &source, Path::new(""), &|_| None).unwrap_or_else(|report| panic!("{report}"));
        (source, compiled.plan)
    };
    let sha256 = |source: &str| {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(source);
        digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    for (features, is_changed) in [
        ("  a: {entity: card, mean: card_length / 2, window: 1h}", true),
        (
            "  a: {entity: card, count: transactions, window: 1h, when: card_length / 2 > 7}",
            true,
        ),
        ("  a: {expression: card_length / 2}", true),
        ("  a: {entity: card, mean: 'div(card_length, 2)', window: 1h}", false),
        (
            "  a: {entity: card, mean: amount / 2, window: 1h, precision: 0.0001}",
            false,
        ),
    ] {
        let (source, plan) = plan(features);
        assert_eq!(plan.version != sha256(&source), is_changed, "{features}");
    }
}
