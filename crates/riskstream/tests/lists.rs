//! Lists on a real Kafka, with the commands and with another client: block a card while payments run, on two copies, with a
//! kill in between. Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

mod support;

use crate::support::kafka::read_all;
use crate::support::process::{Service, run, wait_for};
use crate::support::shop::Shop;
use rdkafka::message::Message;
use riskstream_events::{OwnedDecisionRecord, Pseudonymizer};
use riskstream_lists::{EntryChange, Keys, read_change};
use std::collections::BTreeMap;
use std::ops::Range;

const PARTITIONS: usize = 3;
const CARDS: usize = 40;
const SECRET: &str = "a secret for the test of lists";

impl Shop {
    fn topic(&self) -> String {
        format!("{}-blocked", self.name)
    }

    fn pay(&self, numbers: Range<usize>) {
        for number in numbers {
            let (card, time) = (card(number % CARDS), 1_767_225_600_000 + number as u64 * 1000);
            let payment = format!(r#"{{"id":"t{number}","time":{time},"card":"{card}"}}"#);
            let topic = format!("{}-transactions", self.name);
            self.writer
                .send(&topic, Some(card.as_bytes()), Some(payment.as_bytes()));
        }
        self.writer.flush();
    }

    /// Runs `riskstream lists ACTION PIPELINE blocked …`, which succeeds: standard output.
    fn lists(&self, action: &str, further: &[&str]) -> String {
        let (code, out, errors) = self.try_lists(action, further);
        assert_eq!(code, Some(0), "{errors}");
        out
    }

    fn try_lists(&self, action: &str, further: &[&str]) -> (Option<i32>, String, String) {
        let pipeline = self.path("pipeline.yaml");
        let mut arguments = vec!["lists", action, pipeline.to_str().unwrap(), "blocked"];
        arguments.extend(further);
        run(&arguments, &secret())
    }
}

fn pipeline_text(name: &str, brokers: &str) -> String {
    format!(
        "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions
    key: card
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, card: {{type: text, personal: true}}}}
entities: {{card: {{key: card}}}}
features:
  payments: {{entity: card, count: transactions, window: 1d}}
lists:
  blocked: {{key: card, topic: {name}-blocked}}
rules:
  - {{name: blocked, when: card in blocked, then: decline}}
  - {{name: stolen, when: 'blocked[card].reason == \"stolen\"', then: decline}}
personal_data: {{key_env: RISKSTREAM_PERSONAL_DATA_KEY}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: '{brokers}', properties: {{session.timeout.ms: 6000, heartbeat.interval.ms: 500}}}}
"
    )
}

/// The environment of all commands.
fn secret() -> [(&'static str, String); 1] {
    [("RISKSTREAM_PERSONAL_DATA_KEY", SECRET.to_owned())]
}

fn card(number: usize) -> String {
    format!("40000000000{number:05}")
}

fn pseudonym(number: usize) -> String {
    Pseudonymizer::new(SECRET.as_bytes())
        .pseudonym(card(number).as_bytes())
        .to_string()
}

/// Waits until the version in force in all partitions holds the records before `offset`.
fn wait_for_offset(services: &[&Service], offset: usize) {
    wait_for(&format!("offset {offset} in all partitions"), || {
        let metrics = services.iter().filter_map(|service| service.get("/metrics"));
        let lines: Vec<String> = metrics
            .flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter(|line| line.starts_with("riskstream_list_offset{"))
            .collect();
        let in_force = lines
            .iter()
            .filter(|line| line.ends_with(&format!(" {offset}")))
            .count();
        (in_force >= PARTITIONS).then_some(())
    });
}

#[test]
fn blocked_by_command_and_client_killed_taken_over_and_let_go() {
    let mut shop = Shop::new("lists", PARTITIONS as i32, &secret(), |_, name, brokers| {
        pipeline_text(name, brokers)
    });
    check_topic(&shop);
    let mut first = shop.start("first");
    shop.pay(0..200);
    shop.wait_for_decisions(200, &mut first);

    let added = shop.lists("add", &[&card(1), &card(2), "--reason", "stolen", "--author", "jane"]);
    assert_eq!(added, "blocked: 2 changes on its way to every copy\n");
    wait_for_offset(&[&first], 2);
    shop.pay(200..400);
    shop.wait_for_decisions(200, &mut first);

    // Another client writes the pseudonym; a card in clear is not used.
    shop.writer.send(
        &shop.topic(),
        Some(pseudonym(3).as_bytes()),
        Some(br#"{"reason":"lost"}"#),
    );
    shop.writer.send(&shop.topic(), Some(card(4).as_bytes()), Some(b"{}"));
    shop.writer.flush();
    wait_for_offset(&[&first], 4);
    assert_eq!(first.metric("riskstream_list_unusable_records_total", "blocked"), 1.0);
    assert_eq!(first.metric("riskstream_list_entries", "blocked"), 3.0);
    // Copies that take over while the list changes once more find the version in force in the state and the log.
    first.kill();
    shop.lists("remove", &[&card(1)]);
    shop.pay(400..600);
    let (mut second, third) = (shop.start("second"), shop.start("third"));
    shop.wait_for_decisions(200, &mut second);
    wait_for_offset(&[&second, &third], 5);
    shop.pay(600..800);
    shop.wait_for_decisions(200, &mut second);

    std::fs::write(
        shop.path("new.csv"),
        format!("key,reason,until\n{},stolen,2026-01-01T00:15:00Z\n", card(5)),
    )
    .unwrap();
    shop.lists(
        "import",
        &[shop.path("new.csv").to_str().unwrap(), "--replace", "--author", "jane"],
    );
    wait_for_offset(&[&second, &third], 8);
    shop.pay(800..1000);
    shop.wait_for_decisions(200, &mut second);
    third.end();
    second.end();
    check_decisions(&shop, 1000);
    check_commands(&shop);
    check_nothing_in_clear(&shop);
}

/// The list's topic has one partition and is compacted.
fn check_topic(shop: &Shop) {
    let (code, topics, errors) = run(&["topics", shop.path("pipeline.yaml").to_str().unwrap()], &secret());
    assert_eq!(code, Some(0), "{errors}");
    let list = topics.lines().find(|line| line.contains("list: blocked")).unwrap();
    assert!(list.contains(" 1 "), "{topics}");
}

/// The records of the list's topic that can be used, in order, with their offsets.
fn changes(shop: &Shop) -> Vec<(i64, EntryChange)> {
    let mut changes = Vec::new();
    read_all(&shop.brokers, &shop.topic(), |message| {
        let change = read_change(message.key(), message.payload(), Keys::Pseudonyms);
        changes.extend(change.ok().map(|change| (message.offset(), change)));
    });
    changes
}

/// Each payment was decided once, by what the records before the offset say that its decision names; offsets only grow in each
/// partition.
fn check_decisions(shop: &Shop, expected: usize) {
    let changes = changes(shop);
    let entry = |card: &str, offset: i64, time: i64| {
        let mut of_card = changes
            .iter()
            .rev()
            .filter(|(at, change)| *at < offset && change.key == card);
        let entry = of_card.next().and_then(|(_, change)| change.entry.clone());
        entry.filter(|entry| entry.until.is_none_or(|until| time < until))
    };
    let mut last: BTreeMap<i32, i64> = BTreeMap::new();
    let mut decided: BTreeMap<usize, i64> = BTreeMap::new();
    read_all(&shop.brokers, &format!("{}-decisions", shop.name), |message| {
        let decision = OwnedDecisionRecord::from_json(message.payload().unwrap()).unwrap();
        let offset = decision.lists[0].1;
        let before = last.insert(message.partition(), offset).unwrap_or(0);
        assert!(before <= offset, "{offset} after {before}");
        let number: usize = decision.event_id[1..].parse().unwrap();
        let time = (1_767_225_600 + number as i64) * 1_000_000;
        let reasons: Vec<&str> = decision.reasons.iter().map(|reason| reason.name.as_str()).collect();
        let expected: &[&str] = match entry(decision.entity("card").unwrap(), offset, time) {
            None => &[],
            Some(entry) if entry.reason.as_deref() == Some("stolen") => &["blocked", "stolen"],
            Some(_) => &["blocked"],
        };
        assert_eq!(reasons, expected, "t{number} at {offset}");
        assert!(decided.insert(number, offset).is_none(), "t{number} was decided twice");
    });
    assert_eq!(decided.len(), expected);
    for (number, offset) in decided {
        let allowed = [0..=0, 2..=2, 4..=5, 5..=5, 8..=8][number / 200].clone();
        assert!(allowed.contains(&offset), "t{number} saw {offset}");
    }
}

fn check_commands(shop: &Shop) {
    let until = r#""until":"2026-01-01T00:15:00.000000Z""#;
    let shown = shop.lists("show", &[&card(5)]);
    assert!(
        shown.starts_with("on blocked: ") && shown.contains("stolen"),
        "{shown} {until}"
    );
    assert_eq!(shop.lists("show", &[&card(1)]), "not on blocked\n");
    assert_eq!(shop.lists("show", &[]), "blocked: 1 entries, of which 1 have expired\n");
    let exported = shop.lists("export", &[]);
    assert!(
        exported.starts_with(&format!(
            "pseudonym,value,reason,author,until\n{},,stolen,jane,2026-01-01T00:15:00",
            pseudonym(5)
        )),
        "{exported}"
    );
    std::fs::write(shop.path("exported.csv"), &exported).unwrap();
    shop.lists("import", &[shop.path("exported.csv").to_str().unwrap()]);
    assert_eq!(shop.lists("export", &[]), exported);
    assert_eq!(
        shop.lists("expire", &["--before", "2026-01-01"]),
        "blocked: 0 changes removed\n"
    );
    assert_eq!(shop.lists("expire", &[]), "blocked: 1 change removed\n");
    assert_eq!(shop.lists("show", &[]), "blocked: 0 entries, of which 0 have expired\n");
    let pipeline = shop.path("pipeline.yaml");
    let (code, _, errors) = run(&["lists", "show", pipeline.to_str().unwrap(), "bloked"], &secret());
    assert!(code == Some(2) && errors.contains("did you mean blocked?"), "{errors}");
    let (code, _, errors) = shop.try_lists("add", &[&card(1), "--until", "tomorrow"]);
    assert!(code == Some(2) && errors.contains("2026-12-31"), "{errors}");
}

/// No card number is in the list's topic (but for the record that another client wrote), the decisions or the log.
fn check_nothing_in_clear(shop: &Shop) {
    let clear = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("40000000000");
    let mut in_clear = 0;
    for topic in [
        shop.topic(),
        format!("{}-decisions", shop.name),
        format!("{}-hop-card", shop.name),
    ] {
        read_all(&shop.brokers, &topic, |message| {
            let parts = [message.key(), message.payload()];
            in_clear += usize::from(parts.into_iter().flatten().any(clear));
        });
    }
    assert_eq!(in_clear, 1);
    assert!(!clear(&std::fs::read(shop.path("log")).unwrap()));
}
