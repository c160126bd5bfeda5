//! `riskstream explain --pipeline`: finds a decision on the topic that the service wrote it to, as JSON or as Avro with a
//! registry, among records that are no decisions and records of an aborted transaction.
//!
//! Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`) and RISKSTREAM_TEST_REGISTRY (`scripts/registry start`).

mod support;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::fmt::Write as _;
use support::kafka::{Reader, Writer, brokers, create_topics_of, delete_topics};
use support::process::{DEADLINE, Environment, Service, run};
use support::{registry, root, unique};

/// A stolen card, as in the examples of the pipeline file. The last payment is declined.
const PAYMENTS: [(&str, &str, &str, &str); 5] = [
    ("c1", "2026-01-05T12:00:00Z", "M4", "chip"),
    ("c2", "2026-01-06T12:00:00Z", "M4", "chip"),
    ("c3", "2026-01-07T02:00:00Z", "M5", "online"),
    ("c4", "2026-01-07T02:04:00Z", "M6", "online"),
    ("c5", "2026-01-07T02:08:00Z", "M7", "online"),
];
const AMOUNTS: [u32; 5] = [20, 30, 250, 300, 400];

/// Writes a record in a transaction that is aborted.
fn write_aborted(brokers: &str, topic: &str, value: &[u8]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", unique("aborted"))
        .create()
        .unwrap();
    producer.init_transactions(DEADLINE).unwrap();
    producer.begin_transaction().unwrap();
    let record = BaseRecord::to(topic).key("C4").payload(value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(DEADLINE).unwrap();
    producer.abort_transaction(DEADLINE).unwrap();
}

fn trial(format: &str) {
    let (brokers, registry) = (brokers(), registry());
    let name = unique("explain");
    let directory = tempfile::tempdir().unwrap();
    let path = |file: &str| directory.path().join(file);
    let source = std::fs::read_to_string(root().join("pipelines/card-fraud.yaml")).unwrap();
    let source = source
        .replacen("name: card-fraud", &format!("name: {name}"), 1)
        .replace("topic: ", &format!("topic: {name}-"))
        .replace("decisions: ", &format!("decisions: {name}-"))
        .replace("dead_letters: ", &format!("dead_letters: {name}-"))
        .replace("../models", root().join("models").to_str().unwrap());
    std::fs::write(path("pipeline.yaml"), source).unwrap();
    let environment: &Environment = &[
        ("KAFKA_BOOTSTRAP_SERVERS", brokers.clone()),
        ("SCHEMA_REGISTRY_URL", registry),
        ("RISKSTREAM_DECISIONS_FORMAT", format.to_owned()),
        (
            "RISKSTREAM_PERSONAL_DATA_KEY",
            "0123456789abcdef0123456789abcdef".to_owned(),
        ),
    ];
    let pipeline = path("pipeline.yaml");
    create_topics_of(&pipeline, 2, environment);
    let (transactions, decisions) = (format!("{name}-transactions"), format!("{name}-risk-decisions"));

    let mut service = Service::start(&pipeline, &path("state"), &path("log"), environment, &[]);
    service.wait_until_ready();
    let writer = Writer::new(&brokers);
    for ((id, time, terminal, channel), amount) in PAYMENTS.into_iter().zip(AMOUNTS) {
        let payment = format!(
            r#"{{"transaction_id":"{id}","event_time":"{time}","customer_id":"C4","card_id":"4711","terminal_id":"{terminal}",
            "merchant_category":"electronics","country":"DE","channel":"{channel}","amount":{amount}}}"#
        );
        writer.send(&transactions, Some(b"C4"), Some(payment.as_bytes()));
    }
    writer.flush();
    Reader::new(&brokers, &decisions).wait_for(PAYMENTS.len(), || service.check_running());
    service.end();
    // At the end, records that cannot be decoded and one of an aborted transaction.
    for garbage in [&b"{}"[..], b"\0\0\0\0\x7f\x02", b""] {
        writer.send(&decisions, Some(b"C4"), Some(garbage));
    }
    writer.send(&decisions, Some(b"C4"), None);
    writer.flush();
    write_aborted(&brokers, &decisions, b"{\"event_id\": \"c9\"}");

    // A key whose records lie in the other of two partitions.
    let partition_of = |key: &str| riskstream_pipeline::partitioner::partition(key.as_bytes(), 2);
    let other = ["C1", "C2", "C3", "C5"]
        .into_iter()
        .find(|key| partition_of(key) != partition_of("C4"))
        .unwrap();
    let file = pipeline.to_str().unwrap();
    let mut text = String::new();
    for arguments in [
        vec!["--id", "c5"],
        vec!["--since", "1h"],
        vec!["--id", "c9", "--since", "1h"],
        vec!["--id", "c5", "--key", "C4", "--since", "1h"],
        vec!["--id", "c5", "--key", other],
        vec!["--id", "c5", "--brokers", brokers.as_str()],
    ] {
        let all = [vec!["explain", "--pipeline", file], arguments.clone()].concat();
        let (code, out, errors) = run(&all, environment);
        let shown = arguments.join(" ").replace(&brokers, "BROKERS");
        writeln!(text, "$ riskstream explain --pipeline pipeline.yaml {shown}").unwrap();
        writeln!(text, "{out}{errors}exit code {}\n", code.unwrap()).unwrap();
    }
    delete_topics(&brokers, &name);
    insta::assert_snapshot!("a_decision_on_the_topic", text.replace(&name, "NAME"));
}

#[test]
fn a_decision_in_json_is_found_on_the_topic() {
    trial("json");
}

#[test]
fn a_decision_in_avro_is_found_on_the_topic() {
    trial("avro");
}

#[test]
fn a_topic_that_does_not_exist_is_reported() {
    let brokers = brokers();
    let directory = tempfile::tempdir().unwrap();
    let pipeline = directory.path().join("pipeline.yaml");
    let source = std::fs::read_to_string(root().join("pipelines/card-fraud-rules.yaml")).unwrap();
    let topic = unique("nowhere");
    std::fs::write(
        &pipeline,
        source.replace("decisions: ", &format!("decisions: {topic}-")),
    )
    .unwrap();
    let arguments = [
        "explain",
        "--pipeline",
        pipeline.to_str().unwrap(),
        "--brokers",
        &brokers,
    ];
    let (code, _, errors) = run(&arguments, &[]);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains(&format!("there is no topic {topic}-")), "{errors}");
}
