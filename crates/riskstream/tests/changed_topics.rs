//! Topics that change under a running pipeline, with the binary and a real Kafka: partitions are added, a topic is deleted and
//! created again.
//!
//! Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

mod support;

use rdkafka::message::Message;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use support::kafka::{Writer, brokers, create_topics_of, delete_topics, grow_topic, read_all, recreate_topic};
use support::process::{Service, run, wait_for};
use support::unique;
use tempfile::TempDir;

/// A pipeline that counts a card's payments in 30 days, on topics of its own.
struct Shop {
    brokers: String,
    name: String,
    directory: TempDir,
    writer: Writer,
}

impl Shop {
    /// `key`: the line that declares the key of the input's topic, if the first stage is to read it.
    fn new(test: &str, key: &str) -> Shop {
        let (brokers, name) = (brokers(), unique(test));
        let shop = Shop {
            writer: Writer::new(&brokers),
            directory: tempfile::tempdir().unwrap(),
            brokers,
            name,
        };
        let (brokers, name) = (&shop.brokers, &shop.name);
        let text = format!(
            "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions{key}
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, card: text}}
entities: {{card: {{key: card}}}}
features: {{payments: {{entity: card, count: transactions, window: 30d}}}}
decision: {{decline: payments > 1000}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: \"{brokers}\"}}
"
        );
        std::fs::write(shop.pipeline(), text).unwrap();
        create_topics_of(&shop.pipeline(), 1, &[]);
        shop
    }

    fn pipeline(&self) -> PathBuf {
        self.directory.path().join("pipeline.yaml")
    }

    fn input(&self) -> String {
        format!("{}-transactions", self.name)
    }

    fn start(&self) -> Service {
        let path = |name: &str| self.directory.path().join(name);
        Service::start(&self.pipeline(), &path("state"), &path("log"), &[], &[])
    }

    /// One payment of each of eight cards.
    fn pay(&self, round: u64) {
        for card in 0..8 {
            let id = format!("{card}-{round}");
            let payment = json!({"id": id, "time": 1_767_225_600_000 + round, "card": format!("card {card}")});
            let key = format!("card {card}");
            self.writer.send(
                &self.input(),
                Some(key.as_bytes()),
                Some(payment.to_string().as_bytes()),
            );
        }
        self.writer.flush();
    }

    /// What each decision counted, once there are `count` decisions.
    fn counts(&self, service: &mut Service, count: usize) -> BTreeMap<String, u64> {
        wait_for(&format!("{count} decisions"), || {
            service.check_running();
            let mut counts = BTreeMap::new();
            read_all(&self.brokers, &format!("{}-decisions", self.name), |message| {
                let decision: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
                let payments = decision["features"]["payments"].as_u64().unwrap();
                let twice = counts.insert(decision["event_id"].as_str().unwrap().to_owned(), payments);
                assert_eq!(twice, None, "decided twice");
            });
            (counts.len() >= count).then_some(counts)
        })
    }
}

#[test]
fn partitions_that_an_input_gets_are_read_while_the_service_runs() {
    let shop = Shop::new("grown", "");
    let mut service = shop.start();
    (0..3).for_each(|round| shop.pay(round));
    shop.counts(&mut service, 24);
    grow_topic(&shop.brokers, &shop.input(), 4);
    // The producer learns of the partitions as well, and sends cards to them.
    let writer = Writer::new(&shop.brokers);
    let shop = Shop { writer, ..shop };
    (3..5).for_each(|round| shop.pay(round));
    let counts = shop.counts(&mut service, 40);
    for card in 0..8 {
        for round in 0..5 {
            assert_eq!(counts[&format!("{card}-{round}")], round + 1, "card {card}");
        }
    }
    service.end();
    delete_topics(&shop.brokers, &shop.name);
}

#[test]
fn partitions_of_a_topic_that_state_depends_on_cannot_be_added() {
    let shop = Shop::new("keyed", "\n    key: card");
    let mut service = shop.start();
    (0..3).for_each(|round| shop.pay(round));
    shop.counts(&mut service, 24);
    grow_topic(&shop.brokers, &shop.input(), 4);
    service.wait_until_unready("had 1 partitions and now has 4");
    service.end();
    delete_topics(&shop.brokers, &shop.name);
}

#[test]
fn a_topic_that_is_created_again_stops_the_pipeline_until_it_is_reset() {
    let shop = Shop::new("again", "");
    let mut service = shop.start();
    (0..3).for_each(|round| shop.pay(round));
    shop.counts(&mut service, 24);
    recreate_topic(&shop.brokers, &shop.input(), 1);
    service.wait_until_unready("was deleted and created again");
    let pipeline = shop.pipeline();
    let input = shop.input();
    let reset = ["state", "reset", pipeline.to_str().unwrap(), "--topic", &input];
    let (code, _, errors) = run(&reset, &[]);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("end all copies of the pipeline first"), "{errors}");
    service.end();

    let writer = Writer::new(&shop.brokers);
    let shop = Shop { writer, ..shop };
    (10..14).for_each(|round| shop.pay(round));
    // The group notices the end of the copy a little later.
    let output = wait_for("the reset", || {
        let (code, output, _) = run(&reset, &[]);
        (code == Some(0)).then_some(output)
    });
    assert!(
        output.contains("partition 0: position none -> 0, 32 records to read"),
        "{output}"
    );
    let mut service = shop.start();
    let counts = shop.counts(&mut service, 24 + 32);
    for card in 0..8 {
        for (round, payments) in [(2, 3), (10, 4), (13, 7)] {
            assert_eq!(counts[&format!("{card}-{round}")], payments, "card {card}");
        }
    }
    service.end();
    let (code, _, errors) = run(&reset, &[]);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("belong to this topic"), "{errors}");
    delete_topics(&shop.brokers, &shop.name);
}
