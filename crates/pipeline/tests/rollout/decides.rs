//! Rules, thresholds, expressions and lists that are rolled out on the in-process log: decisions before and after the change are as
//! its place in the log says, and a replay makes the same.

use crate::driver::{decision, decisions, rolled_out, topology};
use crate::shop::{directory, governed_text};
use riskstream_definition::{Compiled, Style, compile};
use riskstream_events::OwnedDecisionRecord;
use riskstream_lists::{Entry, EntryChange, ListSet, ListVersion, Table};
use riskstream_pipeline::TestDriver;
use riskstream_pipeline::faulty::Faults;
use riskstream_pipeline::memory::StoredRecord;

const COUNTRIES: [&str; 5] = ["FR", "DE", "BR", "RU", "US"];

/// Other rules, thresholds, expressions and constants.
const RULES: &str = "
revision: 1
author: anna
rules:
- {name: risky_country, when: country in risky, then: decline, reason: R1}
- {name: heavy, when: tenfold > 9, then: review, set: {queue: large}}
- {name: watched, when: country in nearby, then: decline, mode: shadow}
- {name: late, when: late_by > 5 && 'late' in flags, then: review}
decision: {review: score >= 0.5, review_reason: S2}
features:
  tenfold: {expression: share * 10}
  share: {expression: amount / 500}
lists: {risky: [US], nearby: [FR]}
";

const BOTH: &str = "
revision: 2
champion: {file: models/new.onnx}
rules: []
decision: {decline: score >= 0.9, decline_reason: S3}
";

fn pipeline() -> Compiled {
    compile("shop.yaml", &governed_text("shop"), &directory(), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)))
}

/// The list of blocked customers, with one of them.
fn blocked(customer: &str, offset: i64) -> ListSet {
    let change = EntryChange {
        key: customer.into(),
        entry: Some(Entry::default()),
    };
    ListSet::new(vec![ListVersion {
        topic: "shop-blocked".into(),
        offset: Some(offset),
        content: Table::default().with([&change]).into(),
    }])
}

/// Workers of the pipeline over `partitions` partitions, with a list that holds none of the customers.
fn driver(pipeline: &Compiled, partitions: i32) -> TestDriver {
    let driver = TestDriver::new(topology(pipeline), partitions);
    driver.lists.put(blocked("nobody", 1));
    driver
}

fn amount(number: usize) -> f64 {
    (number % 11) as f64 * 100.0
}

/// Sends payments, a second apart, of 40 customers in turn.
fn pay(driver: &TestDriver, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let (customer, country) = (format!("c{}", number % 40), COUNTRIES[number % 5]);
        let time = 1_767_225_600_000 + number as u64 * 1000;
        let payment = format!(
            r#"{{"id":"t{number}","time":{time},"customer":"{customer}","amount":{},"country":"{country}","note":""}}"#,
            amount(number)
        );
        driver.send(0, &customer, payment.as_bytes(), None);
    }
}

/// What the pipeline file or a roll-out says of payment `number`, computed here once more: outcome, reasons, shadows.
fn expected(rollout: u64, number: usize) -> (&'static str, Vec<&'static str>, Vec<&'static str>) {
    let (amount, country) = (amount(number), COUNTRIES[number % 5]);
    let mut reasons = Vec::new();
    let mut shadows = Vec::new();
    let outcome = match rollout {
        0 => {
            let score = f64::from((amount as f32 / 1024.0).min(1.0));
            let risky = ["BR", "RU"].contains(&country);
            reasons.extend(risky.then_some("risky_country"));
            let large = amount / 1000.0 * 2.0 > 1.9;
            reasons.extend(large.then_some("large"));
            let threshold = match score {
                score if score >= 0.99 => Some("SCORE_DECLINE"),
                score if score >= 0.9 => Some("SCORE_REVIEW"),
                _ => None,
            };
            reasons.extend(threshold);
            match threshold {
                Some("SCORE_DECLINE") => "decline",
                _ if reasons.is_empty() => "approve",
                _ => "review",
            }
        }
        1 => {
            let score = f64::from((amount as f32 / 1024.0).min(1.0));
            reasons.extend((country == "US").then_some("R1"));
            reasons.extend((amount / 500.0 * 10.0 > 9.0).then_some("heavy"));
            shadows.extend((country == "FR").then_some("watched"));
            reasons.extend((score >= 0.5).then_some("S2"));
            match (country, reasons.is_empty()) {
                ("US", _) => "decline",
                (_, true) => "approve",
                (_, false) => "review",
            }
        }
        _ => {
            let score = f64::from((amount as f32 / 512.0).min(1.0));
            reasons.extend((score >= 0.9).then_some("S3"));
            if reasons.is_empty() { "approve" } else { "decline" }
        }
    };
    (outcome, reasons, shadows)
}

fn check(decision: &OwnedDecisionRecord, number: usize) {
    let codes = |reasons: &[riskstream_events::OwnedReason]| -> Vec<String> {
        reasons.iter().map(|reason| reason.code.clone()).collect()
    };
    let (outcome, reasons, shadows) = expected(decision.rollout, number);
    assert_eq!(decision.outcome, outcome, "t{number} under {}", decision.rollout);
    assert_eq!(
        codes(&decision.reasons),
        reasons,
        "t{number} under {}",
        decision.rollout
    );
    assert_eq!(
        codes(&decision.shadow_rules),
        shadows,
        "t{number} under {}",
        decision.rollout
    );
    let has = |name: &str| decision.features.iter().any(|(feature, _)| feature == name);
    assert_eq!(has("tenfold"), decision.rollout == 1, "t{number}");
    let queue = decision
        .attributes
        .iter()
        .any(|(name, value)| name == "queue" && value == "large");
    let sets = reasons.iter().any(|reason| ["large", "heavy"].contains(reason));
    assert_eq!(queue, sets, "t{number} under {}", decision.rollout);
}

/// The records that went to the further output.
fn alerts(driver: &TestDriver) -> Vec<OwnedDecisionRecord> {
    let records = driver.broker.all_records("shop-alerts").into_iter();
    let read = |record: StoredRecord| OwnedDecisionRecord::from_json(&record.value.unwrap()).unwrap();
    records.map(read).collect()
}

#[test]
fn everything_that_decides_changes_between_two_transactions_and_back() {
    let pipeline = pipeline();
    let mut driver = driver(&pipeline, 3);
    pay(&driver, 0..110);
    driver.run().unwrap();
    for (part, text) in [RULES, BOTH, "{revision: 3, restores: 0}"].into_iter().enumerate() {
        driver.rollouts.put(rolled_out(&pipeline, text));
        driver.run().unwrap();
        pay(&driver, (part + 1) * 110..(part + 2) * 110);
        driver.run().unwrap();
    }
    let decisions = decisions(&driver);
    for number in 0..440 {
        let decision = decision(&decisions, number);
        assert_eq!(decision.rollout, (number / 110) as u64, "t{number}");
        let as_of_file = OwnedDecisionRecord {
            rollout: 0,
            ..decision.clone()
        };
        check(if decision.rollout == 3 { &as_of_file } else { decision }, number);
    }
    // The output's condition reads what the rules in force set.
    let alerted = alerts(&driver);
    assert!(alerted.iter().any(|decision| decision.rollout == 1));
    for decision in &alerted {
        let country = COUNTRIES[decision.event_id[1..].parse::<usize>().unwrap() % 5];
        assert!(
            country == "BR" || decision.attributes.iter().any(|(name, _)| name == "queue"),
            "{decision:?}"
        );
    }
}

/// Aborts, crashes, hand-overs and a lost state around changes of the rules: each payment is decided once, by what its place in the log
/// says, and whoever decides the same log again comes to the same.
#[test]
fn faults_neither_double_nor_mix_and_a_replay_decides_the_same() {
    let pipeline = pipeline();
    for seed in 0..4 {
        let mut driver = driver(&pipeline, 1);
        driver.set_faults(Faults::of_each_kind(7 + seed * 100));
        driver.kill_worker(0);
        driver.add_worker();
        driver.add_worker();
        for part in 0..8 {
            if part == 2 || part == 5 {
                let text = if part == 2 { RULES } else { BOTH };
                driver.rollouts.put(rolled_out(&pipeline, text));
            }
            pay(&driver, part * 50..(part + 1) * 50);
            for _ in 0..3 {
                driver.round().unwrap();
            }
            if part == 4 {
                driver.kill_worker(0);
                driver.stores.lose();
                driver.add_worker();
            }
        }
        driver.run().unwrap();
        let original = decisions(&driver);
        assert_eq!(original.len(), 400, "seed {seed}");
        let mut last = 0;
        for record in &original {
            check(record, record.event_id[1..].parse().unwrap());
            assert!(record.rollout >= last, "seed {seed}: {} after {last}", record.rollout);
            last = record.rollout;
        }
        assert_eq!(last, 2, "seed {seed}");
        assert_eq!(replayed(&pipeline, &driver), original, "seed {seed}");
    }
}

/// Decides again what lies in front of the deciding stage, with all roll-outs ready from the beginning.
fn replayed(pipeline: &Compiled, original: &TestDriver) -> Vec<OwnedDecisionRecord> {
    let topology = topology(pipeline);
    let mut driver = driver(pipeline, 1);
    for text in [RULES, BOTH] {
        driver.rollouts.put(rolled_out(pipeline, text));
    }
    let topic = topology.repartition_topics.last().unwrap().as_ref().unwrap();
    for record in original.broker.all_records(topic) {
        driver
            .broker
            .produce(topic, record.key.as_deref(), record.value.as_deref(), record.timestamp);
    }
    driver.run().unwrap();
    decisions(&driver)
}

/// A challenger's condition may ask a list whose entries change.
#[test]
fn a_challenger_decides_on_what_a_list_says() {
    let pipeline = pipeline();
    let mut driver = driver(&pipeline, 1);
    driver.lists.put(blocked("c3", 2));
    let text = "
revision: 1
rules: []
challengers:
- {model: {file: models/new.onnx}, share: 1, when: customer in blocked}
";
    driver.rollouts.put(rolled_out(&pipeline, text));
    driver.run().unwrap();
    pay(&driver, 0..80);
    driver.run().unwrap();
    let decisions = decisions(&driver);
    for number in 0..80 {
        let expected = if number % 40 == 3 { "2" } else { "1" };
        let model = decision(&decisions, number).model.as_ref().unwrap();
        assert_eq!(model.version, expected, "t{number}");
    }
}
