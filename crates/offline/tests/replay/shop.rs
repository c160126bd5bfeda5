//! A pipeline with two stages and labels, its service on the in-process log, and recordings of it.

use riskstream_definition::{Compiled, Style, compile};
use riskstream_events::OwnedDecisionRecord;
use riskstream_offline::recording::{
    Manifest, Partition, Period, Pipeline, Record, RecordedTopic, RecordingWriter, TopicEpoch,
};
use riskstream_offline::replay::Replay;
use riskstream_pipeline::TestDriver;
use riskstream_pipeline::driver::{ManualClock, MemoryStores};
use riskstream_pipeline::faulty::Faults;
use riskstream_pipeline::log::{Log, TopicPartition};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub const PIPELINE: &str = "
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

pub const PARTITIONS: i32 = 3;
pub const PAYMENTS: usize = 600;
/// 2026-01-01, in milliseconds.
pub const BEGIN: i64 = 1_767_225_600_000;

pub fn pipeline(text: &str) -> Compiled {
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
pub fn served() -> TestDriver {
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
pub struct Cut {
    /// The first offset of each partition of these topics.
    pub begins: BTreeMap<&'static str, i64>,
    pub left_out: Vec<&'static str>,
    /// How many records at the end of each partition of the deciding topic were not decided when they were recorded.
    pub undecided: i64,
}

/// Records the topics of a service. `change` changes recorded decisions: none leaves one out.
pub fn record(
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
                            timestamp: stored.timestamp.or(Some(end)),
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

/// A recording, to be replayed by this pipeline file.
pub fn of_recording<'d>(directory: &'d Path, text: &str) -> Replay<'d> {
    Replay {
        directory,
        manifest: Manifest::read(directory).unwrap().unwrap(),
        topology: pipeline(text).json_topology(None).unwrap(),
        stores: Box::new(MemoryStores::default()),
        clock: Box::new(ManualClock::default()),
        period: Period::default(),
    }
}

pub fn decode(bytes: &[u8]) -> Result<Option<OwnedDecisionRecord>, std::io::Error> {
    Ok(OwnedDecisionRecord::from_json(bytes).ok())
}

/// Decisions as if this pipeline file had made them: a service with a bug.
pub fn made_by(text: &str) -> impl FnMut(OwnedDecisionRecord) -> Vec<OwnedDecisionRecord> {
    let version = pipeline(text).plan.version.clone();
    move |decision| {
        vec![OwnedDecisionRecord {
            pipeline_version: version.clone(),
            ..decision
        }]
    }
}

pub fn keep(decision: OwnedDecisionRecord) -> Vec<OwnedDecisionRecord> {
    vec![decision]
}
