//! A registry that is out of reach: partitions that need it wait, the others continue.

use crate::avro::{Encoder, register, schema, with_country};
use crate::relay::{Relay, free_address};
use crate::support::kafka::brokers;
use crate::support::process::Service;
use crate::support::trial::{GOOD, Setup, Trial};
use crate::support::{registry, unique};

/// The registry's address: host with port, and path.
fn host_and_path() -> (String, String) {
    let url = registry();
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    (host.to_owned(), path.to_owned())
}

#[test]
fn the_service_waits_for_a_registry_that_is_down_at_start_and_later() {
    let (host, path) = host_and_path();
    let address = free_address();
    let further = format!("registry: {{url: \"http://{address}/{path}\"}}\n");
    let (brokers, name) = (brokers(), unique("registry"));
    let trial = Trial::new(&Setup {
        transactions: "format: avro",
        further: &further,
        ..Setup::new(&brokers, &name)
    });
    let subject = format!("{}-value", trial.topic("transactions"));
    let encoder = Encoder::new(&trial, register(&subject, &schema()));

    // Down at start. Labels are JSON, and are processed.
    let mut service = trial.start();
    for n in 0..GOOD / 2 {
        trial.send(n, &encoder.payment(n));
    }
    trial
        .writer
        .send(&trial.topic("labels"), Some(b"any"), Some(b"no JSON"));
    trial.writer.flush();
    service.wait_until_unready("is out of reach");
    trial.wait_for(&mut service, 1);
    assert!(trial.results().decisions.is_empty());
    assert_eq!(service.get("/healthz").unwrap().0, 200, "a restart would not help");
    let relay = Relay::start(address, &host);
    trial.wait_for(&mut service, GOOD as usize / 2 + 1);
    service.wait_until_ready();

    // Down later. Records with a known schema are decided, one with a new schema waits.
    drop(relay);
    for n in GOOD / 2..GOOD - 1 {
        trial.send(n, &encoder.payment(n));
    }
    trial.writer.flush();
    trial.wait_for(&mut service, GOOD as usize);
    service.wait_until_ready();
    let evolved = Encoder::new(&trial, register(&subject, &with_country()));
    trial.send(GOOD - 1, &evolved.payment_from(GOOD - 1, "DE"));
    trial.writer.flush();
    service.wait_until_unready("is out of reach");
    assert_eq!(trial.results().count(), GOOD as usize);
    let _relay = Relay::start(address, &host);
    let results = trial.finish(service, GOOD, 1, |n| encoder.payment(n));
    assert_eq!(results.reasons(Some(b"no JSON")), ["not_json"]);
}

#[test]
fn the_service_waits_for_the_id_of_the_decision_schema() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = directory.path().join("pipeline.yaml");
    let text = "
name: waits
inputs:
  transactions:
    {topic: transactions, id: id, event_time: time, fields: {id: text, time: timestamp, card: text}}
entities: {card: {key: card}}
features: {payments: {entity: card, count: transactions, window: 1d}}
decision: {decline: payments > 1000}
outputs: {decisions: decisions, dead_letters: dead-letters, format: avro}
registry: {url: \"http://127.0.0.1:1/api\"}
kafka: {brokers: \"127.0.0.1:1\"}
";
    std::fs::write(&pipeline, text).unwrap();
    let (state, log) = (directory.path().join("state"), directory.path().join("log"));
    let mut service = Service::start(&pipeline, &state, &log, &[], &[]);
    service.wait_until_unready("worker 0 waits: the schema registry at http://127.0.0.1:1/api is out of reach");
    assert_eq!(service.get("/healthz").unwrap().0, 200, "a restart would not help");
    service.end();
}
