//! Payments, labels, logins and password changes on the in-process log: features equal a naive recomputation, whatever comes late,
//! twice or without a key, and whatever faults there are.

mod oracle;

#[path = "../catch_up/mod.rs"]
mod catch_up;
#[path = "../compiled/mod.rs"]
mod compiled;
#[path = "../split_mix/mod.rs"]
mod split_mix;

use catch_up::decisions;
use compiled::topology;
use oracle::{CHANGES, CONDITIONS, Feature, HOUR, LABELS, LOGINS, PAYMENTS, Record, expected};
use riskstream_events::{FeatureValue, OwnedDecisionRecord};
use riskstream_pipeline::faulty::Faults;
use riskstream_pipeline::{EventCounts, TestDriver, WorkerRole};
use split_mix::SplitMix;
use std::collections::BTreeMap;

const PARTITIONS: i32 = 3;

const PIPELINE: &str = "
name: shop
inputs:
  transactions:
    topic: transactions
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, terminal: text}
  labels:
    topic: labels
    id: id
    event_time: known_at
    fields: {id: text, customer: text, fraud: bool, known_at: timestamp}
  logins:
    kind: events
    topic: logins
    id: login_id
    event_time: time
    fields: {login_id: text, time: timestamp, customer: text, terminal: text, device: text, succeeded: bool, attempt: int}
  password_changes:
    kind: events
    topic: password-changes
    id: change_id
    event_time: time
    fields: {change_id: text, time: timestamp, customer: text}
entities:
  customer: {key: customer, lateness: 2h, dedupe: 2h}
  terminal: {key: terminal, lateness: 2h, dedupe: 2h}
outputs: {decisions: decisions, dead_letters: dead-letters}
features:
";

/// What is drawn of a seed.
struct Random(SplitMix);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0.next() % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

/// Features over all inputs, with windows, delays and conditions that are drawn.
fn features(random: &mut Random) -> Vec<Feature> {
    let minutes = |count: i64| count * HOUR / 60;
    let mut features = Vec::new();
    for (stage, input, aggregations) in [
        (0, PAYMENTS, &["count", "time_since_last"][..]),
        (1, PAYMENTS, &["count", "time_since_last"]),
        (1, LABELS, &["share"]),
        (0, CHANGES, &["count", "time_since_last"]),
        (
            0,
            LOGINS,
            &["count", "sum", "mean", "distinct", "last", "time_since_last"],
        ),
        (
            1,
            LOGINS,
            &["count", "sum", "mean", "distinct", "last", "time_since_last"],
        ),
    ] {
        for aggregation in aggregations {
            for _ in 0..2 {
                let limited = [minutes(30), HOUR, 6 * HOUR, 24 * HOUR].map(Some);
                let mut window = random.of(&limited);
                if *aggregation != "distinct" && random.one_in(4) {
                    window = None;
                }
                let condition =
                    (input == LOGINS && !random.one_in(3)).then(|| random.below(CONDITIONS.len() as u64) as usize);
                features.push(Feature {
                    name: format!("f{}", features.len()),
                    stage,
                    input,
                    aggregation,
                    window,
                    delay: random.of(&[0, 0, minutes(10)]),
                    condition,
                });
            }
        }
    }
    features
}

/// Records a minute apart, as they are sent: payments, labels of some, logins and password changes, one in ten of which comes late.
/// Logins have ids that payments have, too; some come again.
fn records(random: &mut Random, count: u64) -> Vec<Record> {
    let mut sent: Vec<(u64, Record)> = Vec::new();
    let mut labelled: Vec<Record> = Vec::new();
    for step in 0..count {
        let time = 1_767_225_600_000_000 + step as i64 * HOUR / 60;
        let customer = Some(format!("c{}", random.below(8)));
        let terminal = Some(format!("t{}", random.below(5)));
        let record = Record {
            time,
            customer,
            terminal,
            ..Record::default()
        };
        let delay = |random: &mut Random, most: u64| if random.one_in(10) { random.below(most) } else { 0 };
        match random.below(10) {
            0..=4 => {
                let late = delay(random, 90);
                let record = Record {
                    id: format!("n{step}"),
                    ..record
                };
                if late == 0 {
                    labelled.push(record.clone());
                }
                sent.push((step + late, record));
            }
            5 if labelled.len() > 10 => {
                let of = labelled.remove(random.below(labelled.len() as u64 - 5) as usize);
                let fraud = random.one_in(2);
                sent.push((
                    step,
                    Record {
                        input: LABELS,
                        time,
                        terminal: None,
                        fraud,
                        ..of
                    },
                ));
            }
            6 => {
                let record = Record {
                    input: CHANGES,
                    id: format!("n{}", step / 3),
                    terminal: None,
                    ..record
                };
                sent.push((step + delay(random, 240), record));
            }
            _ => login(random, (step, record), &mut sent),
        }
    }
    sent.sort_by_key(|(at, _)| *at);
    sent.into_iter().map(|(_, record)| record).collect()
}

fn login(random: &mut Random, (step, record): (u64, Record), sent: &mut Vec<(u64, Record)>) {
    let late = if random.one_in(10) { random.below(240) } else { 0 };
    let mut login = Record {
        input: LOGINS,
        id: format!("n{}", step - 1),
        device: random
            .of(&[None, Some("d1"), Some("d2"), Some("d3")])
            .map(str::to_owned),
        succeeded: random.one_in(2),
        attempt: random.below(5) as i64,
        ..record
    };
    match random.below(6) {
        0 => login.customer = None,
        1..=3 => login.terminal = None,
        _ => {}
    }
    sent.push((step + late, login.clone()));
    if random.one_in(8) {
        let later = random.of(&[0, 10, 180]);
        let again = Record {
            time: login.time + later * HOUR / 60 + (later > 0) as i64 * 7_000_000,
            attempt: 9,
            ..login
        };
        sent.push((step + late.max(later as u64) + 1, again));
    }
}

/// A run of all records, as history.
fn run(pipeline: &str, records: &[Record], workers: &[WorkerRole], faults: Faults) -> TestDriver {
    let mut driver = catch_up::driver(topology(pipeline, None), PARTITIONS);
    driver.set_faults(faults);
    workers.iter().for_each(|role| driver.add_worker_of(*role));
    send(&driver, records);
    driver.run().expect("the run ends");
    assert_eq!(driver.stopped(), []);
    driver
}

fn send(driver: &TestDriver, records: &[Record]) {
    for record in records {
        driver.send(record.input, record.key(), record.json().as_bytes(), None);
    }
}

#[track_caller]
fn compare(
    what: &str,
    found: &BTreeMap<String, OwnedDecisionRecord>,
    expected: &BTreeMap<String, BTreeMap<String, FeatureValue>>,
    features: &[Feature],
) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (id, values) in expected {
        for (name, value) in values {
            let feature = features.iter().find(|feature| feature.name == *name).unwrap();
            assert_eq!(found[id].feature(name), Some(value), "{what}: {id} {feature:?}");
        }
    }
}

const UPSTREAM_AND_DECIDING: [WorkerRole; 4] = [
    WorkerRole::Upstream,
    WorkerRole::Upstream,
    WorkerRole::Deciding,
    WorkerRole::Deciding,
];

#[test]
fn features_over_other_events_are_those_of_a_naive_recomputation() {
    for seed in 1..=6 {
        let mut random = Random(SplitMix(seed));
        let features = features(&mut random);
        let records = records(&mut random, 900);
        let (expected, [duplicates, too_late]) = expected(&records, &features, PARTITIONS);
        assert!(duplicates > 5 && too_late > 5, "{duplicates} {too_late}");
        let pipeline = format!("{PIPELINE}{}", features.iter().map(Feature::yaml).collect::<String>());
        let driver = run(&pipeline, &records, &[WorkerRole::All], Faults::default());
        assert_eq!(driver.dead_letters().len(), 0);
        let undisturbed = decisions(&driver);
        compare(&format!("seed {seed}"), &undisturbed, &expected, &features);
        let mut found = [0, 0];
        for (_, _, counts) in driver.other_events.iter() {
            found[0] += counts.duplicate as usize;
            found[1] += counts.too_late as usize;
        }
        assert_eq!(found, [duplicates, too_late]);
        for workers in [&[WorkerRole::All; 3][..], &UPSTREAM_AND_DECIDING] {
            let disturbed = decisions(&run(&pipeline, &records, workers, Faults::of_each_kind(seed * 1000)));
            assert_eq!(disturbed, undisturbed, "seed {seed}, {workers:?}");
        }
    }
}

/// Lost state is built again, and a standby has what the owner has: events are in both.
#[test]
fn state_with_events_is_built_again() {
    let mut random = Random(SplitMix(11));
    let features = features(&mut random);
    let records = records(&mut random, 600);
    let (expected, _) = expected(&records, &features, PARTITIONS);
    let pipeline = format!("{PIPELINE}{}", features.iter().map(Feature::yaml).collect::<String>());
    let mut driver = catch_up::driver(topology(&pipeline, None), PARTITIONS);
    driver.add_worker();
    driver.start_standby();
    send(&driver, &records);
    for _ in 0..20 {
        driver.round().expect("a round ends");
    }
    driver.kill_worker(0);
    driver.stores.lose();
    driver.add_worker();
    for _ in 0..20 {
        driver.round().expect("a round ends");
    }
    driver.lose_workers();
    driver.add_worker();
    driver.run().expect("the run ends");
    assert_eq!(driver.stopped(), []);
    compare("rebuilt", &decisions(&driver), &expected, &features);
}

/// Of equal times, an event counts for a payment whichever was written first; a payment of another source does not.
#[test]
fn an_event_at_the_time_of_a_payment_comes_before_it() {
    let features = "  risk: {entity: terminal, mean: fraud, of: labels, window: 7d}\n  logins_1h: {entity: customer, count: logins, window: 1h}\n  at_terminal: {entity: terminal, count: logins, window: 1h}\n";
    let record = |input, id: &str| Record {
        input,
        id: id.to_owned(),
        time: 1_767_225_600_000_000,
        customer: Some("c".into()),
        terminal: Some("t".into()),
        ..Record::default()
    };
    for order in [[PAYMENTS, LOGINS], [LOGINS, PAYMENTS]] {
        let records: Vec<Record> = order.iter().map(|input| record(*input, "same id")).collect();
        let driver = run(
            &format!("{PIPELINE}{features}"),
            &records,
            &[WorkerRole::All],
            Faults::default(),
        );
        let found = decisions(&driver);
        for feature in ["logins_1h", "at_terminal"] {
            assert_eq!(
                found["same id"].feature(feature),
                Some(&FeatureValue::Int(1)),
                "{order:?} {feature}"
            );
        }
    }
}

/// Events neither wait for transactions nor become dead letters for lack of one, beside labels that do; a payment is not late
/// because an event was ahead of it.
#[test]
fn events_are_no_labels() {
    let features = "  risk: {entity: terminal, mean: fraud, of: labels, window: 7d}\n  logins_7d: {entity: customer, count: logins, window: 7d}\n  at_terminal: {entity: terminal, count: logins, window: 7d}\n";
    let record = |input, id: &str, hours: i64, customer: Option<&str>, terminal: Option<&str>| Record {
        input,
        id: id.to_owned(),
        time: 1_767_225_600_000_000 + hours * HOUR,
        customer: customer.map(str::to_owned),
        terminal: terminal.map(str::to_owned),
        ..Record::default()
    };
    let records = [
        record(LOGINS, "a", 0, Some("c"), None),
        record(LOGINS, "b", 0, None, Some("t")),
        record(LABELS, "unknown", 0, Some("c"), None),
        record(LOGINS, "nobody", 0, None, None),
        record(LOGINS, "ahead", 48, Some("c"), Some("t")),
        record(PAYMENTS, "p", 1, Some("c"), Some("t")),
        record(PAYMENTS, "q", 49, Some("c"), Some("t")),
    ];
    let mut driver = TestDriver::new(topology(&format!("{PIPELINE}{features}"), None), 1);
    // One after the other, at the end of the log.
    for record in &records {
        send(&driver, std::slice::from_ref(record));
        driver.run().expect("the run ends");
    }
    let found = decisions(&driver);
    let of = |id: &str, feature: &str| found[id].feature(feature).cloned();
    assert_eq!(of("p", "logins_7d"), Some(FeatureValue::Int(1)));
    assert_eq!(of("p", "at_terminal"), Some(FeatureValue::Int(1)));
    assert_eq!(of("q", "logins_7d"), Some(FeatureValue::Int(2)));
    assert_eq!(of("q", "at_terminal"), Some(FeatureValue::Int(2)));
    assert!(
        found["p"].flags.iter().all(|flag| flag == "bootstrapping"),
        "{:?}",
        found["p"].flags
    );
    assert_eq!(driver.waiting_labels(), 1);
    let letters = driver.dead_letters();
    let reasons: Vec<String> = letters
        .iter()
        .flat_map(|letter| &letter.headers)
        .filter(|(name, _)| name == riskstream_events::dead_letter::REASON)
        .map(|(_, reason)| String::from_utf8(reason.clone()).unwrap())
        .collect();
    assert_eq!(reasons, ["missing_field"]);
    let counts: Vec<EventCounts> = driver.other_events.iter().map(|(.., counts)| counts).collect();
    let of = |counted| EventCounts {
        counted,
        ..EventCounts::default()
    };
    assert_eq!(counts, [of(2), of(2)]);
}
