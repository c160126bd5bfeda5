//! Which records are events, and when: envelopes, filters, record timestamps, local times, the earliest time.

use riskstream_definition::{Style, compile, run_examples};
use std::path::Path;

const REST: &str = r#"
entities: {customer: {key: customer}}
features:
  count_1d: {entity: customer, count: transactions, window: 1d}
  sum_1d: {entity: customer, sum: amount, window: 1d}
rules: [{name: busy, when: count_1d > 100, then: review}]
outputs: {decisions: decisions, dead_letters: dead-letters}
"#;

/// Compiles a pipeline and runs its examples.
fn run(inputs: &str, examples: &str) {
    let source = format!("name: records\ninputs:{inputs}{REST}examples:{examples}");
    let compiled = compile("pipeline.yaml", &source, Path::new("."), &|_| None);
    let compiled = compiled.unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
    run_examples(&compiled).unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
}

/// MySQL's connector with `decimal.handling.mode=precise` and `time.precision.mode=connect`; the second event is written with
/// the converter's schema. 12.34 is the base64 of 0x04d2, 5.66 that of 0x0236.
const CHANGES: &str = r#"
  - name: changes of a table
    events:
      - transactions: {before: null, after: {id: 1, customer: C, amount: BNI=, at: 1773480600000}, source: {ts_ms: 1}, op: c, ts_ms: 2}
        expect: {features: {count_1d: 1, sum_1d: 12.34}}
      - transactions:
          schema: {type: struct, optional: false, name: dbserver1.shop.payments.Envelope}
          payload: {before: null, after: {id: 2, customer: C, amount: AjY=, at: 1773480601000}, source: {ts_ms: 1}, op: r, ts_ms: 2}
        expect: {features: {count_1d: 2, sum_1d: 18.0}}
      - transactions: {before: {id: 1, customer: C, amount: BNI=, at: 1773480600000}, after: null, source: {ts_ms: 1}, op: d, ts_ms: 2}
      - transactions: {source: {ts_ms: 1}, op: t, ts_ms: 2}
      - transactions: {before: {id: 2}, after: {id: 2, customer: C, amount: AjY=, at: 1773480601000}, source: {ts_ms: 1}, op: u, ts_ms: 2}
"#;

const DEBEZIUM: &str = r#"
  transactions:
    topic: dbserver1.shop.payments
    envelope: debezium
    id: id
    event_time: at
    fields: {id: int, customer: text, amount: {type: float, decimal_scale: 2}, at: timestamp}"#;

#[test]
fn changes_of_debezium() {
    let update = CHANGES.trim_end().to_owned() + "\n        expect: {features: {count_1d: 2}, flags: [duplicate]}\n";
    run(DEBEZIUM, &update);
}

/// What a transformation of Kafka Connect has unwrapped is no change event, though each of its columns is there.
#[test]
fn a_row_without_its_envelope_is_a_dead_letter() {
    let unwrapped = r#"
  - name: unwrapped
    events:
      - transactions: {id: 1, customer: C, amount: BNI=, at: 1773480600000, __op: c}
        expect: {dead_letter: missing_field}
      - transactions: {before: null, after: {id: 1, customer: C, amount: BNI=, at: 1773480600000}, source: {ts_ms: 1}}
        expect: {dead_letter: missing_field}
      - transactions: {before: {id: 1}, after: null, op: d}
      - transactions: {after: {id: 1, customer: C, amount: BNI=, at: 1773480600000}, op: c}
        expect: {features: {count_1d: 1}}
"#;
    run(DEBEZIUM, unwrapped);
}

#[test]
fn only_creations_of_debezium() {
    let later = r#"      - transactions: {after: {id: 3, customer: C, amount: AjY=, at: 1773480602000}, op: c}
        expect: {features: {count_1d: 3}, flags: []}
"#;
    let inputs = DEBEZIUM.replace("    id: id", "    where: op in [\"c\", \"r\"]\n    id: id");
    run(&inputs, &(CHANGES.to_owned() + later));
}

#[test]
fn labels_are_updates_of_a_table() {
    let inputs = format!(
        r#"{DEBEZIUM}
  labels:
    topic: dbserver1.shop.disputes
    envelope: debezium
    where: op == "u" && status == "fraud"
    id: id
    event_time: known_at
    fields: {{id: int, customer: text, status: text, known_at: {{type: timestamp, path: $.ts_ms}}}}"#
    );
    let source = format!(
        "name: records\ninputs:{inputs}{}",
        REST.replace(
            "  sum_1d",
            "  frauds: {entity: customer, count: labels, window: 1d}\n  sum_1d"
        )
    );
    let examples = r#"examples:
  - name: a dispute
    events:
      - transactions: {after: {id: 1, customer: C, amount: BNI=, at: 1773480600000}, op: c}
        expect: {features: {frauds: 0}}
      - labels: {after: {id: 1, customer: C, status: open}, op: c, ts_ms: 1773480600500}
      - labels: {after: {id: 1, customer: C, status: closed}, op: u, ts_ms: 1773480600600}
      - labels: {before: {status: open}, after: {id: 1, customer: C, status: fraud}, op: u, ts_ms: 1773480600700}
      - transactions: {after: {id: 2, customer: C, amount: BNI=, at: 1773480601000}, op: c}
        expect: {features: {frauds: 1}}
"#;
    let compiled = compile("pipeline.yaml", &(source + examples), Path::new("."), &|_| None);
    let compiled = compiled.unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
    run_examples(&compiled).unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
}

const PLAIN: &str = r#"
  transactions:
    topic: payments
    id: id
    event_time: at
    fields: {id: text, customer: text, amount: float, at: timestamp, kind: text}"#;

#[test]
fn a_filter_leaves_records_out() {
    let inputs = PLAIN.replace("    id: id", "    where: kind == \"sale\" && amount > 0\n    id: id");
    run(
        &inputs,
        r#"
  - name: sales
    events:
      - transactions: {id: a, customer: C, amount: 5, at: 1773480600000, kind: sale}
        expect: {features: {count_1d: 1}}
      - transactions: {id: b, customer: C, amount: 5, at: 1773480600000, kind: refund}
      - transactions: {id: c, customer: C, amount: 5, at: 1773480600000}
      - transactions: {kind: heartbeat}
      - transactions: {id: d, amount: 5, at: 1773480600000, kind: sale}
        expect: {dead_letter: missing_field}
      - transactions: {id: e, customer: C, amount: 5, at: 1773480600001, kind: sale}
        expect: {features: {count_1d: 2}}
"#,
    );
}

#[test]
fn the_records_timestamp_is_the_event_time() {
    let inputs = PLAIN.replace("event_time: at", "event_time: {from: record}");
    run(
        &inputs,
        r#"
  - name: two days
    events:
      - transactions: {id: a, customer: C, amount: 5}
        at: 2026-03-14T09:30:00Z
        expect: {features: {count_1d: 1}}
      - transactions: {id: b, customer: C, amount: 5}
        at: 2026-03-15T09:29:59.999Z
        expect: {features: {count_1d: 2}}
      - transactions: {id: c, customer: C, amount: 5}
        at: 2026-03-15T09:30:00Z
        expect: {features: {count_1d: 2}}
      - transactions: {id: d, customer: C, amount: 5}
        expect: {dead_letter: missing_field}
"#,
    );
}

#[test]
fn times_before_the_earliest_are_refused() {
    let inputs = PLAIN.replace("event_time: at", "event_time: at\n    min_time: 2020-01-01");
    run(
        &inputs,
        r#"
  - name: seconds as milliseconds
    events:
      - transactions: {id: a, customer: C, amount: 5, at: 1773480600}
        expect: {dead_letter: past_event_time}
      - transactions: {id: b, customer: C, amount: 5, at: 1577836799999}
        expect: {dead_letter: past_event_time}
      - transactions: {id: c, customer: C, amount: 5, at: 1577836800000}
        expect: {features: {count_1d: 1}}
"#,
    );
}

#[test]
fn local_times_and_nanoseconds() {
    let inputs = PLAIN.replace(
        "at: timestamp",
        "at: {type: timestamp, zone: Europe/Berlin, unit: nanos}",
    );
    run(
        &inputs,
        r#"
  - name: a day of 23 hours
    events:
      - transactions: {id: a, customer: C, amount: 5, at: "2026-03-28 12:00"}
        expect: {features: {count_1d: 1}}
      - transactions: {id: b, customer: C, amount: 5, at: "2026-03-29 12:59:59.999"}
        expect: {features: {count_1d: 2}}
      - transactions: {id: c, customer: C, amount: 5, at: 1774782000000000000}
        expect: {features: {count_1d: 2}}
"#,
    );
}
