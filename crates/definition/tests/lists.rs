//! Lists whose entries change: their keys, what rules read of them, and the entries of examples.

mod mistakes;

use mistakes::{Mistake, reports};
use riskstream_definition::{Style, compile, run_examples};
use riskstream_engine::plan::{Lookup, Within};
use riskstream_lists::Keys;
use std::path::Path;

const PIPELINE: &str = r#"
name: lists
personal_data: {key_env: RISKSTREAM_PERSONAL_DATA_KEY}
inputs:
  transactions:
    topic: transactions
    key: customer
    id: id
    event_time: time
    fields:
      id: text
      time: timestamp
      customer: text
      card: {type: text, personal: true}
      other_card: {type: text, personal: true}
      merchant: int
      email: text
      amount: float
  labels:
    topic: labels
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, analyst: text}
entities: {customer: {key: customer}}
features:
  payments: {entity: customer, count: transactions, window: 1h}
  domain: {expression: email_domain(email)}
lists:
  countries: [DE, FR]
  blocked_cards: {key: card, topic: blocked-cards, also: [other_card]}
  limits: {key: merchant, topic: limits}
  domains: {key: domain, topic: domains}
rules:
  - {name: blocked, when: card in blocked_cards || other_card in blocked_cards, then: decline, reason: R1}
  - {name: stolen, when: 'blocked_cards[card].reason == "stolen"', then: decline, reason: R2}
  - {name: over_limit, when: 'amount > double(limits[merchant].value)', then: review, reason: R3}
  - {name: domain, when: domain in domains && amount > 5, then: review, reason: R4}
  - {name: unlisted, when: '!(merchant in limits)', then: approve, reason: R5, mode: shadow}
outputs:
  decisions: decisions
  dead_letters: dead-letters
  stolen: {topic: stolen, when: 'blocked_cards[card].author == "jane"'}
"#;

const EXAMPLES: &str = r#"
examples:
  - name: entries count until their end
    lists:
      blocked_cards:
        - {key: "4000", reason: stolen, author: jane, until: "2026-01-05T12:00:30Z"}
        - {key: 4001}
      limits: [{key: 7, value: 99.5}]
      domains: [{key: evil.example}]
    events:
      - transactions: {id: a, time: "2026-01-05T12:00:00Z", customer: C, card: "4000", merchant: 7, amount: 99.5}
        expect: {outcome: decline, reasons: [R1, R2], outputs: [stolen], shadow_rules: []}
      - transactions: {id: b, time: "2026-01-05T12:00:30Z", customer: C, card: "4000", merchant: 7, amount: 100}
        expect: {outcome: review, reasons: [R3], outputs: []}
      - transactions: {id: c, time: "2026-01-05T12:01:00Z", customer: C, card: "4002", other_card: "4001", merchant: 8, amount: 1000}
        expect: {outcome: decline, reasons: [R1], shadow_rules: [R5]}
      - transactions: {id: d, time: "2026-01-05T12:01:00Z", customer: C, email: "me@Evil.example", amount: 10}
        expect: {outcome: review, reasons: [R4], shadow_rules: []}
  - name: without entries nothing is on a list
    events:
      - transactions: {id: a, time: "2026-01-05T12:00:00Z", customer: C, card: "4000", merchant: 7, amount: 1000}
        expect: {outcome: approve, reasons: [], shadow_rules: [R5]}
"#;

#[test]
fn rules_and_outputs_read_the_entries_of_examples() {
    let source = format!("{PIPELINE}{EXAMPLES}");
    let shown = |report: riskstream_definition::Report| report.render(Style::Plain, 120);
    let compiled = compile("lists.yaml", &source, Path::new("."), &|_| None).map_err(shown);
    let compiled = compiled.unwrap_or_else(|report| panic!("{report}"));
    let examples = run_examples(&compiled).map_err(shown);
    assert_eq!(examples.unwrap_or_else(|report| panic!("{report}")), 2);
}

#[test]
fn the_field_says_what_the_keys_are() {
    let compiled = compile("lists.yaml", PIPELINE, Path::new("."), &|_| None).unwrap();
    let lists: Vec<_> = compiled
        .lists
        .iter()
        .map(|list| (list.name.as_str(), &*list.topic, list.keys_of_entries().unwrap()))
        .collect();
    assert_eq!(
        lists,
        [
            ("blocked_cards", "blocked-cards", Keys::Pseudonyms),
            ("limits", "limits", Keys::Clear),
            ("domains", "domains", Keys::Clear),
        ]
    );
    let list = |lookup: &Lookup| match lookup.within {
        Within::List(list) => list,
        Within::Table(_) | Within::TableInForce(_) => panic!("it is a list"),
    };
    // The domain is computed first.
    let looked_up: Vec<usize> = compiled.plan.decide.lookups().map(list).collect();
    assert_eq!(looked_up, [0, 0, 1, 2]);
    assert!(compiled.repartition_topics[0].is_some(), "notices are written to it");
}

const MISTAKES: &[Mistake] = &[
    ("an unknown list", "card in blocked_cards ||", "card in bloked_cards ||"),
    (
        "an unknown list that is indexed",
        "blocked_cards[card].reason ==",
        "bloked_cards[card].reason ==",
    ),
    ("another value", "card in blocked_cards ||", "email in blocked_cards ||"),
    (
        "a value of another type",
        "card in blocked_cards ||",
        "amount in blocked_cards ||",
    ),
    (
        "an unknown field of an entry",
        "blocked_cards[card].reason ==",
        "blocked_cards[card].why ==",
    ),
    (
        "a list in a feature",
        "window: 1h}",
        "window: 1h, when: card in blocked_cards}",
    ),
    (
        "a field of an entry in a feature",
        "email_domain(email)",
        "'limits[merchant].value'",
    ),
    (
        "a list in a filter",
        "    id: id\n",
        "    where: card in blocked_cards\n    id: id\n",
    ),
    ("a key that is unknown", "key: card, topic", "key: crad, topic"),
    ("a key that is a float", "key: merchant, topic", "key: amount, topic"),
    ("a key that is a list", "key: merchant, topic", "key: countries, topic"),
    ("a key of labels", "key: merchant, topic", "key: analyst, topic"),
    ("a further key in clear", "also: [other_card]", "also: [email]"),
    (
        "a further key of another type",
        "key: domain, topic: domains",
        "key: domain, also: [merchant], topic: domains",
    ),
    ("no topic", "{key: domain, topic: domains}", "{key: domain}"),
    ("no key", "{key: domain, topic: domains}", "{topic: domains}"),
    ("the topic of another list", "topic: limits", "topic: blocked-cards"),
    ("the topic of an input", "topic: limits", "topic: transactions"),
    ("the topic of an output", "topic: limits", "topic: decisions"),
    ("a topic with a blank", "topic: limits", "topic: my limits"),
    ("a name that is taken", "  limits: {", "  amount: {"),
    ("an unknown key", "topic: domains}", "topics: domains}"),
    ("neither list nor mapping", "[DE, FR]", "DE"),
];

#[test]
fn mistakes() {
    insta::assert_snapshot!(reports(PIPELINE, MISTAKES, |_, source| source));
}

const WRONG_EXAMPLES: &[Mistake] = &[
    ("an unknown list", "      limits: [", "      limit: ["),
    ("a list of constants", "      limits: [", "      countries: ["),
    ("an entry without a key", "- {key: 4001}", "- {reason: lost}"),
    ("a key that is a list", "- {key: 4001}", "- {key: [4001]}"),
    (
        "a time that is none",
        "until: \"2026-01-05T12:00:30Z\"",
        "until: tomorrow",
    ),
];

#[test]
fn mistakes_in_examples() {
    insta::assert_snapshot!(reports(
        &format!("{PIPELINE}{EXAMPLES}"),
        WRONG_EXAMPLES,
        |_, source| source
    ));
}
