//! Tables from topics on a real Kafka: rates and BIN ranges change by another client while payments run, with a kill in between and two
//! copies that take over. Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

mod support;

use crate::support::kafka::read_all;
use crate::support::process::{Service, run, wait_for};
use crate::support::shop::Shop;
use rdkafka::message::Message;
use riskstream_events::{FeatureValue, OwnedDecisionRecord};
use std::collections::BTreeMap;
use std::ops::Range;

const PARTITIONS: usize = 3;

impl Shop {
    /// Writes records to the topic of a table; without a value a row is removed.
    fn change(&self, table: &str, records: &[(&str, Option<&str>)]) {
        let topic = format!("{}-{table}", self.name);
        for (key, value) in records {
            self.writer.send(&topic, Some(key.as_bytes()), value.map(str::as_bytes));
        }
        self.writer.flush();
    }

    fn pay(&mut self, numbers: Range<usize>, service: &mut Service) {
        let count = numbers.len();
        for number in numbers {
            let (customer, time) = (format!("c{}", number % 20), 1_767_225_600_000 + number as u64 * 1000);
            let (bin, currency, ip) = (bin(number), currency(number), ip(number));
            let payment = format!(
                r#"{{"id":"t{number}","time":{time},"customer":"{customer}","bin":"{bin}","currency":"{currency}","ip":"{ip}","amount":2}}"#
            );
            let topic = format!("{}-transactions", self.name);
            self.writer
                .send(&topic, Some(customer.as_bytes()), Some(payment.as_bytes()));
        }
        self.writer.flush();
        self.wait_for_decisions(count, service);
    }
}

const NETWORKS: &str = "network,asn\n203.0.113.0/24,1\n203.0.113.128/25,64496\n";

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
    fields: {{id: text, time: timestamp, customer: text, bin: text, currency: text, ip: text, amount: float}}
entities: {{customer: {{key: customer}}}}
features:
  payments: {{entity: customer, count: transactions, window: 1d}}
  euros: {{expression: 'amount * rates[currency].rate'}}
tables:
  rates: {{key: currency, topic: {name}-rates, columns: {{rate: float}}}}
  bins: {{key: bin, topic: {name}-bins, match: range, columns: {{country: text}}}}
  networks: {{key: ip, file: networks.csv, match: network, columns: {{asn: int}}}}
rules:
  - {{name: foreign, when: 'bins[bin].country != \"DE\"', then: review}}
  - {{name: unknown, when: '!(bin in bins)', then: review}}
  - {{name: hosting, when: 'networks[ip].asn == 64496', then: decline}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: '{brokers}', properties: {{session.timeout.ms: 6000, heartbeat.interval.ms: 500}}}}
"
    )
}

fn bin(number: usize) -> String {
    (400_000 + number % 7 * 50).to_string()
}

fn currency(number: usize) -> &'static str {
    ["EUR", "USD", "GBP"][number % 3]
}

fn ip(number: usize) -> String {
    format!("203.0.113.{}", number * 13 % 256)
}

/// Waits until the version in force in all partitions holds the records of a table before `offset`.
fn wait_for_offset(services: &[&Service], table: &str, offset: usize) {
    wait_for(&format!("offset {offset} of {table} in all partitions"), || {
        let metrics = services.iter().filter_map(|service| service.get("/metrics"));
        let in_force: usize = metrics
            .map(|(_, text)| {
                let lines = text.lines().filter(|line| line.starts_with("riskstream_list_offset{"));
                lines
                    .filter(|line| line.contains(table) && line.ends_with(&format!(" {offset}")))
                    .count()
            })
            .sum();
        (in_force >= PARTITIONS).then_some(())
    });
}

#[test]
fn rates_and_ranges_change_while_payments_run() {
    let mut shop = Shop::new("tables", PARTITIONS as i32, &[], |directory, name, brokers| {
        std::fs::write(directory.join("networks.csv"), NETWORKS).unwrap();
        pipeline_text(name, brokers)
    });
    shop.change(
        "rates",
        &[("EUR", Some(r#"{"rate": 1}"#)), ("USD", Some(r#"{"rate": 0.5}"#))],
    );
    shop.change("bins", &[("400000-400299", Some(r#"{"country": "DE"}"#))]);
    let mut first = shop.start("first");
    shop.pay(0..100, &mut first);

    shop.change(
        "rates",
        &[("USD", Some(r#"{"rate": 0.25, "source": "ECB"}"#)), ("EUR", None)],
    );
    let narrower = [
        ("400050-400149", Some(r#"{"country": "FR"}"#)),
        ("400300-400399", Some("{}")),
    ];
    shop.change("bins", &narrower);
    wait_for_offset(&[&first], "rates", 4);
    wait_for_offset(&[&first], "bins", 3);
    shop.pay(100..200, &mut first);

    // Records that cannot be used change nothing, and are counted.
    shop.change(
        "rates",
        &[
            ("USD", Some(r#"{"rate": "half"}"#)),
            ("", Some("{}")),
            ("GBP", Some("7")),
        ],
    );
    shop.change(
        "bins",
        &[
            ("0400000-400099", Some("{}")),
            ("400000-400299", Some(r#"{"country": "DE""#)),
        ],
    );
    wait_for_offset(&[&first], "rates", 7);
    wait_for_offset(&[&first], "bins", 5);
    for (table, unusable, rows) in [("rates", 3.0, 1.0), ("bins", 2.0, 3.0)] {
        assert_eq!(first.metric("riskstream_list_unusable_records_total", table), unusable);
        assert_eq!(first.metric("riskstream_list_entries", table), rows);
    }
    shop.pay(200..300, &mut first);

    // Copies that take over while tables change once more find the versions in force in the state and the log.
    first.kill();
    shop.change("rates", &[("GBP", Some(r#"{"rate": 2}"#))]);
    shop.change("bins", &[("400050-400149", None)]);
    let (mut second, third) = (shop.start("second"), shop.start("third"));
    wait_for_offset(&[&second, &third], "rates", 8);
    wait_for_offset(&[&second, &third], "bins", 6);
    shop.pay(300..400, &mut second);
    third.end();
    second.end();
    check_decisions(&shop);
    check_commands(&shop);
}

/// What the tables said of payments in each hundred, by hand: the rate, and the country of a BIN (`Some(None)` is a row without one).
fn said(number: usize) -> (Option<f64>, Option<Option<&'static str>>) {
    let rate = match (number / 100, currency(number)) {
        (0, "EUR") => Some(1.0),
        (0, "USD") => Some(0.5),
        (_, "USD") => Some(0.25),
        (3, "GBP") => Some(2.0),
        _ => None,
    };
    let country = match (number / 100, number % 7 * 50) {
        (1 | 2, 50 | 100) => Some(Some("FR")),
        (_, 0..=250) => Some(Some("DE")),
        (0, _) => None,
        (_, _) => Some(None),
    };
    (rate, country)
}

/// Each payment was decided once, by what the tables said then; offsets only grow in each partition.
fn check_decisions(shop: &Shop) {
    let mut decided: BTreeMap<usize, i32> = BTreeMap::new();
    let mut last: BTreeMap<(i32, String), i64> = BTreeMap::new();
    read_all(&shop.brokers, &format!("{}-decisions", shop.name), |message| {
        let decision = OwnedDecisionRecord::from_json(message.payload().unwrap()).unwrap();
        for (table, offset) in &decision.lists {
            let before = last.insert((message.partition(), table.clone()), *offset).unwrap_or(0);
            assert!(before <= *offset, "{table}: {offset} after {before}");
        }
        let number: usize = decision.event_id[1..].parse().unwrap();
        let (rate, country) = said(number);
        let euros = decision.features.iter().find(|(name, _)| name == "euros").unwrap();
        let expected = rate.map_or(FeatureValue::Null(()), |rate| FeatureValue::Float(2.0 * rate));
        assert_eq!(euros.1, expected, "t{number}");
        let mut expected = Vec::new();
        expected.extend(country.flatten().filter(|country| *country != "DE").map(|_| "foreign"));
        expected.extend(country.is_none().then_some("unknown"));
        expected.extend((number * 13 % 256 >= 128).then_some("hosting"));
        let reasons: Vec<&str> = decision.reasons.iter().map(|reason| reason.name.as_str()).collect();
        assert_eq!(reasons, expected, "t{number}");
        let before = decided.insert(number, message.partition());
        assert_eq!(before, None, "t{number} was decided twice");
    });
    assert_eq!(decided.len(), 400);
}

/// The topics are known to the commands, and a replay comes to the same decisions.
fn check_commands(shop: &Shop) {
    let pipeline = shop.path("pipeline.yaml");
    let pipeline = pipeline.to_str().unwrap();
    let (code, topics, errors) = run(&["topics", pipeline], &[]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        topics.contains("table: rates") && topics.contains("table: bins"),
        "{topics}"
    );
    let (code, _, errors) = run(&["lists", "show", pipeline, "rates"], &[]);
    assert!(code == Some(2) && errors.contains("rates is a table"), "{errors}");
    let (code, report, errors) = run(&["replay", pipeline], &[]);
    assert_eq!(code, Some(0), "{report}{errors}");
    assert!(report.contains("400"), "{report}");
}
