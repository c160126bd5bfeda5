//! Other events and tables in files: a backfill over payments, labels, logins and rows equals the service, to the last bit.
mod common;
mod random;

use common::{KeyedLine, backfill, by_id, input, keyed, options, served};
use random::Random;
use riskstream_definition::{Compiled, Style, compile};
use riskstream_events::OwnedDecisionRecord;
use riskstream_offline::backfill::{Options, Order, Partitions};
use riskstream_pipeline::EventCounts;
use riskstream_pipeline::driver::MemoryStores;
use std::path::Path;

const PIPELINE: &str = "
name: cards
inputs:
  transactions:
    topic: payments
    key: id
    id: id
    event_time: time
    fields: {id: int, time: timestamp, card: {type: text, personal: true}, shop: int, amount: float}
  labels:
    topic: labels
    key: id
    id: id
    event_time: time
    fields: {id: int, time: timestamp, card: {type: text, personal: true}, fraud: bool}
  logins:
    kind: events
    topic: logins
    key: id
    id: id
    event_time: time
    fields: {id: int, time: timestamp, card: {type: text, personal: true}, shop: int, device: text, tries: int}
  limits:
    kind: table
    topic: limits
    key: card
    event_time: time
    fields: {card: {type: text, personal: true}, time: timestamp, limit: float, opened: timestamp}
  levels:
    kind: table
    topic: levels
    key: shop
    event_time: time
    delete_when: level == 0
    fields: {shop: int, time: timestamp, level: int, name: text}
entities:
  card: {key: card, lateness: 1h, dedupe: 1h}
  region: {key: amount_key, lateness: 1h}
  shop: {key: shop, lateness: 1h, dedupe: 1h}
features:
  payments: {entity: card, count: transactions, window: 7d}
  of_amount: {entity: region, count: transactions, window: 7d}
  frauds: {entity: shop, count: labels, window: 30d, when: fraud}
  logins: {entity: card, count: logins, of: logins, window: 1h}
  tried: {entity: card, sum: tries, of: logins, window: 6h, delay: 10m}
  devices: {entity: card, distinct: device, of: logins, window: 1d, when: tries > 1}
  at_shop: {entity: shop, count: logins, window: 2h}
  since: {entity: shop, time_since_last: logins}
  limit_now: {expression: limits.limit}
  above: {entity: shop, count: transactions, window: 7d, when: amount > limits.limit}
  age: {expression: (event_time - limits.opened).getSeconds()}
  level_now: {expression: levels.level}
  name_now: {expression: levels.name}
personal_data: {key_env: KEY}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

fn pipeline() -> Compiled {
    // A stage in between that no login concerns: logins pass it.
    let source = PIPELINE
        .replace(
            "shop: int, amount: float}",
            "shop: int, amount: float, amount_key: int}",
        )
        .replace("fraud: bool}", "fraud: bool, amount_key: int}");
    compile("cards.yaml", &source, Path::new("."), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)))
}

/// Payments, labels and logins in event-time order, three of each a minute at the same time. Some logins come twice, and some lack
/// the card or the shop.
fn records() -> [Vec<KeyedLine>; 5] {
    let mut random = Random(5);
    let mut all = [const { Vec::new() }; 5];
    for id in 0..1_200usize {
        let time = (id / 3) as i64 * 60_000;
        let (card, shop, amount) = (random.below(20), random.below(7), random.below(99));
        let payment = format!(
            r#"{{"id":{id},"time":{time},"card":"card {card}","shop":{shop},"amount":{amount},"amount_key":{}}}"#,
            amount % 5
        );
        all[0].push((id.to_string(), payment));
        let known = time + 2 * 3_600_000;
        let label = format!(
            r#"{{"id":{id},"time":{known},"card":"card {card}","fraud":{},"amount_key":{}}}"#,
            amount < 30,
            amount % 5
        );
        all[1].push((id.to_string(), label));
        let text = |is_there: bool, text: String| if is_there { text } else { "null".to_owned() };
        let (card, shop) = (random.below(20), random.below(7));
        let (with_card, with_shop) = [(true, true), (true, false), (false, true)][random.below(3)];
        let login = format!(
            r#"{{"id":{id},"time":{time},"card":{},"shop":{},"device":{},"tries":{}}}"#,
            text(with_card, format!("\"card {card}\"")),
            text(with_shop, shop.to_string()),
            text(random.below(4) > 0, format!("\"{}\"", random.below(3))),
            random.below(4)
        );
        all[2].push((id.to_string(), login.clone()));
        if random.below(9) == 0 {
            all[2].push((id.to_string(), login));
        }
        let (card, shop, amount) = (random.below(20), random.below(7), random.below(99));
        if id % 5 == 0 {
            let row = format!(
                r#"{{"card":"card {card}","time":{time},"limit":{amount},"opened":{}}}"#,
                time - 5_000
            );
            all[3].push((format!("card {card}"), row));
        }
        if id % 7 == 0 {
            let level = amount % 4;
            let row = format!(r#"{{"shop":{shop},"time":{time},"level":{level},"name":"at {amount}"}}"#);
            all[4].push((shop.to_string(), row));
        }
    }
    all[2].push((
        "x".to_owned(),
        r#"{"id":7000,"time":60000,"device":"of nobody"}"#.to_owned(),
    ));
    all.map(|records| {
        records
            .into_iter()
            .map(|(key, line)| (key, line.into_bytes()))
            .collect()
    })
}

/// The records as people's files are: in order, nearly so, or by key.
fn reorder(lines: &mut [KeyedLine], order: &str) {
    match order {
        "by time" => {}
        "nearly by time" => lines.chunks_mut(90).for_each(|chunk| chunk.swap(0, chunk.len() - 1)),
        _ => lines.sort_by_key(|(key, _)| key.chars().rev().collect::<String>()),
    }
}

#[test]
fn a_backfill_with_other_events_equals_the_service_to_the_last_bit() {
    let compiled = pipeline();
    for order in ["by time", "nearly by time", "by key"] {
        let mut inputs = records();
        inputs.iter_mut().for_each(|lines| reorder(lines, order));
        let partitions = Partitions {
            inputs: vec![4, 3, 5, 2, 3],
            stages: vec![Some(3), Some(2), Some(4)],
        };
        let (expected, dead_letters) = served(&compiled, &inputs, &partitions);
        let expected = by_id(expected);
        assert_eq!(expected.len(), 1_200);
        for sort_memory in [usize::MAX, 5_000] {
            let files = inputs.iter().enumerate();
            let files = files.map(|(index, lines)| keyed(&compiled, index, lines)).collect();
            let options = Options {
                partitions: Some(partitions.clone()),
                sort_memory,
                ..options(Order::Arrival)
            };
            let (summary, collected) = backfill(&compiled, &mut MemoryStores::default(), files, options);
            let found = by_id(collected.decisions);
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found, expected, "{order}");
            }
            assert_eq!((found.len(), summary.rejected), (1_200, dead_letters as u64), "{order}");
            let of = |input: u8| {
                let counts = summary.other_events.iter().filter(move |(of, ..)| *of == input);
                counts.map(|(.., counts)| counts).collect::<Vec<EventCounts>>()
            };
            let (limits, levels) = (of(3), of(4));
            assert_eq!((limits.len(), levels.len()), (1, 1), "tables have one entity");
            assert_eq!(limits[0].counted + limits[0].late + limits[0].too_late, 240);
            assert_eq!(levels[0].late > 0, order != "by time", "{order}: {levels:?}");
            let counts = of(2);
            assert_eq!(counts.len(), 2, "cards and shops");
            assert!(counts.iter().all(|counts| counts.counted > 100), "{counts:?}");
            let late = counts.iter().all(|counts| counts.too_late > 0);
            assert_eq!(late, order == "by key", "{order}: {counts:?}");
        }
    }
}

/// Sorted by event time, logins of the minute of a payment come before it, whatever the order of the files is.
#[test]
fn the_order_of_the_files_does_not_matter() {
    let compiled = pipeline();
    let mut decided: Vec<Vec<OwnedDecisionRecord>> = Vec::new();
    for order in ["by time", "by key"] {
        let mut inputs = records();
        inputs.iter_mut().for_each(|lines| reorder(lines, order));
        let open = |(index, lines): (usize, &Vec<KeyedLine>)| {
            let lines: Vec<Vec<u8>> = lines.iter().map(|(_, line)| line.clone()).collect();
            input(&compiled, index, lines)
        };
        let files = inputs.iter().enumerate().map(open).collect();
        let options = options(Order::EventTime);
        let (summary, collected) = backfill(&compiled, &mut MemoryStores::default(), files, options);
        assert_eq!((summary.decided, summary.rejected), (1_200, 1));
        assert!(
            summary
                .other_events
                .iter()
                .filter(|(input, ..)| *input == 2)
                .all(|(.., counts)| counts.duplicate > 0 && counts.too_late == 0)
        );
        let of_rows = summary.other_events.iter().filter(|(input, ..)| *input > 2);
        assert!(
            of_rows
                .into_iter()
                .all(|(.., counts)| counts.counted > 0 && counts.late + counts.too_late == 0)
        );
        decided.push(by_id(collected.decisions));
    }
    for feature in [
        "logins",
        "tried",
        "devices",
        "at_shop",
        "since",
        "limit_now",
        "age",
        "level_now",
        "name_now",
    ] {
        for (one, other) in decided[0].iter().zip(&decided[1]) {
            assert_eq!(
                one.feature(feature),
                other.feature(feature),
                "{feature} of {}",
                one.event_id
            );
        }
    }
}
