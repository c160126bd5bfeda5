//! The order of records: sorted by event time whatever the order of a file, or as the service applies them from any number
//! of partitions.
mod common;
mod random;

use common::{KeyedLine, backfill, by_id, input, keyed, options, served};
use random::Random;
use riskstream_definition::{Compiled, Style, compile};
use riskstream_events::OwnedDecisionRecord;
use riskstream_offline::backfill::{InputFile, Options, Order, Partitions, Summary};
use riskstream_pipeline::driver::MemoryStores;
use std::path::Path;

const INPUTS: &str = "
name: cards
inputs:
  transactions:
    topic: payments
    key: card
    id: id
    event_time: time
    fields: {id: int, time: timestamp, card: {type: text, personal: true, derive: {card_length: length}}, shop: int, amount: float}
  labels:
    topic: labels
    key: id
    id: id
    event_time: time
    fields: {id: int, time: timestamp, card: {type: text, personal: true}, fraud: bool}
entities:
  card: {key: card, lateness: 1h}
  shop: {key: shop, lateness: 1h}
features:
  payments: {entity: card, count: transactions, window: 7d}
  spent: {entity: card, sum: amount, window: 7d}
  last: {entity: card, last_k: amount, k: 3, window: 30d}
  visits: {entity: shop, count: transactions, window: 1h}
  cards: {entity: shop, distinct: card, window: 1d}
  lengths: {entity: shop, sum: card_length, window: 1h}
";
const LABELLED: &str = "  frauds: {entity: shop, count: labels, window: 30d, when: fraud}\n";
const OUTPUTS: &str = "
personal_data: {key_env: KEY}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

fn pipeline(text: &str) -> Compiled {
    compile("cards.yaml", text, Path::new("."), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)))
}

/// The first stage reads the payments' own topic.
fn unlabelled() -> Compiled {
    pipeline(&format!("{INPUTS}{OUTPUTS}"))
}

/// All inputs go through a repartition topic, and labels get the shop from their payment.
fn labelled() -> Compiled {
    pipeline(&format!("{INPUTS}{LABELLED}{OUTPUTS}"))
}

fn shuffle<T>(random: &mut Random, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, random.below(last + 1));
    }
}

/// A payment, or the label of one.
#[derive(Clone)]
struct Record {
    time: i64,
    card: usize,
    line: KeyedLine,
}

/// Payments of 20 cards at 7 shops in event-time order, so many each minute, and labels two hours later.
fn records(payments: usize, per_minute: usize) -> [Vec<Record>; 2] {
    let mut random = Random(7);
    let mut both = [Vec::new(), Vec::new()];
    for id in 0..payments {
        let time = (id / per_minute) as i64 * 60_000;
        let (card, shop, amount) = (random.below(20), random.below(7), random.below(9_999));
        let payment = format!(
            r#"{{"id":{id},"time":{time},"card":"card {card}","shop":{shop},"amount":{}}}"#,
            amount as f64 / 100.0
        );
        both[0].push(Record {
            time,
            card,
            line: (format!("card {card}"), payment.into_bytes()),
        });
        let (known, fraud) = (time + 2 * 3_600_000, amount < 2_000);
        let label = format!(r#"{{"id":{id},"time":{known},"card":"card {card}","fraud":{fraud}}}"#);
        both[1].push(Record {
            time: known,
            card,
            line: (id.to_string(), label.into_bytes()),
        });
    }
    both
}

/// Orders in which people's files are.
const ORDERS: [&str; 5] = ["by time", "nearly by time", "by card", "newest first", "shuffled"];

fn reorder(records: &mut [Record], order: &str) {
    match order {
        "by time" => {}
        "nearly by time" => {
            for chunk in records.chunks_mut(17) {
                chunk.swap(0, 16.min(chunk.len() - 1));
            }
        }
        "by card" => records.sort_by_key(|record| (record.card, record.time)),
        "newest first" => records.reverse(),
        _ => shuffle(&mut Random(3), records),
    }
}

fn lines(records: &[Record]) -> Vec<KeyedLine> {
    records.iter().map(|record| record.line.clone()).collect()
}

fn run(compiled: &Compiled, files: Vec<InputFile>, options: Options) -> (Summary, Vec<OwnedDecisionRecord>) {
    let (summary, collected) = backfill(compiled, &mut MemoryStores::default(), files, options);
    (summary, by_id(collected.decisions))
}

#[test]
fn over_partitions_a_backfill_equals_the_service_to_the_last_bit() {
    for compiled in [unlabelled(), labelled()] {
        for order in ORDERS {
            let mut records = records(1_200, 3);
            records.iter_mut().for_each(|records| reorder(records, order));
            let inputs: Vec<Vec<KeyedLine>> = records[..compiled.inputs.len()]
                .iter()
                .map(|records| lines(records))
                .collect();
            let has_topic = compiled.repartition_topics.iter().map(Option::is_some);
            let partitions = Partitions {
                inputs: vec![4, 3][..compiled.inputs.len()].to_vec(),
                stages: has_topic
                    .zip([3, 2])
                    .map(|(topic, count)| topic.then_some(count))
                    .collect(),
            };
            let (expected, dead_letters) = served(&compiled, &inputs, &partitions);
            let expected = by_id(expected);
            // Small: what is sorted goes to disk in many runs.
            for sort_memory in [usize::MAX, 5_000] {
                let files = inputs.iter().enumerate();
                let files = files.map(|(index, lines)| keyed(&compiled, index, lines)).collect();
                let options = Options {
                    partitions: Some(partitions.clone()),
                    sort_memory,
                    ..options(Order::Arrival)
                };
                let (summary, found) = run(&compiled, files, options);
                assert_eq!(found.len(), expected.len(), "{order}");
                for (found, expected) in found.iter().zip(&expected) {
                    assert_eq!(found, expected, "{order}");
                }
                assert_eq!(summary.rejected, dead_letters as u64, "{order}");
            }
            let late = expected.iter().filter(|decision| decision.late_by_ms.is_some()).count();
            assert_eq!(late > 0, order != "by time", "{order}");
        }
    }
}

/// Labels that are dated before their payments wait for them, and follow them at once.
#[test]
fn early_labels_follow_their_payments_over_partitions() {
    let compiled = labelled();
    for order in ORDERS {
        let [mut payments, _] = records(1_200, 3);
        let label = |(id, payment): (usize, &Record)| {
            let (time, card) = (payment.time - 1_200_000, payment.card);
            let label = format!(r#"{{"id":{id},"time":{time},"card":"card {card}","fraud":true}}"#);
            Record {
                time,
                card,
                line: (id.to_string(), label.into_bytes()),
            }
        };
        let mut labels: Vec<Record> = payments.iter().enumerate().skip(60).map(label).collect();
        reorder(&mut payments, order);
        reorder(&mut labels, order);
        let inputs = [lines(&payments), lines(&labels)];
        let partitions = Partitions {
            inputs: vec![4, 3],
            stages: vec![Some(3), Some(2)],
        };
        let (expected, _) = served(&compiled, &inputs, &partitions);
        let files = inputs.iter().enumerate();
        let files = files.map(|(index, lines)| keyed(&compiled, index, lines)).collect();
        let options = Options {
            partitions: Some(partitions),
            ..options(Order::Arrival)
        };
        let (_, found) = run(&compiled, files, options);
        assert_eq!(found, by_id(expected), "{order}");
    }
}

#[test]
fn the_order_of_a_file_does_not_matter() {
    let compiled = labelled();
    let [payments, labels] = records(400, 1);
    let one = Partitions {
        inputs: vec![1, 1],
        stages: vec![Some(1), Some(1)],
    };
    let (expected, dead_letters) = served(&compiled, &[lines(&payments), lines(&labels)], &one);
    assert_eq!((expected.len(), dead_letters), (400, 0));
    for order in ORDERS {
        let mut files = [payments.clone(), labels.clone()];
        files.iter_mut().for_each(|records| reorder(records, order));
        for sort_memory in [usize::MAX, 3_000] {
            let open = |(index, records): (usize, &Vec<Record>)| {
                let lines: Vec<Vec<u8>> = records.iter().map(|record| record.line.1.clone()).collect();
                input(&compiled, index, lines)
            };
            let files = files.iter().enumerate().map(open).collect();
            let options = Options {
                sort_memory,
                ..options(Order::EventTime)
            };
            let (summary, found) = run(&compiled, files, options);
            assert_eq!(
                (summary.decided, summary.rejected, summary.late),
                (400, 0, 0),
                "{order}"
            );
            assert_eq!(found, expected, "{order}");
        }
    }
}

#[test]
fn in_the_order_of_arrival_a_summary_says_what_came_late() {
    let compiled = unlabelled();
    let [mut payments, _] = records(400, 1);
    reorder(&mut payments, "by card");
    let lines: Vec<Vec<u8>> = payments.iter().map(|record| record.line.1.clone()).collect();
    let (summary, found) = run(&compiled, vec![input(&compiled, 0, lines)], options(Order::Arrival));
    // In the order of the file, each payment before a later one of an earlier card is late.
    let mut newest = i64::MIN;
    let late = payments.iter().filter(|record| {
        newest = newest.max(record.time);
        record.time < newest
    });
    assert_eq!(summary.late, late.count() as u64);
    let too_late = found
        .iter()
        .filter(|decision| decision.flags.iter().any(|flag| flag == "too_late"));
    assert_eq!(summary.too_late, too_late.count() as u64);
    assert!(summary.too_late > 300, "{summary:?}");
}

#[test]
fn records_of_equal_times_keep_the_order_of_the_file() {
    let compiled = unlabelled();
    let payment = |id: u64| {
        let line = format!(r#"{{"id":{id},"time":60000,"card":"a","shop":1,"amount":{id}}}"#);
        line.into_bytes()
    };
    let ids = [3, 1, 4, 2];
    for sort_memory in [usize::MAX, 1] {
        let file = input(&compiled, 0, ids.map(payment));
        let options = Options {
            sort_memory,
            ..options(Order::EventTime)
        };
        let (_, collected) = backfill(&compiled, &mut MemoryStores::default(), vec![file], options);
        let found = collected
            .decisions
            .iter()
            .map(|decision| decision.event_id.parse().unwrap());
        assert_eq!(found.collect::<Vec<u64>>(), ids);
    }
}

/// What a step after reading refuses is named by the number of its record.
#[test]
fn a_label_without_a_payment_is_named_by_its_record() {
    let compiled = labelled();
    let [payments, mut labels] = records(3, 1);
    labels[1].line.1 = br#"{"id":77,"time":9000000,"card":"card 1","fraud":true}"#.to_vec();
    let open = |(index, records): (usize, &[Record])| {
        let lines: Vec<Vec<u8>> = records.iter().map(|record| record.line.1.clone()).collect();
        input(&compiled, index, lines)
    };
    let files = [&payments[..], &labels[..]].into_iter().enumerate().map(open).collect();
    let (summary, collected) = backfill(
        &compiled,
        &mut MemoryStores::default(),
        files,
        options(Order::EventTime),
    );
    assert_eq!((summary.rejected, collected.rejected), (1, vec![(1, 2)]));
}
