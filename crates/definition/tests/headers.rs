//! What is wrong with the headers of decisions.

mod mistakes;

use mistakes::{Mistake, compiled, reports};

const PIPELINE: &str = r#"
name: headers
inputs:
  transactions:
    topic: transactions
    key: customer
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, card: {type: text, personal: true}, amount: float}
entities: {customer: {key: customer}}
features:
  payments: {entity: customer, count: transactions, window: 1h}
  last_card: {entity: customer, last: card}
  cards: {entity: customer, distinct: card, window: 1h}
rules: [{name: large, when: amount > 1000, then: review, set: {queue: high_value}}]
outputs: {decisions: decisions, dead_letters: dead-letters}
headers:
  copy: [traceparent, correlation-id]
  fields: {outcome: outcome, queue: attributes.queue, amount: amount, cards: cards, large: '"large" in rules'}
personal_data: {key_env: SECRET}
"#;

#[test]
fn the_correct_file_is_correct() {
    compiled(PIPELINE).unwrap_or_else(|report| panic!("{report}"));
}

const CASES: &[Mistake] = &[
    ("an unknown name", "outcome: outcome", "outcome: outcom"),
    ("a personal field", "amount: amount", "card: card"),
    (
        "a text that is computed from one",
        "amount: amount",
        "card: last_card + '!'",
    ),
    ("a list", "outcome: outcome", "outcome: rules"),
    ("a header twice", "correlation-id", "traceparent"),
    ("a header copied and computed", "correlation-id", "amount"),
    ("the header of the schema", "correlation-id", "__value_schema_id"),
    ("no name", "correlation-id", "''"),
    ("an unknown key", "copy:", "copied:"),
    ("a broken feature", "count: transactions", "cuont: transactions"),
];

#[test]
fn what_is_wrong_with_headers() {
    let text = reports(PIPELINE, CASES, |_, file| file);
    insta::assert_snapshot!(text);
}
