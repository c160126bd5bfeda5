//! Keys of entities: fields, expressions over fields, and several of them.

mod mistakes;

use mistakes::{Mistake, compiled, reports};
use riskstream_definition::explain;

const PIPELINE: &str = "
name: keys
personal_data: {key_env: SECRET}
inputs:
  transactions:
    topic: transactions
    key: card
    id: id
    event_time: time
    fields:
      id: text
      time: timestamp
      card: {type: text, personal: true}
      merchant: text
      email: text
      amount: float
  labels:
    topic: labels
    id: id
    event_time: time
    fields: {id: text, time: timestamp, card: {type: text, personal: true}, merchant: text, fraud: bool}
entities:
  card_merchant: {key: [card, merchant]}
  account: {key: email.lowerAscii()}
features:
  count_1d: {entity: card_merchant, count: transactions, window: 1d}
  frauds: {entity: card_merchant, sum: fraud, of: labels, window: 30d, empty: 0}
  of_account: {entity: account, count: transactions, window: 1d}
rules: [{name: often, when: count_1d > 5 && frauds > 0.0 && of_account > 1, then: review}]
outputs: {decisions: decisions, dead_letters: dead-letters}
";
const COMPOSITE: &str = "[card, merchant]";
const MISTAKES: &[Mistake] = &[
    ("a list of one part", COMPOSITE, "[card]"),
    ("the same part twice", COMPOSITE, "[card, card]"),
    ("an unknown field", COMPOSITE, "[card, merchnt]"),
    ("a part of another type", COMPOSITE, "[card, amount]"),
    ("an expression of another type", "email.lowerAscii()", "amount * 2.0"),
    ("an expression with an error", "email.lowerAscii()", "email.lower("),
    ("an expression without a field", "email.lowerAscii()", "'\"all\"'"),
    ("the event time", COMPOSITE, "[card, 'event_time.getHours()']"),
    (
        "a function of a personal field",
        COMPOSITE,
        "[card.lowerAscii(), merchant]",
    ),
    ("a feature", COMPOSITE, "[card, of_account]"),
    ("another entity", COMPOSITE, "[account, merchant]"),
    (
        "labels without a part",
        "card: {type: text, personal: true}, merchant: text, fraud",
        "card: {type: text, personal: true}, fraud",
    ),
    ("a mapping", COMPOSITE, "{card: merchant}"),
];

#[test]
fn what_is_wrong_with_keys() {
    insta::assert_snapshot!(reports(PIPELINE, MISTAKES, |_, file| file));
}

#[test]
fn the_plan_shows_how_keys_are_made() {
    let compiled = compiled(PIPELINE).unwrap_or_else(|report| panic!("{report}"));
    insta::assert_snapshot!(explain(&compiled));
}
