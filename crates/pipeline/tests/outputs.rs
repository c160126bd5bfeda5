//! Further outputs on the in-process log: with aborts, crashes and rebalances each decision is exactly once where its condition
//! holds, with the bytes that it has on the topic of decisions.

mod catch_up;
mod history;

use catch_up::decisions;
use history::{events, fill};
use riskstream_definition::{Style, compile};
use riskstream_events::OwnedDecisionRecord;
use riskstream_pipeline::faulty::Faults;
use riskstream_pipeline::memory::StoredRecord;
use riskstream_pipeline::{TestDriver, WorkerRole};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const OUTCOMES: &str = "outcomes: [approve, challenge, review, decline]\nrules:\n  \
                        - {name: often, when: customer_count_1d > 3, then: challenge}\n";
const OUTPUTS: &str = r#"
  challenges: {topic: challenges, when: 'outcome == "challenge"'}
  scores: {topic: scores, when: score > 0.01 && outcome != "challenge"}
"#;

fn driver(faults: Faults) -> TestDriver {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines");
    let source = std::fs::read_to_string(directory.join("card-fraud.yaml")).unwrap();
    let (before, rest) = source.split_once("outputs:").expect("the shipped pipeline has outputs");
    let (outputs, after) = rest.split_once('\n').unwrap();
    assert_eq!(outputs, "", "a block");
    let source = format!("{}outputs:{OUTPUTS}{after}", before.replace("rules:\n", OUTCOMES));
    let (source, _) = source
        .split_once("examples:")
        .expect("the shipped pipeline has examples");
    let compiled = compile("card-fraud.yaml", source, &directory, &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
    let topology = compiled.json_topology(Some(b"a secret for simulated people")).unwrap();
    let mut driver = catch_up::driver(Arc::new(topology), 3);
    driver.set_faults(faults);
    driver
}

/// The records by event id. None is there twice.
fn by_id(records: Vec<StoredRecord>) -> BTreeMap<String, StoredRecord> {
    let count = records.len();
    let id = |record: &StoredRecord| {
        let decision = OwnedDecisionRecord::from_json(record.value.as_deref().unwrap()).unwrap();
        decision.event_id
    };
    let records: BTreeMap<String, StoredRecord> = records.into_iter().map(|record| (id(&record), record)).collect();
    assert_eq!(records.len(), count, "a record is there twice");
    records
}

#[test]
fn each_decision_is_once_where_its_condition_holds() {
    let events = events();
    for (faults, workers) in [
        (Faults::default(), &[WorkerRole::All][..]),
        (Faults::of_each_kind(1000), &[WorkerRole::All; 3]),
        (
            Faults::of_each_kind(2000),
            &[WorkerRole::Upstream, WorkerRole::Deciding, WorkerRole::Deciding],
        ),
    ] {
        let mut driver = driver(faults);
        workers.iter().for_each(|role| driver.add_worker_of(*role));
        fill(&driver, &events);
        driver.run().expect("the run ends");
        let records = by_id(driver.decisions());
        let [challenges, scores] = ["challenges", "scores"].map(|topic| by_id(driver.broker.all_records(topic)));
        assert!(
            challenges.len() > 20 && !scores.is_empty(),
            "{} {}",
            challenges.len(),
            scores.len()
        );
        for (id, decision) in decisions(&driver) {
            let is_challenge = decision.outcome == "challenge";
            let is_scored = !is_challenge && decision.score.is_some_and(|score| score > 0.01);
            assert_eq!(challenges.get(&id), is_challenge.then(|| &records[&id]), "{id}");
            assert_eq!(scores.get(&id), is_scored.then(|| &records[&id]), "{id}");
        }
    }
}

const HEADERS: &str = r#"
name: headers
inputs:
  transactions:
    topic: transactions
    id: id
    event_time: time
    fields: {id: text, time: timestamp, card: text, shop: text, amount: float}
entities: {card: {key: card}, shop: {key: shop}}
features:
  at_card: {entity: card, count: transactions, window: 1d}
  at_shop: {entity: shop, count: transactions, window: 1d}
rules: [{name: large, when: amount > 100, then: review, set: {queue: high}}]
outputs:
  decisions: decisions
  dead_letters: dead-letters
  alerts: {topic: alerts, when: outcome == "review"}
headers:
  copy: [traceparent, correlation-id]
  fields: {outcome: outcome, queue: attributes.queue, amount: amount * 2.0}
"#;

type Headers<'a> = Vec<(&'a str, &'a [u8])>;

fn headers(record: &StoredRecord) -> Headers<'_> {
    let headers = record.headers.iter();
    headers.map(|(name, value)| (name.as_str(), value.as_slice())).collect()
}

/// Two stages and two repartition topics lie between a transaction and its decision.
#[test]
fn headers_of_a_transaction_come_to_its_decision() {
    let compiled = compile("headers.yaml", HEADERS, Path::new("."), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
    let mut driver = TestDriver::new(Arc::new(compiled.json_topology(None).unwrap()), 2);
    let sent: [(&str, f64, Headers<'_>); 3] = [
        ("a", 1.0, vec![("traceparent", b"00-1f-01"), ("other", b"x")]),
        (
            "b",
            200.0,
            vec![("correlation-id", b"first"), ("correlation-id", &[0, 0xff, b'x'])],
        ),
        ("c", 1.5, vec![]),
    ];
    for (id, amount, headers) in &sent {
        let json = format!(r#"{{"id":"{id}","time":"2026-01-05T12:00:00Z","card":"c","shop":"s","amount":{amount}}}"#);
        let record = StoredRecord {
            timestamp: None,
            key: Some(b"c".as_slice().into()),
            value: Some(json.as_bytes().into()),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
                .collect(),
        };
        driver.broker.produce_record("transactions", record);
    }
    driver.run().expect("the run ends");
    let decisions = by_id(driver.decisions());
    let expected: [(&str, Headers<'_>); 3] = [
        (
            "a",
            vec![
                ("traceparent", b"00-1f-01"),
                ("outcome", b"approve"),
                ("amount", b"2.0"),
            ],
        ),
        (
            "b",
            vec![
                ("correlation-id", &[0, 0xff, b'x']),
                ("outcome", b"review"),
                ("queue", b"high"),
                ("amount", b"400.0"),
            ],
        ),
        ("c", vec![("outcome", b"approve"), ("amount", b"3.0")]),
    ];
    for (id, expected) in expected {
        assert_eq!(headers(&decisions[id]), expected, "{id}");
    }
    let alerts = by_id(driver.broker.all_records("alerts"));
    assert_eq!(
        alerts.into_iter().collect::<Vec<_>>(),
        [("b".to_owned(), decisions["b"].clone())]
    );
}
