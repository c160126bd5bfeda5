//! Outcomes that the pipeline file lists, and further outputs, through Kafka: in spite of kills each decision is where its condition
//! holds, with the bytes that it has on the topic of decisions and with the headers of its transaction.
//!
//! Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

mod support;

use rdkafka::message::Message;
use serde_json::Value;
use std::collections::BTreeMap;
use support::kafka::{Ends, Writer, brokers, header, read_all};
use support::process::{run, wait_for};
use support::trial::{Setup, Trial};
use support::unique;

const KILLS: u64 = 3;
/// New payments before each kill.
const PAYMENTS_PER_KILL: u64 = 400;

/// Small batches give many commits in which a kill can happen. The short session timeout makes the group notice a kill soon.
const PROPERTIES: &str = "{session.timeout.ms: 2000, heartbeat.interval.ms: 300, max.partition.fetch.bytes: 4096, \
                          queued.max.messages.kbytes: 8, queued.min.messages: 20}";
const OUTPUTS: &str = r#", alerts: {topic: NAME-alerts, when: 'outcome == "challenge"'}"#;
const OUTCOMES: &str = "outcomes: [approve, challenge, review, decline]
rules: [{name: every_third, when: card_payments > 3 && shop == \"shop-0\", then: challenge}]
headers: {copy: [traceparent], fields: {outcome: outcome, payments: card_payments}}
";

/// Payments before and after each kill; every record of a topic is under its event id.
struct Run {
    decisions: BTreeMap<String, Vec<Vec<u8>>>,
    alerts: BTreeMap<String, Vec<Vec<u8>>>,
}

/// Kills the service while it decides, and reads both topics once all is decided.
fn run_with_kills(kind: &str, delivery: &str) -> Run {
    let (brokers, name) = (brokers(), unique(kind));
    let further = format!("{OUTCOMES}{delivery}");
    let mut trial = Trial::new(&Setup {
        properties: PROPERTIES,
        outputs: OUTPUTS,
        further: &further,
        ..Setup::new(&brokers, &name)
    });
    trial.writer = Writer::with(&brokers, &[("batch.num.messages", "10"), ("linger.ms", "0")]);
    let listed = run(&["topics", trial.pipeline.to_str().unwrap()], &[]).1;
    assert!(
        listed.contains("output: alerts") && !listed.contains("missing"),
        "{listed}"
    );
    let ends = Ends::new(&brokers);
    let decided = || ends.of(&trial.topic("decisions"), 2);
    for kill in 0..KILLS {
        for n in kill * PAYMENTS_PER_KILL..(kill + 1) * PAYMENTS_PER_KILL {
            let [id, card, _] = Trial::names(n);
            let header = Some(("traceparent", id.as_bytes()));
            let topic = trial.topic("transactions");
            trial
                .writer
                .send_with_header(&topic, Some(card.as_bytes()), Some(&trial.payment(n)), header);
        }
        trial.writer.flush();
        let until = decided() + PAYMENTS_PER_KILL as i64 / 2;
        let mut service = trial.start();
        wait_for(&format!("decisions before kill {kill}"), || {
            service.check_running();
            (decided() >= until).then_some(())
        });
        service.kill();
    }
    let mut service = trial.start();
    trial.wait_for_decided(&mut service, (KILLS * PAYMENTS_PER_KILL) as usize);
    service.wait_until_ready();
    let (_, metrics) = service.get("/metrics").unwrap();
    assert!(
        metrics.contains("riskstream_decisions_total{outcome=\"challenge\"}"),
        "{metrics}"
    );
    service.end();
    let read = |topic: &str| {
        let mut records: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        read_all(&brokers, &trial.topic(topic), |message| {
            let value = message.payload().unwrap();
            let decision: Value = serde_json::from_slice(value).unwrap();
            assert_eq!(message.key(), decision["entities"]["card"].as_str().map(str::as_bytes));
            let id = decision["event_id"].as_str().unwrap().to_owned();
            assert_eq!(header(message, "traceparent"), id);
            assert_eq!(header(message, "outcome"), decision["outcome"].as_str().unwrap());
            assert_eq!(
                header(message, "payments"),
                decision["features"]["card_payments"].to_string()
            );
            records.entry(id).or_default().push(value.to_vec());
        });
        records
    };
    Run {
        decisions: read("decisions"),
        alerts: read("alerts"),
    }
}

fn is_challenge(decision: &[u8]) -> bool {
    let decision: Value = serde_json::from_slice(decision).unwrap();
    decision["outcome"] == "challenge"
}

fn without_latency(decision: &[u8]) -> Value {
    let mut decision: Value = serde_json::from_slice(decision).unwrap();
    decision.as_object_mut().unwrap().remove("latency");
    decision
}

#[test]
fn each_decision_is_exactly_once_where_its_condition_holds() {
    let Run { decisions, alerts } = run_with_kills("outputs", "");
    assert_eq!(decisions.len() as u64, KILLS * PAYMENTS_PER_KILL);
    for (id, records) in &decisions {
        let [decision] = records.as_slice() else {
            panic!("{id}: {} decisions", records.len())
        };
        let expected = is_challenge(decision).then_some(records);
        assert_eq!(alerts.get(id), expected, "{id}");
    }
    assert!(
        alerts.len() > 300 && alerts.len() < decisions.len(),
        "{} alerts",
        alerts.len()
    );
}

#[test]
fn at_least_once_no_alert_is_lost() {
    let Run { decisions, alerts } = run_with_kills("outputs-repeated", "delivery: at_least_once\n");
    for (id, records) in &decisions {
        assert_eq!(alerts.contains_key(id), is_challenge(&records[0]), "{id}");
        // A kill may come between the two writes of one decision.
        let decided = without_latency(&records[0]);
        for alert in alerts.get(id).into_iter().flatten() {
            assert_eq!(without_latency(alert), decided, "{id}");
        }
    }
    assert!(alerts.len() > 300, "{} alerts", alerts.len());
}
