//! Decisions of the service are recorded and made again: equal, or each difference is found and nothing else. The service runs on
//! the in-process log.

use riskstream_definition::{Compiled, Style, compile};
use riskstream_events::OwnedDecisionRecord;
use riskstream_offline::recording::{
    Manifest, Partition, Pipeline, Record, RecordedTopic, RecordingWriter, TopicEpoch,
};
use riskstream_offline::replay::{Replay, ReplayError, ReplayReport};
use riskstream_pipeline::driver::{ManualClock, MemoryStores};
use riskstream_pipeline::faulty::Faults;
use riskstream_pipeline::log::{Log, TopicPartition};
use riskstream_pipeline::{Prepared, TestDriver};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

const PIPELINE: &str = "
name: shop
inputs:
  transactions:
    topic: transactions
    id: id
    event_time: time
    fields: {id: text, time: timestamp, card: text, shop: text, amount: float}
  labels:
    topic: labels
    id: id
    event_time: time
    fields: {id: text, card: text, fraud: bool, time: timestamp}
entities: {card: {key: card, lateness: 1h}, shop: {key: shop, lateness: 1h}}
features:
  payments: {entity: card, count: transactions, window: 1h}
  spent: {entity: card, sum: amount, window: 1h}
  at_shop: {entity: shop, count: transactions, window: 1h}
  frauds: {entity: shop, count: labels, window: 1d, when: fraud}
rules:
  - {name: often, when: payments > 3, then: decline}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

const PARTITIONS: i32 = 3;
const PAYMENTS: usize = 600;
/// 2026-01-01, in milliseconds.
const BEGIN: i64 = 1_767_225_600_000;

fn pipeline(text: &str) -> Compiled {
    compile("shop.yaml", text, Path::new("."), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)))
}

/// Payments a minute apart, some of them late, too late, doubled or unreadable, and labels.
fn feed(driver: &mut TestDriver, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let (card, shop) = (format!("c{}", number * 7 % 13), format!("s{}", number * 3 % 5));
        let late = match number % 31 {
            5 => 20,
            6 => 300,
            _ => 0,
        };
        let time = BEGIN + (number as i64 - late) * 60_000;
        let payment = format!(
            r#"{{"id":"t{number}","time":{time},"card":"{card}","shop":"{shop}","amount":{}.1}}"#,
            number % 17
        );
        driver.send(0, &card, payment.as_bytes(), Some(time));
        if number % 37 == 3 {
            driver.send(0, &card, payment.as_bytes(), Some(time));
        }
        if number % 41 == 4 {
            driver.send(0, &card, b"no JSON", Some(time));
        }
        if number % 11 == 2 {
            let label = format!(
                r#"{{"id":"t{number}","card":"{card}","fraud":true,"time":{}}}"#,
                time + 30_000
            );
            driver.send(1, &card, label.as_bytes(), Some(time));
        }
        if number % 50 == 0 {
            driver.round().unwrap();
        }
    }
}

/// A service with two workers that fail now and then, and everything decided.
fn served() -> TestDriver {
    let topology = Arc::new(pipeline(PIPELINE).json_topology(None).unwrap());
    let mut driver = TestDriver::new(topology, PARTITIONS);
    driver.set_faults(Faults {
        seed: 5,
        aborted: 60,
        committed_unknown: 20,
        lost_unknown: 20,
        unacknowledged: 20,
        late: 20,
        unavailable: 50,
    });
    driver.add_worker();
    feed(&mut driver, 0..PAYMENTS);
    driver.run().unwrap();
    driver
}

const TOPICS: [&str; 5] = ["transactions", "labels", "shop-hop-card", "shop-hop-shop", "decisions"];

/// What is recorded of the topics, besides whole ones.
#[derive(Default)]
struct Cut {
    /// The first offset of each partition of these topics.
    begins: BTreeMap<&'static str, i64>,
    left_out: Vec<&'static str>,
    /// How many records at the end of each partition of the deciding topic were not decided when they were recorded.
    undecided: i64,
}

/// Records the topics of a service. `change` changes recorded decisions: none leaves one out.
fn record(
    driver: &TestDriver,
    directory: &Path,
    cut: &Cut,
    mut change: impl FnMut(OwnedDecisionRecord) -> Vec<OwnedDecisionRecord>,
) {
    let mut log = driver.broker.join(Vec::new(), Vec::new());
    let mut manifest = Manifest::new(Pipeline::default());
    manifest.is_complete = true;
    for name in TOPICS {
        let topic = log.topic(name).unwrap();
        let begin = cut.begins.get(name).copied().unwrap_or(0);
        let partition = |partition| {
            let at = TopicPartition {
                topic: name.into(),
                partition,
            };
            let committed = driver.broker.committed(&at);
            Partition {
                begin,
                is_cut: begin > 0,
                committed: committed.map(|committed| committed.offset - cut.undecided),
                ..Partition::default()
            }
        };
        manifest.topics.push(RecordedTopic {
            name: name.to_owned(),
            role: String::new(),
            id: topic.id.as_deref().map(str::to_owned),
            committed: topic.committed.iter().map(TopicEpoch::of).collect(),
            left_out: cut.left_out.contains(&name).then(|| "for a test".to_owned()),
            partitions: (0..topic.partitions).map(partition).collect(),
        });
    }
    let mut recorder = RecordingWriter::open(directory, manifest).unwrap();
    for (index, name) in TOPICS
        .into_iter()
        .enumerate()
        .filter(|(_, name)| !cut.left_out.contains(name))
    {
        for partition in 0..PARTITIONS {
            let records = driver.broker.records(name, partition);
            let mut writer = recorder.partition(index, partition as usize);
            let mut end = writer.position();
            for (offset, stored) in records.into_iter().skip(end as usize) {
                let mut values = vec![stored.value.as_deref().map(<[u8]>::to_vec)];
                if name == "decisions" {
                    let decision = OwnedDecisionRecord::from_json(stored.value.as_deref().unwrap()).unwrap();
                    let changed = change(decision).into_iter();
                    values = changed
                        .map(|decision| Some(serde_json::to_vec(&decision).unwrap()))
                        .collect();
                }
                for value in values {
                    // Offsets have to grow where one decision becomes two.
                    end = end.max(offset);
                    writer
                        .push(Record {
                            offset: end,
                            timestamp: stored.timestamp,
                            key: stored.key.as_deref().map(<[u8]>::to_vec),
                            value,
                            headers: Vec::new(),
                        })
                        .unwrap();
                    end += 1;
                }
            }
            writer.finish(end).unwrap();
        }
    }
}

fn replay(directory: &Path, text: &str) -> Result<ReplayReport, ReplayError> {
    let run = Replay {
        directory,
        manifest: Manifest::read(directory).unwrap().unwrap(),
        topology: pipeline(text).json_topology(None).unwrap(),
        stores: Box::new(MemoryStores::default()),
        clock: Box::new(ManualClock::default()),
    };
    run.run(
        &mut |bytes| Ok(OwnedDecisionRecord::from_json(bytes).ok()),
        |_| Ok(Prepared::nothing()),
        &mut |_, _| true,
    )
}

/// Decisions as if this pipeline file had made them: a service with a bug.
fn made_by(text: &str) -> impl FnMut(OwnedDecisionRecord) -> Vec<OwnedDecisionRecord> {
    let version = pipeline(text).plan.version.clone();
    move |decision| {
        vec![OwnedDecisionRecord {
            pipeline_version: version.clone(),
            ..decision
        }]
    }
}

fn keep(decision: OwnedDecisionRecord) -> Vec<OwnedDecisionRecord> {
    vec![decision]
}

/// The ids of events and the fields in which decisions differ.
fn found(report: &ReplayReport) -> BTreeSet<(String, String)> {
    let differences = report.outcome.differences.first.iter();
    let found = differences.map(|difference| (difference.event_id.clone(), difference.field.clone()));
    found.collect()
}

#[test]
fn decisions_and_rows_that_are_made_again_are_those_that_were_made() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    record(&driver, directory.path(), &Cut::default(), keep);
    let report = replay(directory.path(), PIPELINE).unwrap();
    let outcome = &report.outcome;
    assert_eq!(outcome.differences.first, []);
    assert_eq!(outcome.not_compared, BTreeMap::new());
    assert_eq!(report.notes, [] as [&str; 0]);
    let decided = driver.decisions().len() as u64;
    assert!(decided > PAYMENTS as u64, "some payments are doubled");
    assert_eq!(
        (
            outcome.decisions.recorded,
            outcome.decisions.again,
            outcome.decisions.equal
        ),
        (decided, decided, decided)
    );
    for entity in ["card", "shop"] {
        let rows = &outcome.rows[entity];
        assert!(
            rows.recorded >= decided && rows.equal == rows.recorded && rows.again == rows.recorded,
            "{rows:?}"
        );
    }
}

#[test]
fn each_planted_difference_is_found_and_nothing_else() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    let change = |mut decision: OwnedDecisionRecord| match decision.event_id.as_str() {
        "t100" => {
            let (_, value) = decision.features.iter_mut().find(|(name, _)| name == "spent").unwrap();
            *value = riskstream_events::FeatureValue::Float(f64::from_bits(4_607_182_418_800_017_409));
            vec![decision]
        }
        "t101" => {
            decision.outcome = "review".to_owned();
            decision.flags.push("late".to_owned());
            vec![decision]
        }
        // Lost, and repeated as `at_least_once` does.
        "t102" => vec![],
        "t104" => vec![decision.clone(), decision],
        // One that nobody has made.
        "t105" => {
            let mut other = decision.clone();
            (other.event_id, other.decision_id) = ("t9000".to_owned(), format!("{:032x}", 9000));
            vec![decision, other]
        }
        // What may differ.
        "t106" => {
            decision.binary_version = "0.0.1".to_owned();
            decision.latency = None;
            vec![decision]
        }
        _ => vec![decision],
    };
    record(&driver, directory.path(), &Cut::default(), change);
    let report = replay(directory.path(), PIPELINE).unwrap();
    let text = |id: &str, field: &str| (id.to_owned(), field.to_owned());
    let expected = BTreeSet::from([
        text("t100", "features.spent"),
        text("t101", "outcome"),
        text("t101", "flags"),
        text("t102", ""),
        text("t9000", ""),
    ]);
    assert_eq!(found(&report), expected);
    let outcome = &report.outcome;
    assert_eq!((outcome.differences.count, outcome.decisions.different), (5, 4));
    assert_eq!(
        outcome.not_compared.values().sum::<u64>(),
        1,
        "{:?}",
        outcome.not_compared
    );
    assert_eq!(outcome.versions["0.0.1"], 1);
    let lost = outcome
        .differences
        .first
        .iter()
        .find(|difference| difference.event_id == "t102");
    assert_eq!(
        (&lost.unwrap().recorded, lost.unwrap().again.as_deref()),
        (&None, Some("a decision"))
    );
}

#[test]
fn a_window_that_is_off_by_a_second_is_found_where_it_matters() {
    let driver = served();
    let changed = "at_shop: {entity: shop, count: transactions, window: 3601s}";
    let changed = PIPELINE.replace("at_shop: {entity: shop, count: transactions, window: 1h}", changed);
    let directory = tempfile::tempdir().unwrap();
    record(&driver, directory.path(), &Cut::default(), made_by(&changed));
    let report = replay(directory.path(), &changed).unwrap();
    // Payments of a shop are multiples of five minutes apart: one that is an hour old is outside the one window and inside the other.
    let fields: Vec<_> = report.outcome.differences.by_field.keys().cloned().collect();
    assert_eq!(fields, ["decision: features.at_shop"]);
    assert!(
        report.outcome.decisions.different > PAYMENTS as u64 / 2,
        "{:?}",
        report.outcome.decisions
    );
    for difference in &report.outcome.differences.first {
        let number = |text: &Option<String>| text.as_ref().unwrap().parse::<i64>().unwrap();
        assert!(
            number(&difference.again) > number(&difference.recorded),
            "{difference:?}"
        );
    }
    // A feature of the first stage is in the rows in front of the second. Payments of a card are multiples of 13 minutes apart.
    let changed = PIPELINE.replace(
        "count: transactions, window: 1h}\n  spent",
        "count: transactions, window: 3901s}\n  spent",
    );
    let directory = tempfile::tempdir().unwrap();
    record(&driver, directory.path(), &Cut::default(), made_by(&changed));
    let report = replay(directory.path(), &changed).unwrap();
    assert!(
        report.outcome.differences.by_field["rows to shop: payments"] > PAYMENTS as u64 / 2,
        "{:?}",
        report.outcome.rows
    );
    assert_eq!(
        report.outcome.decisions.different, 0,
        "decisions are made from the recorded rows"
    );
}

#[test]
fn another_version_of_the_file_is_not_compared() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    record(&driver, directory.path(), &Cut::default(), keep);
    let report = replay(directory.path(), &PIPELINE.replace("payments > 3", "payments > 4")).unwrap();
    assert_eq!((report.compared(), report.outcome.differences.count), (0, 0));
    let decided = driver.decisions().len() as u64;
    assert_eq!(
        report.outcome.not_compared.values().copied().collect::<Vec<_>>(),
        [decided]
    );
}

#[test]
fn what_was_not_decided_yet_is_counted() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    let cut = Cut {
        undecided: 20,
        ..Cut::default()
    };
    let mut left_out = 0;
    // The decisions on the last payments are not there.
    let change = |decision: OwnedDecisionRecord| {
        let number: usize = decision.event_id[1..].parse().unwrap();
        let is_last = number + 2 >= PAYMENTS;
        left_out += u64::from(is_last);
        (!is_last).then_some(decision).into_iter().collect()
    };
    record(&driver, directory.path(), &cut, change);
    let report = replay(directory.path(), PIPELINE).unwrap();
    let missing = report.outcome.differences.count;
    let counted = report.outcome.not_compared.values().sum::<u64>();
    assert_eq!(missing + counted, left_out, "{:?}", report.outcome);
    assert!(counted > 0, "{:?}", report.outcome);
}

#[test]
fn without_inputs_decisions_are_made_again_and_rows_to_the_first_stage_are_not() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    let cut = Cut {
        left_out: vec!["transactions", "labels"],
        ..Cut::default()
    };
    record(&driver, directory.path(), &cut, keep);
    let report = replay(directory.path(), PIPELINE).unwrap();
    assert_eq!(report.outcome.differences.count, 0);
    assert_eq!(report.outcome.decisions.equal, driver.decisions().len() as u64);
    assert_eq!(report.outcome.rows.keys().collect::<Vec<_>>(), ["shop"]);
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
    let cut = Cut {
        left_out: vec!["shop-hop-shop"],
        ..Cut::default()
    };
    let directory = tempfile::tempdir().unwrap();
    record(&driver, directory.path(), &cut, keep);
    let error = replay(directory.path(), PIPELINE).unwrap_err();
    assert!(matches!(error, ReplayError::Nothing(_)), "{error}");
}

#[test]
fn without_the_beginning_of_the_log_what_cannot_be_compared_is_counted() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    let cut = Cut {
        begins: BTreeMap::from([("shop-hop-shop", 3)]),
        ..Cut::default()
    };
    record(&driver, directory.path(), &cut, keep);
    let report = replay(directory.path(), PIPELINE).unwrap();
    let outcome = &report.outcome;
    assert_eq!(outcome.differences.first, []);
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("is recorded from offset 3")),
        "{:?}",
        report.notes
    );
    let left_out: u64 = outcome
        .not_compared
        .iter()
        .filter(|(why, _)| why.starts_with("decisions"))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(
        outcome.decisions.equal + left_out,
        outcome.decisions.recorded,
        "{outcome:?}"
    );
    assert!(left_out > 0, "{outcome:?}");
}
