//! Tables from topics on the in-process log: each decision sees the rows of the versions that it names, and whoever decides the same log
//! again comes to the same.

use riskstream_definition::{Compiled, Style, compile};
use riskstream_events::{FeatureValue, OwnedDecisionRecord};
use riskstream_lists::{Change, History, ListSet, ListVersion};
use riskstream_pipeline::faulty::Faults;
use riskstream_pipeline::{TestDriver, Topology};
use std::path::Path;
use std::sync::Arc;

const PIPELINE: &str = "
name: shop
inputs:
  transactions:
    topic: transactions
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, bin: int, currency: text, amount: float}
entities: {customer: {key: customer}}
features:
  payments: {entity: customer, count: transactions, window: 1d}
  euros: {expression: 'amount * rates[wallet].rate'}
  wallet: {expression: 'coalesce(currency, \"EUR\")'}
tables:
  bins: {key: bin, topic: bins, match: range, columns: {country: text}}
  rates: {key: wallet, topic: rates, columns: {rate: float}}
lists: {blocked: {key: customer, topic: blocked}}
rules:
  - {name: blocked, when: customer in blocked, then: decline}
  - {name: foreign, when: 'bins[bin].country != \"DE\"', then: review}
  - {name: unknown, when: '!(bin in bins)', then: decline}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

const CUSTOMERS: usize = 10;
/// Payments have BINs from 0 on up to this.
const BINS: i64 = 30;

fn pipeline() -> Compiled {
    compile("shop.yaml", PIPELINE, Path::new("."), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)))
}

fn topology() -> Arc<Topology> {
    Arc::new(pipeline().json_topology(None).unwrap())
}

/// The record of the rates at an offset: its value is none in every seventh.
fn rate(offset: i64) -> (String, Option<f64>) {
    let currency = ["EUR", "USD"][offset as usize % 2].to_owned();
    (currency, (offset % 7 != 6).then_some(1.0 + offset as f64))
}

/// The record of the BINs at an offset: a range, which may overlap others, and its country.
fn range(offset: i64) -> ((i64, i64), Option<&'static str>) {
    let first = offset * 7 % BINS;
    let country = ["DE", "FR"][offset as usize / 3 % 2];
    ((first, first + offset % 5), (offset % 4 != 3).then_some(country))
}

/// The records before an offset of the topics, as any client writes them.
fn record(topic: &str, offset: i64) -> (String, Option<String>) {
    match topic {
        "rates" => {
            let (currency, rate) = rate(offset);
            (currency, rate.map(|rate| format!(r#"{{"rate": {rate}}}"#)))
        }
        _ => {
            let ((first, last), country) = range(offset);
            let row = country.map(|country| format!(r#"{{"country": "{country}"}}"#));
            (format!("{first}-{last}"), row)
        }
    }
}

/// The versions of these offsets. Nobody is blocked.
fn versions(pipeline: &Compiled, bins: i64, rates: i64) -> ListSet {
    let version = |settings: &riskstream_definition::EntryListSettings| {
        let end = match &*settings.topic {
            "bins" => bins,
            "rates" => rates,
            _ => 0,
        };
        let change = |offset| -> Change {
            let (key, value) = record(&settings.topic, offset);
            let value = value.as_deref().map(str::as_bytes);
            settings.records.read(Some(key.as_bytes()), value).unwrap()
        };
        let mut history = History::of(&settings.records);
        history.extend((0..end).map(|offset| (offset, change(offset))).collect(), end);
        ListVersion {
            topic: settings.topic.clone(),
            offset: Some(end),
            content: history.at(end).unwrap(),
        }
    };
    ListSet::new(pipeline.lists.iter().map(version).collect())
}

fn pay(driver: &TestDriver, first: usize, count: usize) {
    for number in first..first + count {
        let customer = format!("c{}", number % CUSTOMERS);
        let time = 1_767_225_600_000 + number as u64 * 1000;
        let (bin, currency) = (bin(number), currency(number));
        let record = format!(
            r#"{{"id":"t{number}","time":{time},"customer":"{customer}","bin":{bin},"currency":{currency},"amount":2}}"#
        );
        driver.send(0, &customer, record.as_bytes(), None);
    }
}

fn bin(number: usize) -> i64 {
    number as i64 * 11 % (BINS + 6)
}

fn currency(number: usize) -> &'static str {
    ["null", "\"USD\"", "\"EUR\"", "\"XXX\""][number % 4]
}

fn decisions(driver: &TestDriver) -> Vec<OwnedDecisionRecord> {
    let records = driver.decisions().into_iter();
    let read = records.map(|record| OwnedDecisionRecord::from_json(&record.value.unwrap()).unwrap());
    read.map(|decision| OwnedDecisionRecord {
        latency: None,
        ..decision
    })
    .collect()
}

fn offset(decision: &OwnedDecisionRecord, table: &str) -> i64 {
    let found = decision.lists.iter().find(|(name, _)| name == table);
    found.unwrap_or_else(|| panic!("{:?}", decision.lists)).1
}

/// The last value of each key among records, of those that have one.
fn rows<K: PartialEq + Clone, V: Clone>(records: impl Iterator<Item = (K, Option<V>)>) -> Vec<(K, V)> {
    let mut rows: Vec<(K, V)> = Vec::new();
    for (key, value) in records {
        rows.retain(|(other, _)| *other != key);
        rows.extend(value.map(|value| (key, value)));
    }
    rows
}

/// Each decision is what a scan of the records says that come before the offsets that it names.
#[track_caller]
fn check(decisions: &[OwnedDecisionRecord], count: usize) {
    assert_eq!(decisions.len(), count);
    for decision in decisions {
        let number: usize = decision.event_id[1..].parse().unwrap();
        let ranges = rows((0..offset(decision, "bins")).map(range));
        let holding = ranges
            .iter()
            .filter(|((first, last), _)| (*first..=*last).contains(&bin(number)));
        let country = holding
            .max_by_key(|((first, last), _)| (*first, -last))
            .map(|(_, country)| *country);
        let expected = match country {
            None => "decline",
            Some("DE") => "approve",
            Some(_) => "review",
        };
        assert_eq!(decision.outcome, expected, "{decision:?}");
        let wallet = match currency(number) {
            "null" => "EUR",
            text => text.trim_matches('"'),
        };
        let rates = rows((0..offset(decision, "rates")).map(rate));
        let euros = rates
            .iter()
            .find(|(currency, _)| currency == wallet)
            .map(|(_, rate)| 2.0 * rate);
        let found = decision.features.iter().find(|(name, _)| name == "euros").unwrap();
        let expected = euros.map_or(FeatureValue::Null(()), FeatureValue::Float);
        assert_eq!(found.1, expected, "{decision:?}");
    }
}

/// Aborts, crashes and rebalances around changes of the tables.
#[test]
fn each_decision_sees_the_rows_of_its_versions_and_a_replay_sees_the_same() {
    let pipeline = pipeline();
    for seed in 0..4 {
        let mut driver = TestDriver::new(topology(), 1);
        driver.set_faults(Faults::of_each_kind(seed * 100));
        driver.kill_worker(0);
        driver.lists.put(versions(&pipeline, 0, 0));
        driver.add_worker();
        driver.add_worker();
        driver.run().unwrap();
        for part in 0..8 {
            driver.lists.put(versions(&pipeline, part as i64 * 5, part as i64 * 3));
            pay(&driver, part * 50, 50);
            for _ in 0..3 {
                driver.round().unwrap();
            }
        }
        driver.run().unwrap();
        let original = decisions(&driver);
        check(&original, 400);
        let offsets: Vec<i64> = original.iter().map(|decision| offset(decision, "bins")).collect();
        assert!(
            offsets.is_sorted() && offsets.last() > offsets.first(),
            "seed {seed}: {offsets:?}"
        );
        for outcome in ["approve", "review", "decline"] {
            assert!(original.iter().any(|decision| decision.outcome == outcome), "{outcome}");
        }
        assert_eq!(replayed(&pipeline, &driver), original, "seed {seed}");
    }
}

/// Decides again what lies in the repartition topic, with all versions ready from the beginning.
fn replayed(pipeline: &Compiled, original: &TestDriver) -> Vec<OwnedDecisionRecord> {
    let topology = topology();
    let mut driver = TestDriver::new(topology.clone(), 1);
    for part in 0..8 {
        driver.lists.put(versions(pipeline, part * 5, part * 3));
    }
    // The newest version is that of the first notice: decisions begin with it.
    driver.lists.put(versions(pipeline, 0, 0));
    let repartition_topic = topology.repartition_topics[0].as_ref().unwrap();
    for record in original.broker.all_records(repartition_topic) {
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        driver.broker.produce(repartition_topic, key, value, record.timestamp);
    }
    driver.run().unwrap();
    decisions(&driver)
}
