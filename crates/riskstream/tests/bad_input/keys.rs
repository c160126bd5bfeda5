//! Records without a Kafka key, and with another one than the pipeline file says.

use crate::support::kafka::{Writer, brokers, create_topics_of, delete_topics, header, read_all};
use crate::support::process::{Service, wait_for};
use crate::support::unique;
use rdkafka::message::Message;
use serde_json::json;

fn pipeline_file(name: &str, brokers: &str, further: &str) -> String {
    format!(
        "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions
    key: card
    {further}
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, card: text}}
entities: {{card: {{key: card}}}}
features: {{payments: {{entity: card, count: transactions, window: 1d}}}}
decision: {{decline: payments > 1000}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: \"{brokers}\"}}
"
    )
}

/// The stage reads the input topic directly, since it is keyed by the stage's entity. A record without a key is in an
/// arbitrary partition, so it must not be counted there. If there is a repartition topic, no key is needed: see json.rs.
#[test]
fn a_record_without_the_key_that_partitions_depend_on_is_a_dead_letter() {
    let (brokers, name) = (brokers(), unique("keys"));
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let pipeline = path("pipeline.yaml");
    std::fs::write(&pipeline, pipeline_file(&name, &brokers, "")).unwrap();
    create_topics_of(&pipeline, 2, &[]);
    let topic = |of: &str| format!("{name}-{of}");
    let payment = |n: u64| json!({"id": format!("{n}"), "time": 1_767_225_600_000 + n, "card": "one"}).to_string();
    let writer = Writer::new(&brokers);
    for n in 0..30 {
        let key = (n % 3 != 0).then_some(b"one".as_slice());
        writer.send(&topic("transactions"), key, Some(payment(n).as_bytes()));
    }
    writer.send(&topic("transactions"), None, Some(b"{"));
    writer.flush();
    let mut service = Service::start(&pipeline, &path("state"), &path("log"), &[], &[]);
    let (decided, dead) = wait_for("31 answers", || {
        service.check_running();
        let (mut decided, mut dead) = (Vec::new(), Vec::new());
        read_all(&brokers, &topic("decisions"), |message| {
            let decision: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
            decided.push(decision["features"]["payments"].as_u64().unwrap());
        });
        read_all(&brokers, &topic("dead-letters"), |message| {
            let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
            dead.push((header(message, "riskstream.reason"), value));
        });
        (decided.len() + dead.len() >= 31).then_some((decided, dead))
    });
    service.end();
    assert_eq!(
        decided,
        Vec::from_iter(1..=20),
        "payments with a key are counted together"
    );
    let keyless = (0..30).step_by(3).map(|n| ("missing_key".to_owned(), payment(n)));
    let mut expected: Vec<_> = keyless.chain([("not_json".to_owned(), "{".to_owned())]).collect();
    let mut dead = dead;
    expected.sort();
    dead.sort();
    assert_eq!(dead, expected);
    delete_topics(&brokers, &name);
}

/// Twenty payments of one card on a topic that is keyed by their ids. No partition knows all of them.
#[test]
fn a_topic_that_is_not_keyed_as_the_file_says_is_reported_or_stops() {
    let (brokers, name) = (brokers(), unique("otherwise"));
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let pipeline = path("pipeline.yaml");
    let (topic, decisions) = (format!("{name}-transactions"), format!("{name}-decisions"));
    std::fs::write(&pipeline, pipeline_file(&name, &brokers, "on_key_mismatch: warn")).unwrap();
    create_topics_of(&pipeline, 4, &[]);
    let writer = Writer::new(&brokers);
    let pay = |numbers: std::ops::Range<u64>| {
        for n in numbers {
            let payment = json!({"id": format!("p{n}"), "time": 1_767_225_600_000 + n, "card": "one"}).to_string();
            writer.send(&topic, Some(format!("p{n}").as_bytes()), Some(payment.as_bytes()));
        }
        writer.flush();
    };
    let counts = || {
        let mut counts = Vec::new();
        read_all(&brokers, &decisions, |message| {
            let decision: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
            counts.push(decision["features"]["payments"].as_u64().unwrap());
        });
        counts
    };
    pay(0..20);
    let mut service = Service::start(&pipeline, &path("state"), &path("log"), &[], &[]);
    wait_for("20 decisions", || {
        service.check_running();
        (counts().len() == 20).then_some(())
    });
    assert!(
        counts().into_iter().max() < Some(20),
        "the counts are known to be wrong"
    );
    wait_for("the metric", || {
        (service.metric("riskstream_key_mismatches_total", "") as u64 == 20).then_some(())
    });
    service.end();
    let log = std::fs::read_to_string(path("log")).unwrap();
    let warnings = log.matches("its Kafka key is not the value of `card`").count();
    assert!((2..=4).contains(&warnings), "one for each partition: {log}");

    std::fs::write(&pipeline, pipeline_file(&name, &brokers, "on_key_mismatch: stop")).unwrap();
    pay(20..40);
    let mut service = Service::start(&pipeline, &path("state"), &path("log"), &[], &[]);
    let reasons = wait_for("4 partitions that are not read", || {
        service.check_running();
        let (_, reasons) = service.get("/readyz")?;
        (reasons.matches("with `on_key_mismatch: warn` they are decided").count() == 4).then_some(reasons)
    });
    for partition in 0..4 {
        let name = format!("{topic}[{partition}]");
        assert_eq!(reasons.matches(&name).count(), 1, "{reasons}");
    }
    assert_eq!(
        service.metric("riskstream_key_mismatches_total", "") as u64,
        4,
        "one for each partition"
    );
    service.end();
    assert_eq!(counts().len(), 20, "nothing more is decided");
    delete_topics(&brokers, &name);
}
