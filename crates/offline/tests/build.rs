//! States that are built from files: what is decided behind the cut-over equals, to the last bit, what is decided by a service that
//! has read everything from its topics.
mod common;
mod random;

use common::{KeyedLine, SECRET, decisions, keyed, options, send, service};
use random::Random;
use riskstream_definition::{Compiled, Style, compile};
use riskstream_engine::Engine;
use riskstream_events::{OwnedDecisionRecord, Rejection};
use riskstream_offline::backfill::{Build, InputFile, Options, Order, Partitions, StateBuild, Summary};
use riskstream_pipeline::log::{Log, TopicPartition};
use riskstream_pipeline::{CutOver, TestDriver, Watermarks};
use std::path::Path;
use std::sync::Arc;

const TRANSACTIONS: &str = "
name: cards
inputs:
  transactions:
    topic: payments
    key: card
    id: id
    event_time: time
    fields: {id: int, time: timestamp, card: {type: text, personal: true}, shop: int, device: int, amount: float}
";
const OTHERS: &str = "
  labels:
    topic: labels
    key: id
    id: id
    event_time: time
    fields: {id: int, time: timestamp, card: {type: text, personal: true}, fraud: bool}
  logins:
    topic: logins
    kind: events
    key: card
    id: login
    event_time: time
    fields: {login: text, time: timestamp, card: {type: text, personal: true}, failed: bool}
";
const CARD: &str = "
  payments: {entity: card, count: transactions, window: 7d}
  spent: {entity: card, sum: amount, window: 1h}
  last: {entity: card, last_k: amount, k: 3, window: 30d}
";
const SHOP: &str = "
  visits: {entity: shop, count: transactions, window: 1h}
  cards: {entity: shop, distinct: card, window: 1d}
";
const DEVICE: &str = "
  used: {entity: device, count: transactions, window: 3h}
  frauds: {entity: shop, count: labels, window: 30d, when: fraud}
  failures: {entity: card, count: logins, window: 2h, when: failed}
";
const OUTPUTS: &str = "
personal_data: {key_env: KEY}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

/// A pipeline with so many stages; with three it has labels and other events as well, and an ingest stage in front.
fn pipeline(stages: usize) -> Compiled {
    let entities = [
        "  card: {key: card, lateness: 1h}\n",
        "  shop: {key: shop, lateness: 1h}\n",
        "  device: {key: device, lateness: 1h}\n",
    ];
    let (others, features) = match stages {
        1 => ("", CARD.to_owned()),
        2 => ("", format!("{CARD}{SHOP}")),
        _ => (OTHERS, format!("{CARD}{SHOP}{DEVICE}")),
    };
    let entities = entities[..stages].concat();
    let text = format!("{TRANSACTIONS}{others}entities:\n{entities}features:\n{features}{OUTPUTS}");
    compile("cards.yaml", &text, Path::new("."), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)))
}

fn partitions(compiled: &Compiled) -> Partitions {
    let has_topic = compiled.repartition_topics.iter().map(Option::is_some);
    Partitions {
        inputs: vec![4, 3, 2][..compiled.inputs.len()].to_vec(),
        stages: has_topic
            .zip([3, 2, 2])
            .map(|(topic, count)| topic.then_some(count))
            .collect(),
    }
}

/// A record, and the minute in which it is sent.
#[derive(Clone)]
struct Record {
    sent: i64,
    line: KeyedLine,
}

/// Payments, labels and logins of 12 cards at 7 shops with 5 devices, in the order in which they are sent, three payments a minute.
/// Some payments come late, some twice; some labels come before their payment.
fn records(payments: i64) -> [Vec<Record>; 3] {
    let mut random = Random(11);
    let mut all = [Vec::new(), Vec::new(), Vec::new()];
    for id in 0..payments {
        let minute = id / 3;
        let (card, amount) = (random.below(12), random.below(9_999));
        let late = if random.below(20) == 0 { 7 } else { 0 };
        let line = format!(
            r#"{{"id":{id},"time":{},"card":"card {card}","shop":{},"device":{},"amount":{}}}"#,
            minute * 60_000 + id % 3,
            random.below(7),
            random.below(5),
            amount as f64 / 100.0
        );
        let line = (format!("card {card}"), line.into_bytes());
        let sent = minute + late;
        all[0].push(Record {
            sent,
            line: line.clone(),
        });
        if random.below(15) == 0 {
            all[0].push(Record { sent: sent + 30, line });
        }
        let known = minute + if random.below(4) == 0 { -20 } else { 90 };
        let line = format!(
            r#"{{"id":{id},"time":{},"card":"card {card}","fraud":{}}}"#,
            known * 60_000,
            amount < 3_000
        );
        all[1].push(Record {
            sent: known,
            line: (id.to_string(), line.into_bytes()),
        });
        let line = format!(
            r#"{{"login":"l{id}","time":{},"card":"card {card}","failed":{}}}"#,
            minute * 60_000 - 30_000,
            random.below(2) == 0
        );
        all[2].push(Record {
            sent: minute,
            line: (format!("card {card}"), line.into_bytes()),
        });
    }
    for records in &mut all {
        records.sort_by_key(|record| record.sent);
    }
    all
}

/// The lines that are sent in these minutes, by input.
fn sent(compiled: &Compiled, records: &[Vec<Record>; 3], minutes: std::ops::Range<i64>) -> Vec<Vec<KeyedLine>> {
    let inputs = records.iter().take(compiled.inputs.len());
    let lines = inputs.map(|records| {
        let records = records.iter().filter(|record| minutes.contains(&record.sent));
        records.map(|record| record.line.clone()).collect()
    });
    lines.collect()
}

fn files(compiled: &Compiled, lines: &[Vec<KeyedLine>]) -> Vec<InputFile> {
    let lines = lines.iter().enumerate();
    lines.map(|(index, lines)| keyed(compiled, index, lines)).collect()
}

/// The ends of the inputs' topics.
fn ends(driver: &TestDriver, compiled: &Compiled, partitions: &Partitions) -> Vec<Vec<i64>> {
    let mut log = driver.broker.observe();
    let inputs = compiled.inputs.iter().zip(&partitions.inputs);
    let ends = inputs.map(|(input, count)| {
        let at = |partition| TopicPartition {
            topic: Arc::clone(&input.topic),
            partition,
        };
        (0..*count)
            .map(|partition| log.bounds(&at(partition)).unwrap().1)
            .collect()
    });
    ends.collect()
}

/// The cut-over of a service at these offsets.
fn cut_over(
    driver: &TestDriver,
    compiled: &Compiled,
    offsets: Vec<Vec<i64>>,
) -> Result<CutOver, Box<dyn std::error::Error>> {
    let topology = compiled.json_topology(Some(SECRET)).unwrap();
    let mut log = driver.broker.observe();
    CutOver::new(&topology, offsets, &mut |name| Ok(log.topic(name)?))
}

/// Builds the states of a service from files, and sets its positions to the ends of its topics.
fn build(
    driver: &TestDriver,
    compiled: &Compiled,
    partitions: &Partitions,
    lines: &[Vec<KeyedLine>],
    sort_memory: usize,
) -> Summary {
    let cut_over = cut_over(driver, compiled, ends(driver, compiled, partitions)).unwrap();
    let (summary, watermarks) = fill(driver, compiled, partitions, &cut_over, lines, sort_memory);
    for (at, position) in cut_over.positions(&watermarks) {
        driver.broker.commit(at, position);
    }
    summary
}

/// Builds the states of a service from files.
fn fill(
    driver: &TestDriver,
    compiled: &Compiled,
    partitions: &Partitions,
    cut_over: &CutOver,
    lines: &[Vec<KeyedLine>],
    sort_memory: usize,
) -> (Summary, Watermarks) {
    let mut engine = Engine::new(Arc::clone(&compiled.plan));
    let mut stores = driver.stores.clone();
    let mut rejected = |input: u8, number: u64, rejection: &Rejection| panic!("{input} {number}: {rejection}");
    let build = StateBuild::new(Build {
        cut_over,
        time: i64::MAX,
        engine: &mut engine,
        stores: &mut stores,
        files: files(compiled, lines),
        options: Options {
            partitions: Some(partitions.clone()),
            sort_memory,
            ..options(Order::EventTime)
        },
        rejected: &mut rejected,
    });
    build.unwrap().run(&mut |_| true).unwrap().unwrap()
}

/// Retention removes all that the topics of the inputs hold.
fn forget(driver: &TestDriver, compiled: &Compiled, partitions: &Partitions) {
    for (input, ends) in compiled.inputs.iter().zip(ends(driver, compiled, partitions)) {
        for (partition, end) in (0..).zip(ends) {
            driver.broker.trim(&input.topic, partition, end);
        }
    }
}

fn by_id(mut decisions: Vec<OwnedDecisionRecord>) -> Vec<OwnedDecisionRecord> {
    // One that was sent twice has two decisions, the second of which has the flag.
    decisions.sort_by_key(|decision| (decision.event_id.parse::<u64>().unwrap(), decision.flags.clone()));
    decisions
}

const CUT: i64 = 200;

/// What a service decides on records that are sent after the cut, having read those before it from the topics.
fn expected(compiled: &Compiled, partitions: &Partitions, records: &[Vec<Record>; 3]) -> Vec<OwnedDecisionRecord> {
    let mut driver = service(compiled, partitions);
    driver.add_worker();
    send(&driver, &sent(compiled, records, i64::MIN..CUT));
    driver.run().unwrap();
    let before = driver.decisions().len();
    assert!(before > 500);
    driver.broker.drain("decisions");
    send(&driver, &sent(compiled, records, CUT..i64::MAX));
    driver.run().unwrap();
    by_id(decisions(&driver))
}

#[test]
fn what_follows_the_files_is_decided_as_if_all_had_come_from_topics() {
    for stages in 1..=3 {
        let compiled = pipeline(stages);
        let partitions = partitions(&compiled);
        let records = records(1_000);
        let expected = expected(&compiled, &partitions, &records);
        for sort_memory in [usize::MAX, 5_000] {
            let mut driver = service(&compiled, &partitions);
            let history = sent(&compiled, &records, i64::MIN..CUT);
            // The topics have held it, and do not hold it any more.
            send(&driver, &history);
            forget(&driver, &compiled, &partitions);
            let summary = build(&driver, &compiled, &partitions, &history, sort_memory);
            assert_eq!(summary.records, history.iter().map(Vec::len).sum::<usize>() as u64);
            driver.add_worker();
            send(&driver, &sent(&compiled, &records, CUT..i64::MAX));
            driver.run().unwrap();
            assert_eq!(driver.stopped(), []);
            let found = by_id(decisions(&driver));
            assert_eq!(found.len(), expected.len(), "{stages} stages");
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found, expected, "{stages} stages");
            }
            assert_eq!(driver.dead_letters().len(), 0);
        }
        let has = |flag: &str| {
            expected
                .iter()
                .any(|decision| decision.flags.iter().any(|found| found == flag))
        };
        assert!(has("duplicate") && has("late"), "{stages} stages");
    }
}

/// A service whose states are built from files up to the cut, with the later records on its topics, and the earlier ones too.
fn begun(compiled: &Compiled, partitions: &Partitions, records: &[Vec<Record>; 3], files_until: i64) -> TestDriver {
    let driver = service(compiled, partitions);
    send(&driver, &sent(compiled, records, i64::MIN..CUT));
    build(
        &driver,
        compiled,
        partitions,
        &sent(compiled, records, i64::MIN..files_until),
        usize::MAX,
    );
    send(&driver, &sent(compiled, records, CUT..i64::MAX));
    driver
}

#[test]
fn what_files_and_topics_both_hold_counts_once_and_is_flagged() {
    for stages in 1..=3 {
        let compiled = pipeline(stages);
        let partitions = partitions(&compiled);
        let records = records(1_000);
        let expected = expected(&compiled, &partitions, &records);
        let overlap = CUT + 40;
        let mut driver = begun(&compiled, &partitions, &records, overlap);
        driver.add_worker();
        driver.run().unwrap();
        let mut found = decisions(&driver);
        found.sort_by_key(|decision| (decision.event_id.parse::<u64>().unwrap(), decision.flags.clone()));
        assert_eq!(found.len(), expected.len());
        let first = records[0].iter().filter(|record| record.sent >= overlap);
        let later: Vec<String> = first
            .map(|record| String::from_utf8_lossy(&record.line.1).into_owned())
            .collect();
        let is_later = |id: &str| later.iter().any(|line| line.starts_with(&format!(r#"{{"id":{id},"#)));
        let mut duplicates = 0;
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.event_id, expected.event_id);
            duplicates += found.flags.iter().filter(|flag| *flag == "duplicate").count();
            if is_later(&found.event_id) && !found.flags.iter().any(|flag| flag == "duplicate") {
                assert_eq!(found, expected, "{stages} stages");
            }
        }
        assert!(duplicates > 100, "{duplicates}");
    }
}

#[test]
fn a_built_state_that_is_lost_is_not_begun_from_the_topics_and_can_be_built_again() {
    for stages in [2, 3] {
        let compiled = pipeline(stages);
        let partitions = partitions(&compiled);
        let records = records(1_000);
        let expected = expected(&compiled, &partitions, &records);
        let mut driver = begun(&compiled, &partitions, &records, CUT);
        driver.add_worker();
        for _ in 0..4 {
            driver.round().unwrap();
        }
        driver.kill_worker(0);
        driver.stores.lose();
        driver.add_worker();
        driver.round().unwrap();
        let stopped = driver.stopped();
        assert!(!stopped.is_empty());
        assert!(
            stopped
                .iter()
                .all(|stopped| stopped.reason.detail.contains("It was built from files")),
            "{stopped:?}"
        );
        driver.kill_worker(0);

        // The positions stay as they are.
        let cut: Vec<Vec<i64>> = {
            let before = service(&compiled, &partitions);
            send(&before, &sent(&compiled, &records, i64::MIN..CUT));
            ends(&before, &compiled, &partitions)
        };
        let again = cut_over(&driver, &compiled, cut).unwrap();
        let log = driver.broker.observe().topic(&compiled.inputs[0].topic).unwrap();
        assert_eq!(
            riskstream_pipeline::identity::cut_over(&log).as_deref(),
            Some(again.word())
        );
        driver.stores.lose();
        fill(
            &driver,
            &compiled,
            &partitions,
            &again,
            &sent(&compiled, &records, i64::MIN..CUT),
            usize::MAX,
        );
        driver.add_worker();
        driver.run().unwrap();
        assert_eq!(driver.stopped(), []);
        assert_eq!(by_id(decisions(&driver)), expected, "{stages} stages");
    }
}

#[test]
fn what_is_before_the_cut_over_is_dropped_if_the_group_has_forgotten_its_positions() {
    let compiled = pipeline(3);
    let partitions = partitions(&compiled);
    let records = records(1_000);
    let expected = expected(&compiled, &partitions, &records);
    let mut driver = begun(&compiled, &partitions, &records, CUT);
    driver.broker.forget_positions();
    driver.add_worker();
    driver.run().unwrap();
    assert_eq!(by_id(decisions(&driver)), expected);
}
