//! Tables of rows that belong to entities on a real Kafka: merchants and customers beside payments, rows that come late, deletions, a
//! kill in between and three copies that take over. Each column is compared with the newest row as of the payment among all that were
//! sent. Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

mod support;

use crate::support::kafka::{header, is_committed, read_all};
use crate::support::process::{Service, run, wait_for};
use crate::support::shop::Shop;
use rdkafka::message::Message;
use riskstream_events::{FeatureValue, OwnedDecisionRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

const PARTITIONS: i32 = 3;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const EPOCH: i64 = 1_767_225_600_000;
/// Payments and rows that are sent before the next are.
const ROUND: i64 = 30;

fn pipeline_text(name: &str, brokers: &str) -> String {
    format!(
        "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions
    key: customer
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, customer: text, merchant: int, amount: float}}
  merchants:
    kind: table
    topic: {name}-merchants
    key: merchant
    event_time: updated_at
    fields: {{merchant: int, updated_at: timestamp, category: text, limit: float}}
  customers:
    kind: table
    topic: {name}-customers
    key: customer
    event_time: {{from: record}}
    delete_when: closed
    fields: {{customer: {{type: text, personal: true}}, opened: timestamp, closed: bool}}
entities: {{merchant: {{key: merchant, lateness: 30m, dedupe: 30m}}, customer: {{key: customer}}}}
features:
  above: {{entity: customer, count: transactions, window: 1d, when: amount > merchants.limit}}
  kind: {{expression: merchants.category}}
  age: {{expression: (event_time - customers.opened).getSeconds()}}
rules: [{{name: large, when: amount > merchants.limit, then: review}}]
personal_data: {{key_env: SECRET}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: '{brokers}', properties: {{session.timeout.ms: 6000, heartbeat.interval.ms: 500}}}}
"
    )
    .replace(
        "customer: text, merchant: int",
        "customer: {type: text, personal: true}, merchant: int",
    )
}

fn secret() -> [(&'static str, String); 1] {
    [("SECRET", "of made-up people".to_owned())]
}

fn customer(number: i64) -> String {
    format!("c{}", number % 7)
}

fn merchant(number: i64) -> i64 {
    number % 4
}

/// A feature over conditions with columns depends on the order in which merchants' partitions pass payments on. It is not compared here;
/// crates/offline/tests/events.rs and scripts/events-reference do.
fn amount(number: i64) -> i64 {
    number * 37 % 100
}

fn time_of_payment(number: i64) -> i64 {
    EPOCH + number * MINUTE
}

/// A row of a merchant: its time, its merchant, and what it says unless it deletes the row.
type MerchantRow = (i64, i64, Option<(String, i64)>);

/// Row `number` is half a minute before payment `number`; one in eleven is as late as entities may be, and more; one in six is a
/// deletion.
fn row_of_merchant(number: i64) -> MerchantRow {
    let late = match number % 11 {
        3 => 20 * MINUTE,
        7 => 2 * HOUR,
        _ => 0,
    };
    let content = (number % 6 != 5).then(|| (format!("category {}", number % 5), number * 13 % 100));
    (
        time_of_payment(number) - MINUTE / 2 - late,
        merchant(number * 3),
        content,
    )
}

/// Row `number` of every fifth payment: its time, its customer, and when the account was opened, unless it is closed.
fn row_of_customer(number: i64) -> Option<(i64, String, Option<i64>)> {
    let opened = (number % 3 != 1).then(|| EPOCH - number * HOUR);
    (number % 5 == 0).then(|| (time_of_payment(number) - MINUTE / 3, customer(number * 2), opened))
}

impl Shop {
    fn send_rows(&self, numbers: Range<i64>) {
        let (merchants, customers) = (format!("{}-merchants", self.name), format!("{}-customers", self.name));
        for number in numbers {
            let (time, merchant, content) = row_of_merchant(number);
            let key = merchant.to_string();
            match content {
                Some((category, limit)) => {
                    let row = format!(
                        r#"{{"merchant":{merchant},"updated_at":{time},"category":"{category}","limit":{limit}}}"#
                    );
                    self.writer.send(&merchants, Some(key.as_bytes()), Some(row.as_bytes()));
                }
                None => self.writer.send_at(&merchants, Some(key.as_bytes()), None, time),
            }
            if let Some((time, customer, opened)) = row_of_customer(number) {
                let row = match opened {
                    Some(opened) => format!(r#"{{"customer":"{customer}","opened":{opened},"closed":false}}"#),
                    None => format!(r#"{{"customer":"{customer}","closed":true}}"#),
                };
                let key = customer.as_bytes();
                self.writer.send_at(&customers, Some(key), Some(row.as_bytes()), time);
            }
        }
        self.writer.flush();
    }

    fn pay(&mut self, numbers: Range<i64>, service: &mut Service) {
        let count = numbers.clone().count();
        for number in numbers {
            let (time, customer) = (time_of_payment(number), customer(number));
            let (merchant, amount) = (merchant(number), amount(number));
            let payment = format!(
                r#"{{"id":"p{number}","time":{time},"customer":"{customer}","merchant":{merchant},"amount":{amount}}}"#
            );
            let topic = format!("{}-transactions", self.name);
            self.writer
                .send(&topic, Some(customer.as_bytes()), Some(payment.as_bytes()));
        }
        self.writer.flush();
        self.wait_for_decisions(count, service);
    }

    /// Sends rows, waits until they are applied, and pays. `applied`: the rows that these copies have applied before.
    fn round(&mut self, start: i64, services: &mut [Service], applied: &mut i64) {
        let numbers = start..start + ROUND;
        self.send_rows(numbers.clone());
        *applied += ROUND + numbers.clone().filter_map(row_of_customer).count() as i64;
        wait_for(&format!("{applied} rows applied"), || {
            let rows = services
                .iter()
                .map(|service| service.metric("riskstream_table_rows_total", ""));
            (rows.sum::<f64>() as i64 >= *applied).then_some(())
        });
        self.pay(numbers, &mut services[0]);
    }
}

#[test]
fn payments_see_the_rows_that_hold_through_a_kill() {
    let mut shop = Shop::new("entity-tables", PARTITIONS, &secret(), |_, name, brokers| {
        pipeline_text(name, brokers)
    });
    let mut applied = 0;
    let mut copies = vec![shop.start("first")];
    for start in (0..120).step_by(ROUND as usize) {
        shop.round(start, &mut copies, &mut applied);
    }
    let of = |result: &str| {
        let label = format!("input=\"merchants\",entity=\"merchant\",result=\"{result}\"");
        copies[0].metric("riskstream_table_rows_total", &label)
    };
    assert!(of("in_time") > 50.0 && of("late") > 5.0 && of("superseded") > 0.0);
    assert_eq!(of("in_time") + of("late") + of("superseded"), 120.0);
    // What was applied and is not committed is counted again by those who take over, and would be taken for what comes then.
    wait_for("committed positions", || {
        let mut topics = ["merchants", "customers", "hop-merchant", "hop-customer"].into_iter();
        let is_read = |topic| is_committed(&shop.brokers, &shop.name, &format!("{}-{topic}", shop.name), PARTITIONS);
        topics.all(is_read).then_some(())
    });
    copies.remove(0).kill();
    // What cannot be used. The topic is compacted, so brokers refuse records without a key.
    let topic = format!("{}-merchants", shop.name);
    shop.writer
        .send(&topic, Some(b"1"), Some(br#"{"updated_at": 1767225600000}"#));
    shop.writer.send(&topic, Some(b"one"), None);
    let mut copies: Vec<Service> = ["second", "third", "fourth"].map(|state| shop.start(state)).into();
    let mut applied = 0;
    for start in (120..240).step_by(ROUND as usize) {
        shop.round(start, &mut copies, &mut applied);
    }
    copies.into_iter().for_each(Service::end);
    check_decisions(&shop, 240);
    check_dead_letters(&shop);
    check_commands(&shop);
}

/// The newest row as of a payment among all that were sent until the end of its round; of equal times, the one that was sent last.
fn newest<T>(rows: impl Iterator<Item = (i64, T)>, number: i64) -> Option<T> {
    let past = rows.filter(|(time, _)| *time <= time_of_payment(number));
    past.max_by_key(|(time, _)| *time).map(|(_, row)| row)
}

fn row_seen(number: i64) -> Option<(String, i64)> {
    let rows = (0..(number / ROUND + 1) * ROUND).map(row_of_merchant);
    let rows = rows.filter(|(_, of, _)| *of == merchant(number));
    newest(rows.map(|(time, _, content)| (time, content)), number).flatten()
}

fn recounted(number: i64) -> BTreeMap<&'static str, FeatureValue> {
    let row = row_seen(number);
    let rows = (0..(number / ROUND + 1) * ROUND).filter_map(row_of_customer);
    let rows = rows.filter(|(_, of, _)| *of == customer(number));
    let opened = newest(rows.map(|(time, _, opened)| (time, opened)), number).flatten();
    let or_null = |value: Option<FeatureValue>| value.unwrap_or(FeatureValue::Null(()));
    let category = or_null(row.as_ref().map(|(category, _)| FeatureValue::Text(category.clone())));
    BTreeMap::from([
        ("merchants.category", category.clone()),
        ("kind", category),
        (
            "merchants.limit",
            or_null(row.map(|(_, limit)| FeatureValue::Float(limit as f64))),
        ),
        (
            "age",
            or_null(opened.map(|opened| FeatureValue::Int((time_of_payment(number) - opened) / 1000))),
        ),
    ])
}

fn check_decisions(shop: &Shop, count: usize) {
    let mut decided = BTreeSet::new();
    let mut deleted = 0;
    read_all(&shop.brokers, &format!("{}-decisions", shop.name), |message| {
        let decision = OwnedDecisionRecord::from_json(message.payload().unwrap()).unwrap();
        let number: i64 = decision.event_id[1..].parse().unwrap();
        assert!(decided.insert(number), "p{number} was decided twice");
        for (feature, expected) in recounted(number) {
            assert_eq!(decision.feature(feature), Some(&expected), "{feature} of p{number}");
            deleted += usize::from(feature == "kind" && expected == FeatureValue::Null(()));
        }
    });
    assert_eq!(decided.len(), count);
    assert!(deleted > 20, "{deleted} payments at merchants whose rows are deleted");
}

fn check_dead_letters(shop: &Shop) {
    let mut reasons = Vec::new();
    read_all(&shop.brokers, &format!("{}-dead-letters", shop.name), |message| {
        reasons.push(header(message, "riskstream.reason"));
    });
    reasons.sort_unstable();
    assert_eq!(reasons, ["missing_field", "wrong_type"]);
}

/// A replay comes to the same decisions; an audit lists the rows; `verify` computes the features again from the topics.
fn check_commands(shop: &Shop) {
    let pipeline = shop.path("pipeline.yaml");
    let pipeline = pipeline.to_str().unwrap();
    let (code, report, errors) = run(&["replay", pipeline], &secret());
    assert_eq!(code, Some(0), "{report}{errors}");
    assert!(report.contains("240"), "{report}");
    let (code, report, errors) = run(&["replay", pipeline, "--decision", "p200"], &secret());
    assert_eq!(code, Some(0), "{report}{errors}");
    assert!(
        report.contains("\nconfirmed\n") && report.contains("merchants"),
        "{report}"
    );
    println!("{report}");
    let (code, report, errors) = run(&["verify", pipeline], &secret());
    println!("{code:?} {report}{errors}");
    assert_eq!(code, Some(0), "{report}{errors}");
    let (code, report, errors) = run(&["topics", "create", pipeline, "--dry-run"], &secret());
    println!("{code:?} {report}{errors}");
}
