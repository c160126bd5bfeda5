//! A list of a million pseudonyms: how long it takes to read its records and to look keys up, and what it holds in memory.
//! Run with `cargo bench -p riskstream-lists`.

#[path = "../../features/benches/cpu_time/mod.rs"]
mod cpu_time;

use cpu_time::clock;
use riskstream_lists::{Entry, History, Keys, read_change, write_entry};
use std::hint::black_box;

const ENTRIES: u64 = 1_000_000;
/// Records that are read at a time, as from a topic.
const BATCH: usize = 100_000;

fn main() {
    let records: Vec<(String, Vec<u8>)> = (0..ENTRIES).map(|number| (key(number), record(number))).collect();
    let began = clock();
    let mut history = History::default();
    for (batch, part) in records.chunks(BATCH).enumerate() {
        let first = (batch * BATCH) as i64;
        let read = |(key, value): &(String, Vec<u8>)| {
            read_change(Some(key.as_bytes()), Some(value), Keys::Pseudonyms).expect("a record that can be used")
        };
        let changes: Vec<_> = (first..).zip(part.iter().map(|record| read(record).into())).collect();
        let end = first + changes.len() as i64;
        history.extend(changes, end);
    }
    println!("{ENTRIES} records read in {:.2} s", (clock() - began).as_secs_f64());
    println!("{:.1} MB in memory", history.newest().memory() as f64 / 1e6);
    look_up(&History::default(), "looked for in an empty list", 0);
    look_up(&history, "present", 0);
    look_up(&history, "absent", ENTRIES);
    change_one(&mut history);
}

/// Looks all keys up in an order in which no two neighbours are near each other in memory.
fn look_up(history: &History, what: &str, first: u64) {
    let keys: Vec<String> = (0..ENTRIES)
        .map(|number| key(first + number * 7919 % ENTRIES))
        .collect();
    let entries = history.newest().entries().expect("a list");
    let began = clock();
    let found = keys.iter().filter(|key| black_box(entries.get(key)).is_some()).count();
    let each = (clock() - began).as_secs_f64() * 1e9 / keys.len() as f64;
    println!("look-up of a key that is {what}: {each:.0} ns ({found} found)");
}

fn change_one(history: &mut History) {
    const CHANGES: i64 = 1000;
    let began = clock();
    for number in 0..CHANGES {
        let key = key(number as u64 * 977);
        let change = read_change(Some(key.as_bytes()), None, Keys::Pseudonyms).expect("a record that can be used");
        let end = history.end() + 1;
        history.extend(vec![(end - 1, change.into())], end);
    }
    let each = (clock() - began).as_secs_f64() * 1e6 / CHANGES as f64;
    println!("a version with one change: {each:.0} µs");
}

/// A pseudonym: hexadecimal digits that are spread as those of a hash.
fn key(number: u64) -> String {
    let spread = u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    format!("{spread:032x}")
}

fn record(number: u64) -> Vec<u8> {
    write_entry(&Entry {
        reason: Some(["lost", "stolen", "chargeback"][number as usize % 3].into()),
        author: Some("jane.doe@bank.example".into()),
        until: Some(1_800_000_000_000_000 + number as i64),
        value: None,
    })
}
