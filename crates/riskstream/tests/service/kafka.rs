//! The service on a real Kafka: topics, two copies, decisions, dead letters, metrics, shutdown and restart.

use crate::support::kafka::{Reader, Writer, brokers, delete_topics, header, read_all};
use crate::support::process::{Service, run, wait_for};
use crate::support::unique;
use rdkafka::message::Message;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A pipeline with two stages and topics of its own.
fn pipeline(directory: &Path, name: &str, brokers: &str) -> PathBuf {
    let path = directory.join("pipeline.yaml");
    let text = format!(
        "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions
    key: card
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, card: text, shop: text, amount: float}}
entities: {{card: {{key: card}}, shop: {{key: shop}}}}
features:
  card_payments: {{entity: card, count: transactions, window: 1d}}
  card_spent: {{entity: card, sum: amount, window: 1d}}
  shop_payments: {{entity: shop, count: transactions, window: 1d}}
rules:
  - {{name: often, when: card_payments > 5, then: decline, mode: shadow}}
decision: {{review: card_payments > 20, decline: card_payments > 40}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: \"{brokers}\"}}
"
    );
    std::fs::write(&path, text).unwrap();
    path
}

const CARDS: u64 = 37;

/// Transaction number `n` with its key: one a second, for one card after the other, so that the number of a card's
/// payments follows from `n`.
fn transaction(n: u64) -> (String, Value) {
    let card = format!("card-{}", n % CARDS);
    let time = 1_767_225_600_000_u64 + n * 1_000;
    let value =
        json!({"id": format!("tx-{n}"), "time": time, "card": card, "shop": format!("shop-{}", n % 11), "amount": 2.5});
    (card, value)
}

fn write_transactions(writer: &Writer, topic: &str, numbers: Range<u64>) {
    for (key, value) in numbers.map(transaction) {
        writer.send(topic, Some(key.as_bytes()), Some(value.to_string().as_bytes()));
    }
    writer.flush();
}

/// All committed decisions.
fn decisions(brokers: &str, topic: &str) -> Vec<Value> {
    let mut decisions = Vec::new();
    read_all(brokers, topic, |message| {
        decisions.push(serde_json::from_slice(message.payload().unwrap()).unwrap());
    });
    decisions
}

/// Checks that each transaction was decided once, with the exact number of its card's payments.
fn check(decisions: &[Value], transactions: u64) {
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    for decision in decisions {
        let id: u64 = decision["event_id"].as_str().unwrap()["tx-".len()..].parse().unwrap();
        *seen.entry(id).or_default() += 1;
        let payments = id / CARDS + 1;
        assert_eq!(decision["features"]["card_payments"], json!(payments), "{decision}");
        assert_eq!(
            decision["features"]["card_spent"],
            json!(2.5 * payments as f64),
            "{decision}"
        );
        let expected = if payments > 40 {
            "decline"
        } else if payments > 20 {
            "review"
        } else {
            "approve"
        };
        assert_eq!(decision["outcome"], expected, "{decision}");
        let often = decision["shadow_rules"]
            .as_array()
            .is_some_and(|rules| rules.len() == 1);
        assert_eq!(often, payments > 5, "{decision}");
    }
    let expected: BTreeMap<u64, u64> = (0..transactions).map(|id| (id, 1)).collect();
    assert_eq!(seen, expected);
}

#[test]
fn two_copies_share_partitions_and_hand_them_over() {
    let brokers = brokers();
    let directory = tempfile::tempdir().unwrap();
    let name = unique("service");
    let file = pipeline(directory.path(), &name, &brokers);
    let state = directory.path().join("state");
    let [transactions, decided, dead_letters] =
        ["transactions", "decisions", "dead-letters"].map(|topic| format!("{name}-{topic}"));
    check_topics_command(&file, &state);

    // 1,000 transactions are there before two copies start, which share a state directory.
    let writer = Writer::new(&brokers);
    write_transactions(&writer, &transactions, 0..1_000);
    writer.send(&transactions, Some(b"card-0"), Some(b"{\"id\": "));
    writer.flush();
    let start = |log: &str, further: &[&str]| Service::start(&file, &state, &directory.path().join(log), &[], further);
    let mut first = start("first", &["--workers", "2"]);
    first.wait_until_ready();
    let mut second = start("second", &[]);
    second.wait_until_ready();
    wait_for("partitions for both copies", || {
        let (first, second) = (first.partitions(), second.partitions());
        (first + second == 8 && first > 0 && second > 0).then_some(())
    });
    check_gauges(&first, &second);
    write_transactions(&writer, &transactions, 1_000..1_500);
    let mut reader = Reader::new(&brokers, &decided);
    reader.wait_for(1_500, || second.check_running());
    check(&decisions(&brokers, &decided), 1_500);
    check_metrics(&first, &second, &transactions);
    check_dead_letter(&brokers, &dead_letters);

    // One copy ends. The other takes over with the state that it finds.
    first.terminate();
    assert_eq!(first.wait().code(), Some(0));
    wait_for("all partitions", || (second.partitions() == 8).then_some(()));
    assert_eq!(gauges(&second).len(), 8);
    write_transactions(&writer, &transactions, 1_500..1_700);
    reader.wait_for(200, || second.check_running());
    check(&decisions(&brokers, &decided), 1_700);
    assert_eq!(second.partitions(), 8);

    // The other copy is killed. Its successor aborts the open transactions and continues.
    second.kill();
    write_transactions(&writer, &transactions, 1_700..1_800);
    let mut third = start("third", &[]);
    third.wait_until_ready();
    reader.wait_for(100, || third.check_running());
    third.terminate();
    assert_eq!(third.wait().code(), Some(0));
    check(&decisions(&brokers, &decided), 1_800);
    delete_topics(&brokers, &name);
}

/// The partitions of which a copy has gauges: with state, all of these.
fn gauges(service: &Service) -> BTreeSet<String> {
    let (_, text) = service.get("/metrics").unwrap();
    let of = |name: &str| -> BTreeSet<String> {
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
        lines.map(|line| line.split('}').next().unwrap().to_owned()).collect()
    };
    let with_state = of("riskstream_state_bytes");
    for name in [
        "riskstream_cached_entities",
        "riskstream_cached_bytes",
        "riskstream_waiting_frames",
    ] {
        assert_eq!(of(name), with_state, "{name}");
    }
    assert!(of("riskstream_lag_records").is_subset(&with_state));
    assert!(of("riskstream_stream_time_seconds").is_subset(&with_state));
    with_state
}

/// A partition that moved has gauges only where it is now.
fn check_gauges(first: &Service, second: &Service) {
    let (of_first, of_second) = wait_for("no partition to move", || {
        let partitions = || (first.partitions(), second.partitions());
        let before = partitions();
        let gauges = (gauges(first), gauges(second));
        (partitions() == before && before.0 + before.1 == 8).then_some(gauges)
    });
    assert_eq!(
        of_first.intersection(&of_second).count(),
        0,
        "{of_first:?} {of_second:?}"
    );
    assert_eq!(of_first.len() + of_second.len(), 8, "{of_first:?} {of_second:?}");
}

/// Missing topics are listed, and reported by a run. `topics create` creates them.
fn check_topics_command(file: &Path, state: &Path) {
    let (file, state) = (file.to_str().unwrap(), state.to_str().unwrap());
    let (code, table, errors) = run(&["topics", file], &[]);
    assert_eq!(code, Some(0), "{errors}");
    let missing = table.lines().filter(|line| line.ends_with("  missing"));
    assert_eq!(missing.count(), 4, "{table}");
    let (code, _, errors) = run(&["run", file, "--state-dir", state, "--http", "127.0.0.1:0"], &[]);
    assert_eq!(code, Some(1), "{errors}");
    assert!(
        errors.contains("4 topics are missing") && errors.contains(&format!("riskstream topics create {file}")),
        "{errors}"
    );
    let mut create = vec!["topics", "create", file];
    create.extend(["--partitions", "4", "--replication-factor", "1"]);
    let (code, created, errors) = run(&create, &[]);
    assert_eq!((code, created.matches("created ").count()), (Some(0), 4), "{errors}");
    let (code, table, _) = run(&["topics", file], &[]);
    assert_eq!((code, table.matches("  exists").count()), (Some(0), 4), "{table}");
}

/// The metrics of both copies agree with what was written.
fn check_metrics(first: &Service, second: &Service, transactions: &str) {
    let total = |metric: &str, label: &str| first.metric(metric, label) + second.metric(metric, label);
    wait_for("the count of all decisions", || {
        (total("riskstream_decisions_total", "outcome=") >= 1_500.0).then_some(())
    });
    assert_eq!(total("riskstream_decisions_total", "outcome="), 1_500.0);
    // Of each card's 40 or 41 payments: those after the fifth, and of them those up to the 20th, on which no threshold fires.
    let hits = (0..1_500).filter(|n| n / CARDS + 1 > 5).count() as f64;
    assert_eq!(total("riskstream_rule_hits_total", "rule=\"often\""), hits);
    assert_eq!(
        total("riskstream_rule_unique_hits_total", "rule=\"often\""),
        15.0 * CARDS as f64
    );
    assert_eq!(total("riskstream_rule_hits_total", "rule=\"decline\""), 20.0);
    assert_eq!(total("riskstream_dead_letters_total", "reason=\"not_json\""), 1.0);
    assert_eq!(total("riskstream_records_total", transactions), 1_501.0);
    assert_eq!(total("riskstream_decision_latency_seconds_count", ""), 1_500.0);
    assert!(total("riskstream_rebalances_total", "") >= 2.0);
}

fn check_dead_letter(brokers: &str, topic: &str) {
    let mut dead_letters = Vec::new();
    read_all(brokers, topic, |message| {
        let reason = header(message, "riskstream.reason");
        dead_letters.push((reason, message.payload().unwrap().to_vec()));
    });
    assert_eq!(dead_letters, [("not_json".to_owned(), b"{\"id\": ".to_vec())]);
}
