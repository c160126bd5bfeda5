//! Entities whose keys are computed from fields: of several of them, or by an expression.

mod catch_up;
mod compiled;

use catch_up::decisions;
use compiled::topology;
use riskstream_events::FeatureValue;
use riskstream_pipeline::faulty::Faults;
use riskstream_pipeline::{TestDriver, WorkerRole};

const PIPELINE: &str = r#"
name: shop
inputs:
  transactions:
    topic: payments
    key: card
    id: id
    event_time: time
    fields:
      {id: text, time: {type: timestamp, unit: micros}, card: text, merchant: text, email: text, ip: text, number: int}
  labels:
    topic: labels
    id: id
    event_time: known_at
    arrives_within: 10d
    fields: {id: text, known_at: {type: timestamp, unit: micros}, card: text, fraud: bool}
entities:
  card: {key: card, lateness: 30d}
  card_merchant: {key: [card, merchant], lateness: 30d}
  account: {key: email.lowerAscii(), lateness: 30d}
  network: {key: ['ip_network(ip, 24)', number % 3], lateness: 30d}
features:
  of_card: {entity: card, count: transactions, window: 2h}
  of_card_merchant: {entity: card_merchant, count: transactions, window: 1d}
  frauds_of_card_merchant: {entity: card_merchant, sum: fraud, of: labels, window: 20d, empty: 0}
  of_account: {entity: account, count: transactions, window: 1d}
  of_network: {entity: network, count: transactions, window: 1d}
rules:
  - {name: often, when: of_card_merchant > 100, then: review}
  - {name: trial, when: number > 8, then: review, mode: shadow, share: 0.5, entity: card_merchant}
outputs: {decisions: decisions, dead_letters: dead-letters}
"#;
const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const START: i64 = 1_767_225_600_000_000;

struct Payment {
    id: String,
    time: i64,
    card: String,
    merchant: &'static str,
    email: &'static str,
    ip: String,
    number: i64,
}

/// Cards and merchants with separators in their names: no two pairs may be taken for one.
fn payments() -> Vec<Payment> {
    let merchants = ["m", "|m", "m|", "a|m", r"\|m", r"m\"];
    let emails = [
        "Ann@Example.com",
        "ann@example.com",
        "ANN@EXAMPLE.COM",
        "bob@example.com",
    ];
    let payment = |at: usize| Payment {
        id: format!("p{at}"),
        time: START + at as i64 * 7 * MINUTE,
        card: ["c", "c|a", r"c\", "c|"][at * 7 % 4].to_owned(),
        merchant: merchants[at * 5 % 13 % 6],
        email: emails[at * 3 % 7 % 4],
        ip: format!("10.0.{}.{}", at % 2, at % 250),
        number: at as i64 * 11 % 17,
    };
    (0..1500).map(payment).collect()
}

/// Every fifth payment is known as fraud three hours later. Its label has the first entity's key and no other.
fn label(at: usize, payment: &Payment) -> Option<i64> {
    at.is_multiple_of(5).then_some(payment.time + 181 * MINUTE)
}

fn fill(driver: &TestDriver, payments: &[Payment]) {
    for (at, payment) in payments.iter().enumerate() {
        let Payment {
            id,
            time,
            card,
            merchant,
            email,
            ip,
            number,
        } = payment;
        let json = serde_json::json!({
            "id": id, "time": time, "card": card, "merchant": merchant, "email": email, "ip": ip, "number": number,
        });
        driver.send(0, card, json.to_string().as_bytes(), None);
        if let Some(known_at) = label(at, payment) {
            let json = serde_json::json!({"id": id, "known_at": known_at, "card": card, "fraud": true});
            driver.send(1, card, json.to_string().as_bytes(), None);
        }
    }
}

/// The number of payments up to this one, within `window` microseconds, that are of the same entity.
fn count<K: PartialEq>(payments: &[Payment], at: usize, window: i64, key: impl Fn(&Payment) -> K) -> i64 {
    let is_within = |other: &&Payment| payments[at].time - other.time < window && key(other) == key(&payments[at]);
    payments[..=at].iter().filter(is_within).count() as i64
}

fn frauds(payments: &[Payment], at: usize) -> f64 {
    let payment = &payments[at];
    let counts = |(other_at, other): &(usize, &Payment)| {
        let is_within = |known_at: i64| (0..20 * DAY).contains(&(payment.time - known_at));
        (&other.card, other.merchant) == (&payment.card, payment.merchant)
            && label(*other_at, other).is_some_and(is_within)
    };
    payments.iter().enumerate().filter(counts).count() as f64
}

#[test]
fn each_combination_is_an_entity_of_its_own() {
    let payments = payments();
    for (faults, workers) in [
        (Faults::default(), &[WorkerRole::All][..]),
        (
            Faults::of_each_kind(2000),
            &[WorkerRole::Upstream, WorkerRole::Deciding, WorkerRole::Deciding],
        ),
    ] {
        let mut driver = catch_up::driver(topology(PIPELINE, None), 3);
        driver.set_faults(faults);
        workers.iter().for_each(|role| driver.add_worker_of(*role));
        fill(&driver, &payments);
        driver.run().expect("the run ends");
        let decisions = decisions(&driver);
        assert_eq!((decisions.len(), driver.dead_letters().len()), (payments.len(), 0));
        let mut most_frauds = 0.0_f64;
        for (at, payment) in payments.iter().enumerate() {
            let decision = &decisions[&payment.id];
            let third = |ip: &str| ip.split('.').nth(2).map(str::to_owned);
            for (name, expected) in [
                ("of_card", count(&payments, at, 2 * HOUR, |other| other.card.clone())),
                (
                    "of_card_merchant",
                    count(&payments, at, DAY, |other| (other.card.clone(), other.merchant)),
                ),
                (
                    "of_account",
                    count(&payments, at, DAY, |other| other.email.to_lowercase()),
                ),
                (
                    "of_network",
                    count(&payments, at, DAY, |other| (third(&other.ip), other.number % 3)),
                ),
            ] {
                assert_eq!(
                    decision.feature(name),
                    Some(&FeatureValue::Int(expected)),
                    "{name} of {}",
                    payment.id
                );
            }
            let frauds = frauds(&payments, at);
            most_frauds = most_frauds.max(frauds);
            let found = decision.feature("frauds_of_card_merchant");
            assert_eq!(found, Some(&FeatureValue::Float(frauds)), "frauds of {}", payment.id);
        }
        assert!(most_frauds > 5.0, "{most_frauds}");
        let of_last = &decisions[&payments[1499].id];
        assert_eq!(
            of_last.entities.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>(),
            ["c|a", r"c\|a|\|m", "bob@example.com", "10.0.1.0/24|1"]
        );
    }
}

/// A part that is null: the payment is refused, unless its field need not be there.
#[test]
fn a_key_without_one_of_its_parts() {
    let send = |driver: &mut TestDriver, merchant: serde_json::Value, ip: &str| {
        let json = serde_json::json!({
            "id": format!("{merchant}{ip}"), "time": START, "card": "c", "merchant": merchant, "email": "a", "ip": ip, "number": 1,
        });
        driver.send(0, "c", json.to_string().as_bytes(), None);
        driver.run().unwrap();
    };
    let mut driver = TestDriver::new(topology(PIPELINE, None), 1);
    send(&mut driver, serde_json::Value::Null, "10.0.0.1");
    send(&mut driver, "m".into(), "no address");
    assert_eq!((driver.decisions().len(), driver.dead_letters().len()), (0, 2));

    let text = PIPELINE.replace("merchant: text", "merchant: {type: text, required: false}");
    let mut driver = TestDriver::new(topology(&text, None), 1);
    for ip in ["10.0.0.1", "10.0.0.2"] {
        send(&mut driver, serde_json::Value::Null, ip);
    }
    let decisions = decisions(&driver);
    assert_eq!(decisions.len(), 2);
    for decision in decisions.values() {
        let names: Vec<&str> = decision.entities.iter().map(|(entity, _)| entity.as_str()).collect();
        assert_eq!(names, ["card", "account", "network"]);
        assert_eq!(decision.feature("of_card_merchant"), Some(&FeatureValue::Null(())));
    }
}
