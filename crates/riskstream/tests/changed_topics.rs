//! Topics that change under a running pipeline, with the binary and a real Kafka: partitions are added, a topic is deleted and
//! created again.
//!
//! Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

mod support;

use rdkafka::message::Message;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::kafka::{
    Writer, brokers, create_topics_of, delete_topics, grow_topic, read_all, recreate_topic, set_position,
    try_delete_group,
};
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
        shop.write_pipeline(key);
        create_topics_of(&shop.pipeline(), 1, &[]);
        shop
    }

    fn write_pipeline(&self, key: &str) {
        let (brokers, name) = (&self.brokers, &self.name);
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
        std::fs::write(self.pipeline(), text).unwrap();
    }

    /// What `riskstream topics` says.
    fn listed(&self) -> String {
        let (code, output, errors) = run(&["topics", self.pipeline().to_str().unwrap()], &[]);
        assert_eq!(code, Some(0), "{errors}");
        output
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

    /// Whether `topics`, /readyz and the lag know soon that the input has so many partitions: within 10 s, or longer on a machine
    /// that is busy with other tests.
    fn is_known_soon(&self, service: &mut Service, partitions: usize) {
        let began = Instant::now();
        let output = self.listed();
        assert!(!output.contains("not read"), "{output}");
        let mut lines = output.lines();
        let line = lines.find(|line| line.starts_with(&self.input())).unwrap();
        assert_eq!(
            line.split_whitespace().nth(1),
            Some(partitions.to_string().as_str()),
            "{line}"
        );
        let lag = |partition| {
            let labels = format!("{{topic=\"{}\",partition=\"{partition}\"}}", self.input());
            format!("riskstream_lag_records{labels}")
        };
        wait_for("all partitions", || {
            service.check_running();
            let (_, metrics) = service.get("/metrics")?;
            let has_lags = (0..partitions).all(|partition| metrics.contains(&lag(partition)));
            // Beside those of the input, the one in front of the stage.
            (service.partitions() == partitions as u64 + 1 && has_lags).then_some(())
        });
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }

    fn remove_state(&self) {
        std::fs::remove_dir_all(self.directory.path().join("state")).unwrap();
    }

    /// The decisions on each event, without their times.
    fn decisions(&self) -> BTreeMap<String, Vec<serde_json::Value>> {
        let mut decisions: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
        read_all(&self.brokers, &format!("{}-decisions", self.name), |message| {
            let mut decision: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
            decision.as_object_mut().unwrap().remove("latency");
            let id = decision["event_id"].as_str().unwrap().to_owned();
            decisions.entry(id).or_default().push(decision);
        });
        decisions
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
    // The producer learns of the partitions as well, and sends cards to them, before and after the service knows of them.
    let writer = Writer::new(&shop.brokers);
    let shop = Shop { writer, ..shop };
    shop.pay(3);
    shop.is_known_soon(&mut service, 4);
    shop.pay(4);
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
    let listed = shop.listed();
    let reason = format!(
        "not read: partitions_changed: {} had 1 partitions and now has 4",
        shop.input()
    );
    assert!(listed.contains(&reason), "{listed}");
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
    service.wait_until_unready("end all copies: riskstream state reset");
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
    assert!(
        output.contains("decided again, with the same `decision_id`"),
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

/// Under the name that it had, a pipeline without `key:` would read another topic, from its beginning or from where the group
/// stands. Nothing is read until the file is as it was.
#[test]
fn a_key_that_is_removed_under_the_same_name_is_refused() {
    let shop = Shop::new("rekeyed", "\n    key: card");
    let mut service = shop.start();
    (0..3).for_each(|round| shop.pay(round));
    shop.counts(&mut service, 24);
    service.end();
    shop.write_pipeline("");
    create_topics_of(&shop.pipeline(), 1, &[]);
    shop.pay(3);
    for keeps_state in [true, false] {
        if !keeps_state {
            shop.remove_state();
        }
        let mut service = shop.start();
        service.wait_until_unready("was read as card by card as text > decisions, and would now be read as");
        let (_, reasons) = service.get("/readyz").unwrap();
        assert!(!reasons.contains("created again"), "{reasons}");
        assert_eq!(shop.counts(&mut service, 24).len(), 24);
        service.end();
        let listed = shop.listed();
        assert!(listed.contains("would now be read as"), "{listed}");
    }

    shop.write_pipeline("\n    key: card");
    let mut service = shop.start();
    assert_eq!(shop.counts(&mut service, 32)["0-3"], 4);
    service.end();
    delete_topics(&shop.brokers, &shop.name);
}

/// The service stays, says what is missing, and goes on by itself when the topic is there: with the advice that it is another
/// one.
#[test]
fn a_topic_that_is_deleted_while_it_is_read_is_waited_for() {
    let shop = Shop::new("gone", "");
    let mut service = shop.start();
    (0..3).for_each(|round| shop.pay(round));
    shop.counts(&mut service, 24);
    delete_topics(&shop.brokers, &shop.input());
    service.wait_until_unready(&format!("{} was deleted", shop.input()));
    create_topics_of(&shop.pipeline(), 1, &[]);
    service.wait_until_unready("end all copies: riskstream state reset");
    service.end();
    delete_topics(&shop.brokers, &shop.name);
}

/// What docs/operations.md says in "What repeats decisions": removed state repeats nothing, and neither do positions of an
/// input behind an ingest stage that are set back, or those of the whole group that are lost.
#[test]
fn lost_state_and_lost_positions_of_an_input_repeat_nothing() {
    let shop = Shop::new("repeats", "");
    let mut service = shop.start();
    (0..3).for_each(|round| shop.pay(round));
    shop.counts(&mut service, 24);
    service.end();
    shop.remove_state();
    let mut service = shop.start();
    shop.pay(3);
    assert_eq!(shop.counts(&mut service, 32)["0-3"], 4);
    service.end();

    set_position(&shop.brokers, &shop.name, &shop.input(), 0, 0);
    let mut service = shop.start();
    shop.pay(4);
    assert_eq!(shop.counts(&mut service, 40)["0-4"], 5);
    assert_eq!(service.metric("riskstream_repeated_rows_total", "") as u64, 32);
    service.end();

    // The group notices the end of its members a little later.
    wait_for("the deletion of the group", || {
        try_delete_group(&shop.brokers, &shop.name).ok()
    });
    let mut service = shop.start();
    shop.pay(5);
    assert_eq!(shop.counts(&mut service, 48)["0-5"], 6);
    service.end();
    delete_topics(&shop.brokers, &shop.name);
}

/// Positions of a topic that a stage reads are refused if they are set back. If its state is removed, too, as the message says,
/// its records are decided a second time: with the same ids and values, and flagged. `state repeat` does the same on purpose.
#[test]
fn decisions_that_are_repeated_on_purpose_are_those_of_before() {
    let shop = Shop::new("back", "\n    key: card");
    let mut service = shop.start();
    (0..3).for_each(|round| shop.pay(round));
    shop.counts(&mut service, 24);
    service.end();
    let before = shop.decisions();
    set_position(&shop.brokers, &shop.name, &shop.input(), 0, 8);
    let mut service = shop.start();
    service.wait_until_unready("the records from 8 to 24 are decided a second time, with the flag `repeated`");
    service.end();

    shop.remove_state();
    let mut service = shop.start();
    let wait_for_decisions = |service: &mut Service, count: usize| {
        wait_for("repeated decisions", || {
            service.check_running();
            let decisions = shop.decisions();
            (decisions.values().map(Vec::len).sum::<usize>() >= count).then_some(decisions)
        })
    };
    wait_for_decisions(&mut service, 24 + 16);
    shop.pay(3);
    wait_for_decisions(&mut service, 24 + 16 + 8);
    service.end();

    let pipeline = shop.pipeline();
    let arguments = ["state", "repeat", pipeline.to_str().unwrap()];
    let (code, output, errors) = wait_for("the group to have no members", || {
        let (code, output, errors) = run(&arguments, &[]);
        (!errors.contains("the group has members")).then_some((code, output, errors))
    });
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        output.contains("partition 0: position 32 -> 0, 32 records to read"),
        "{output}"
    );
    assert!(output.contains("remove the states card-PARTITION"), "{output}");
    shop.remove_state();
    let mut service = shop.start();
    shop.pay(4);
    let decisions = wait_for_decisions(&mut service, 24 + 16 + 8 + 32 + 8);
    service.end();
    for (id, decisions) in decisions {
        let times = match &id[id.len() - 2..] {
            "-0" | "-3" => 2,
            "-4" => 1,
            _ => 3,
        };
        assert_eq!(decisions.len(), times, "{id}");
        if let Some(before) = before.get(&id) {
            assert_eq!(decisions[0], before[0]);
        }
        for decision in &decisions[1..] {
            let mut unflagged = decision.clone();
            assert_eq!(
                unflagged["flags"].as_array_mut().unwrap().pop(),
                Some(json!("repeated")),
                "{id}"
            );
            assert_eq!(unflagged, decisions[0], "{id}");
        }
    }
    delete_topics(&shop.brokers, &shop.name);
}
