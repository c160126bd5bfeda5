//! Tables and histories against a map that is changed record by record.

use proptest::prelude::*;
use riskstream_lists::{Entry, EntryChange, EntryRef, History, ListSet, ListVersion, Table};
use std::collections::BTreeMap;

type Oracle = BTreeMap<String, Entry>;

const TEXTS: [&str; 3] = ["stolen", "", "reported by the customer on the phone"];

fn entry() -> impl Strategy<Value = Entry> {
    let text = || proptest::option::of((0..TEXTS.len()).prop_map(|index| TEXTS[index].into()));
    (text(), text(), text(), proptest::option::of(0..10_i64)).prop_map(|(value, reason, author, until)| Entry {
        value,
        reason,
        author,
        until,
    })
}

/// Adds, changes and removals of few keys, so that most meet an entry.
fn changes() -> impl Strategy<Value = Vec<EntryChange>> {
    let change = (0..40_u32, proptest::option::weighted(0.7, entry())).prop_map(|(key, entry)| EntryChange {
        key: format!("key {key}").into(),
        entry,
    });
    proptest::collection::vec(change, 0..120)
}

fn apply(oracle: &mut Oracle, change: &EntryChange) {
    match &change.entry {
        Some(entry) => oracle.insert(change.key.to_string(), entry.clone()),
        None => oracle.remove(change.key.as_str()),
    };
}

fn check(table: &Table, oracle: &Oracle) {
    assert_eq!(table.len(), oracle.len());
    assert_eq!(table.is_empty(), oracle.is_empty());
    for number in 0..41 {
        let key = format!("key {number}");
        assert_eq!(table.get(&key), oracle.get(&key).map(Entry::as_ref), "{key}");
    }
}

proptest! {
    #[test]
    fn a_table_holds_what_a_map_holds_and_earlier_tables_stay(changes in changes(), steps in 1..9_usize) {
        let (mut table, mut oracle) = (Table::default(), Oracle::new());
        let mut earlier = Vec::new();
        for part in changes.chunks(changes.len() / steps + 1) {
            earlier.push((table.clone(), oracle.clone()));
            table = table.with(part);
            part.iter().for_each(|change| apply(&mut oracle, change));
            check(&table, &oracle);
        }
        for (table, oracle) in &earlier {
            check(table, oracle);
        }
    }

    #[test]
    fn an_entry_counts_before_its_end(changes in changes(), time in 0..10_i64) {
        let table = Table::default().with(&changes);
        let mut oracle = Oracle::new();
        changes.iter().for_each(|change| apply(&mut oracle, change));
        let lists = ListSet::new(vec![ListVersion { topic: "t".into(), offset: None, content: table.into() }]);
        for number in 0..40 {
            let key = format!("key {number}");
            let counting = oracle.get(&key).filter(|entry| entry.until.is_none_or(|until| time < until));
            assert_eq!(lists.get(0, &key, time), counting.map(Entry::as_ref));
            assert_eq!(lists.get(1, &key, time), None, "there is no such list");
        }
    }
}

/// A version of each offset is the map after the records before it, however the records were read.
#[test]
fn a_history_has_the_version_of_each_recent_offset() {
    let change = |number: i64| EntryChange {
        key: format!("key {}", number % 30).into(),
        entry: (number % 7 != 0).then(|| Entry {
            value: Some(number.to_string().into()),
            ..Entry::default()
        }),
    };
    let mut history = History::default();
    assert!(history.at(0).is_some_and(|content| content.is_empty()));
    // Every third offset is a gap.
    let records: Vec<(i64, EntryChange)> = (0..20_000)
        .filter(|offset| offset % 3 != 0)
        .map(|n| (n, change(n)))
        .collect();
    for (step, part) in records.chunks(777).enumerate() {
        let gap = i64::from(step % 2 == 0);
        let changes = part.iter().map(|(at, change)| (*at, change.clone().into()));
        history.extend(changes.collect(), part.last().unwrap().0 + 1 + gap);
    }
    assert!(history.at(history.end() + 1).is_none(), "it is not read yet");
    assert!(history.at(5).is_none(), "it is too long ago");
    let mut oracle = Oracle::new();
    let mut records = records.iter().peekable();
    let mut made = 0;
    for offset in 0..=history.end() {
        while let Some((_, change)) = records.next_if(|(at, _)| *at < offset) {
            apply(&mut oracle, change);
        }
        if offset % 61 != 0 && offset != history.end() {
            continue;
        }
        if let Some(content) = history.at(offset) {
            check(content.entries().unwrap(), &oracle);
            made += 1;
        }
    }
    assert!(made > 60, "{made}");
    check(history.newest().entries().unwrap(), &oracle);
}

#[test]
fn equal_texts_are_kept_once() {
    let add = |number: u32, reason: String| EntryChange {
        key: format!("{number:032x}").into(),
        entry: Some(Entry {
            reason: Some(reason.into()),
            author: Some("jane.doe@bank.example".into()),
            ..Entry::default()
        }),
    };
    let memory = |reason: &dyn Fn(u32) -> String| {
        let changes: Vec<EntryChange> = (0..200_000).map(|number| add(number, reason(number))).collect();
        Table::default().with(&changes).memory()
    };
    let shared = memory(&|_| "lost or stolen, reported by the customer".to_owned());
    let distinct = memory(&|number| format!("lost or stolen, reported as case {number:06}"));
    assert!(shared < 200_000 * 48, "{shared} bytes");
    assert!(distinct > shared + 200_000 * 30, "{distinct} bytes");
}

#[test]
fn the_empty_entry_is_an_entry() {
    let change = EntryChange {
        key: "k".into(),
        entry: Some(Entry::default()),
    };
    let table = Table::default().with([&change]);
    assert_eq!(table.get("k"), Some(EntryRef::default()));
    assert_eq!(table.get("K"), None);
}
