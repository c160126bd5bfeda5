//! Inputs of `kind: table`: rows that belong to entities.

mod mistakes;

use mistakes::{Mistake, compiled, reports};
use riskstream_definition::{Compiled, Style, explain, run_examples};
use riskstream_engine::plan::InputKind;
use riskstream_features::Aggregation;

const CORRECT: &str = r#"
name: shop
inputs:
  transactions:
    topic: payments
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, merchant: text, amount: float, limit: float}
  merchants:
    kind: table
    topic: merchants
    key: merchant
    event_time: updated_at
    delete_when: status == "closed"
    where: status != "draft"
    fields: {merchant: text, updated_at: timestamp, category: text, limit: float, status: text, notes: text}
  customers:
    kind: table
    topic: customers
    key: customer
    event_time: {from: record}
    fields: {customer: text, opened: timestamp}
entities:
  merchant: {key: merchant}
  customer: {key: customer}
features:
  payments_1h: {entity: customer, count: transactions, window: 1h}
  large_1h: {entity: customer, count: transactions, window: 1h, when: amount > merchants.limit}
  category: {expression: merchants.category}
  age_days: {expression: 'double((event_time - customers.opened).getHours()) / 24.0'}
rules:
  - {name: over_limit, when: amount > merchants.limit, then: review, reason: L1}
  - {name: gambling, when: 'merchants.category == "gambling" && age_days < 30', then: decline, reason: G1}
  - {name: unknown_merchant, when: merchants.updated_at == null, then: review, reason: U1}
outputs: {decisions: decisions, dead_letters: dead}
kafka: {brokers: localhost:9092}
examples:
  - name: rows hold from their time on
    events:
      - merchants: {merchant: m1, updated_at: "2026-01-01T00:00:00Z", category: gambling, limit: 100, status: open}
      - customers: {customer: c1, opened: "2026-01-01T00:00:00Z"}
        at: "2026-01-01T00:00:00Z"
      - transactions: {id: a, time: "2026-01-05T12:00:00Z", customer: c1, merchant: m1, amount: 120}
        expect: {outcome: decline, features: {merchants.limit: 100, large_1h: 1, age_days: 4.5}}
      - merchants: {merchant: m1, updated_at: "2026-01-05T12:10:00Z", category: other, limit: 1, status: draft}
      - merchants: {merchant: m1, updated_at: "2026-01-05T12:30:00Z", category: shop, limit: 200, status: open}
      - transactions: {id: b, time: "2026-01-05T12:30:00Z", customer: c1, merchant: m1, amount: 120}
        expect: {outcome: approve, features: {merchants.category: shop, large_1h: 1}}
      - transactions: {id: c, time: "2026-01-05T12:29:59Z", customer: c1, merchant: m1, amount: 120}
        expect: {outcome: decline, features: {merchants.category: gambling, large_1h: 2}, flags: [late]}
  - name: rows are deleted
    events:
      - merchants: {merchant: m1, updated_at: "2026-01-01T00:00:00Z", category: gambling, limit: 100, status: open}
      - merchants: {merchant: m1, updated_at: "2026-01-05T12:40:00Z", status: closed}
      - transactions: {id: d, time: "2026-01-05T12:50:00Z", customer: c1, merchant: m1, amount: 120}
        expect: {outcome: review, reasons: [U1], features: {merchants.category: null, merchants.limit: null}}
      - merchants: {merchant: m1, updated_at: "2026-01-05T13:00:00Z", category: books, status: open}
      - transactions: {id: e, time: "2026-01-05T13:00:00Z", customer: c1, merchant: m1, amount: 120}
        expect: {outcome: approve, features: {merchants.category: books, merchants.limit: null}}
      - {merchants: null, key: m1, at: "2026-01-05T13:10:00Z"}
      - transactions: {id: f, time: "2026-01-05T13:09:59Z", customer: c1, merchant: m1, amount: 120}
        expect: {features: {merchants.category: books}}
      - transactions: {id: g, time: "2026-01-05T13:10:00Z", customer: c1, merchant: m1, amount: 120}
        expect: {features: {merchants.category: null}}
"#;

fn valid(source: &str) -> Compiled {
    compiled(source).unwrap_or_else(|report| panic!("{report}"))
}

fn warnings(source: &str) -> String {
    let warnings = valid(source).warnings();
    warnings.map_or_else(String::new, |report| report.render(Style::Plain, 120))
}

/// The examples run, and they say what they should: others differ.
#[test]
fn examples_with_rows() {
    let examples = run_examples(&valid(CORRECT));
    assert_eq!(
        examples.unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120))),
        2
    );
    assert_eq!(warnings(CORRECT), "");
    let without = CORRECT.replacen(
        "      - {merchants: null, key: m1, at: \"2026-01-05T13:10:00Z\"}\n",
        "",
        1,
    );
    let report = run_examples(&valid(&without)).expect_err("the row is not deleted");
    let report = report.render(Style::Plain, 120);
    assert!(
        report.contains("merchants.category is \"books\", the example expects null"),
        "{report}"
    );
    let in_time = CORRECT.replacen("12:50:00Z\", customer", "12:39:59Z\", customer", 1);
    let report = run_examples(&valid(&in_time))
        .expect_err("the row is deleted later")
        .render(Style::Plain, 120);
    assert!(
        report.contains("merchants.limit is 100.0, the example expects null"),
        "{report}"
    );
}

#[test]
fn a_record_that_is_passed_over_deletes_nothing() {
    let source = CORRECT
        .replacen("status == \"closed\"", "status == \"closed\" || limit < 0.0", 1)
        .replacen("limit: 1, status: draft", "limit: -1, status: draft", 1);
    assert_ne!(source, CORRECT);
    let examples = run_examples(&valid(&source));
    assert_eq!(
        examples.unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120))),
        2
    );
}

/// A record that deletes a row needs a key and a time.
#[test]
fn deletions_that_cannot_be_used() {
    for (from, to, reason) in [
        ("key: m1, at: \"2026-01-05T13:10:00Z\"}", "key: m1}", "missing_field"),
        ("key: m1, at: ", "key: '', at: ", "missing_key"),
        (
            "{merchant: m1, updated_at: \"2026-01-05T12:40:00Z\", status: closed}",
            "{merchant: m1, status: closed}",
            "missing_field",
        ),
        (
            "{merchant: m1, updated_at: \"2026-01-05T12:40:00Z\", status: closed}",
            "{status: closed, updated_at: \"2026-01-05T12:40:00Z\"}",
            "missing_key",
        ),
        (
            "{merchant: m1, updated_at: \"2026-01-05T13:00:00Z\", category: books",
            "{updated_at: \"2026-01-05T13:00:00Z\", category: books",
            "missing_field",
        ),
        (
            "{merchant: m1, updated_at: \"2026-01-05T13:00:00Z\", category: books",
            "{merchant: m1, updated_at: soon, category: books",
            "invalid_time",
        ),
    ] {
        let source = CORRECT.replacen(from, to, 1);
        assert!(source != CORRECT, "{from}");
        let report = run_examples(&valid(&source))
            .expect_err("a dead letter")
            .render(Style::Plain, 120);
        assert!(
            report.contains(&format!("this became a dead letter: {reason}")),
            "{to}: {report}"
        );
    }
}

/// Changes of a table, as Debezium writes them: a deletion has no row, and its key is that of the record.
#[test]
fn rows_in_an_envelope() {
    let source = r#"
name: shop
inputs:
  transactions:
    topic: payments
    id: id
    event_time: time
    fields: {id: text, time: timestamp, merchant: int}
  merchants:
    kind: table
    topic: db.merchants
    envelope: debezium
    key: merchant
    event_time: changed_at
    fields: {merchant: int, tier: text, changed_at: {type: timestamp, path: $.source.ts_ms}}
entities: {merchant: {key: merchant}}
rules: [{name: gold, when: merchants.tier == "gold", then: review}]
outputs: {decisions: decisions, dead_letters: dead}
examples:
  - name: a merchant comes and goes
    events:
      - merchants: {op: r, before: null, after: {merchant: 7, tier: gold}, source: {ts_ms: 1767225600000}}
      - transactions: {id: a, time: 1767225600000, merchant: 7}
        expect: {features: {merchants.tier: gold}}
      - merchants: {op: u, before: {merchant: 7, tier: gold}, after: {merchant: 7, tier: tin}, source: {ts_ms: 1767225660000}}
      - merchants: {op: t, before: null, after: null, source: {ts_ms: 1767225661000}}
      - transactions: {id: b, time: 1767225661000, merchant: 7}
        expect: {features: {merchants.tier: tin}}
      - merchants: {op: d, before: {merchant: 7, tier: tin}, after: null, source: {ts_ms: 1767225720000}}
        key: '{"schema": {}, "payload": {"merchant": 7}}'
      - transactions: {id: c, time: 1767225719999, merchant: 7}
        expect: {features: {merchants.tier: tin}}
      - transactions: {id: d, time: 1767225720000, merchant: 7}
        expect: {features: {merchants.tier: null}}
"#;
    let examples = run_examples(&valid(source));
    assert_eq!(
        examples.unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120))),
        1
    );
}

/// Rows are applied at their entity, with the columns that are used; a field of a transaction is not read because a column has its
/// name.
#[test]
fn rows_go_to_their_entity() {
    let compiled = valid(CORRECT);
    let plan = &compiled.plan;
    assert_eq!(plan.inputs[1].kind, InputKind::Table);
    let applied: Vec<Vec<bool>> = plan
        .stages
        .iter()
        .map(|stage| stage.keys.iter().map(Option::is_some).collect())
        .collect();
    assert_eq!(applied, [[true, true, false], [true, false, true]]);
    let decoded = |input: usize| {
        compiled.inputs[input]
            .fields
            .iter()
            .map(|field| field.name.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(decoded(0), ["amount", "customer", "id", "merchant", "time"]);
    assert_eq!(decoded(1), ["category", "limit", "merchant", "status", "updated_at"]);
    let columns = plan.stages[0]
        .features
        .spec()
        .features
        .iter()
        .filter(|feature| feature.aggregation == Aggregation::Row);
    let mut columns: Vec<&str> = columns.map(|feature| feature.name.as_str()).collect();
    columns.sort_unstable();
    assert_eq!(
        columns,
        ["merchants.category", "merchants.limit", "merchants.updated_at"]
    );
    let listed: Vec<&str> = plan.decide.features.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        listed[4..],
        [
            "merchants.category",
            "merchants.limit",
            "merchants.updated_at",
            "customers.opened"
        ]
    );
}

/// The state depends on what makes a record a row; a table that is not used changes nothing.
#[test]
fn the_state_knows_what_rows_are() {
    let prints = |source: &str| {
        valid(source)
            .plan
            .stages
            .iter()
            .map(|stage| stage.fingerprint.clone())
            .collect::<Vec<_>>()
    };
    let correct = prints(CORRECT);
    for (from, to) in [
        (
            "    delete_when: status == \"closed\"\n",
            "    delete_when: status == \"gone\"\n",
        ),
        ("    event_time: updated_at", "    event_time: {from: record}"),
        ("category == \"gambling\"", "status == \"gambling\""),
    ] {
        let file = &CORRECT[..CORRECT.find("examples:").unwrap()];
        assert!(file.contains(from), "{from}");
        assert!(prints(&file.replacen(from, to, 1))[0] != correct[0], "{to}");
    }
    let unused = without_tables(CORRECT);
    let tables = unused.find("  merchants:").unwrap()..unused.find("entities:").unwrap();
    let gone = unused.replacen(&unused[tables], "", 1);
    assert_eq!(prints(&unused), prints(&gone));
}

/// Nothing uses a table.
fn without_tables(source: &str) -> String {
    source[..source.find("examples:").unwrap()]
        .replace("when: amount > merchants.limit", "when: amount > 1")
        .replace("merchants.category == \"gambling\" && age_days < 30", "amount > 2")
        .replace("merchants.updated_at == null", "amount > 3")
        .replace("  category: {expression: merchants.category}\n", "")
        .replace(
            "  age_days: {expression: 'double((event_time - customers.opened).getHours()) / 24.0'}\n",
            "",
        )
}

#[test]
fn a_table_that_nothing_uses_is_a_warning() {
    insta::assert_snapshot!(warnings(&without_tables(CORRECT)));
}

#[test]
fn the_plan_names_rows() {
    let text = explain(&valid(CORRECT));
    let from = text.find("\ninput merchants").expect("the input");
    insta::assert_snapshot!(&text[from..text.find("\nstage 2").expect("the stage")]);
}

const MISTAKES: &[Mistake] = &[
    (
        "an unknown kind",
        "kind: table\n    topic: merchants",
        "kind: tabel\n    topic: merchants",
    ),
    ("a table without a key", "    key: merchant\n", ""),
    (
        "a key that is the key of no entity",
        "    key: merchant\n",
        "    key: category\n",
    ),
    (
        "a key that is not declared",
        "    key: merchant\n",
        "    key: merchnt\n",
    ),
    (
        "a table with an id",
        "    key: merchant\n",
        "    key: merchant\n    id: merchant\n",
    ),
    ("a table without times", "    event_time: updated_at\n", ""),
    (
        "a table whose labels arrive",
        "    key: merchant\n",
        "    key: merchant\n    arrives_within: 1d\n",
    ),
    (
        "deletions of transactions",
        "    topic: payments\n",
        "    topic: payments\n    delete_when: amount > 1\n",
    ),
    (
        "events without an id",
        "    topic: payments\n    id: id\n",
        "    topic: payments\n",
    ),
    (
        "an unknown column",
        "amount > merchants.limit, then",
        "amount > merchants.limits, then",
    ),
    (
        "the key as a column",
        "merchants.updated_at == null",
        "merchants.merchant == null",
    ),
    (
        "a table as a list",
        "merchants.updated_at == null",
        "'merchant in merchants'",
    ),
    (
        "a table as a look-up",
        "merchants.updated_at == null",
        "'merchants[merchant].limit == null'",
    ),
    (
        "a field of a table in a rule",
        "merchants.updated_at == null",
        "updated_at == null",
    ),
    ("a field of a table in an expression", "customers.opened", "opened"),
    (
        "a field of a table in a condition",
        "when: amount > merchants.limit}",
        "when: status == \"x\"}",
    ),
    (
        "a column of another type",
        "amount > merchants.limit, then",
        "amount > merchants.category, then",
    ),
    (
        "rows that are aggregated",
        "count: transactions, window: 1h}",
        "count: merchants, window: 1h}",
    ),
    (
        "rows whose values are aggregated",
        "count: transactions, window: 1h}",
        "last: category, of: merchants}",
    ),
    (
        "a table of an entity that is declared later",
        "  merchant: {key: merchant}\n  customer: {key: customer}",
        "  customer: {key: customer}\n  merchant: {key: merchant}",
    ),
    (
        "a table of the same entity in a condition",
        "when: amount > merchants.limit}",
        "when: event_time > customers.opened}",
    ),
    (
        "a deletion that reads another input",
        "delete_when: status",
        "delete_when: id",
    ),
    (
        "a column and a field of one name",
        "limit: float}\n  merchants",
        "'merchants.limit': float}\n  merchants",
    ),
    (
        "types that differ",
        "limit: float}\n  merchants",
        "limit: int}\n  merchants",
    ),
    (
        "a list with the columns of a table",
        "entities:",
        "lists: {merchants.limit: [1]}\nentities:",
    ),
    (
        "no value for an input that is no table",
        "transactions: {id: d, time: \"2026-01-05T12:50:00Z\", customer: c1, merchant: m1, amount: 120}\n        expect: {outcome: review, reasons: [U1], features: {merchants.category: null, merchants.limit: null}}",
        "{transactions: null, key: d}",
    ),
    (
        "a key of an input that is no table",
        "merchant: m1, amount: 120}\n        expect: {outcome: decline, features: {merchants.limit: 100",
        "merchant: m1, amount: 120}\n        key: c1\n        expect: {outcome: decline, features: {merchants.limit: 100",
    ),
    (
        "a column that an example does not know",
        "features: {merchants.category: shop",
        "features: {merchants.categories: shop",
    ),
];

#[test]
fn mistakes_in_tables_of_rows() {
    insta::assert_snapshot!(reports(CORRECT, MISTAKES, |_, source| source));
}
