//! The lists and tables of an example, as versions that decide.

use crate::compile::{Compiled, EntryListSettings};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::read::{List, Raw, Spanned};
use crate::syntax::{Example, ExampleEntry};
use crate::text::NodeValue;
use compact_str::CompactString;
use riskstream_events::Pseudonymizer;
use riskstream_lists::{Change, Entry, EntryChange, Keys, ListSet, ListVersion, Records, RowKeys};

/// The versions that an example's entries and rows make.
pub(crate) fn lists_of(
    compiled: &Compiled,
    example: &Example,
    pseudonymizer: &Pseudonymizer,
    diagnostics: &mut Diagnostics,
) -> ListSet {
    let version = |list: &EntryListSettings| {
        let changes: Vec<Change> = match list.records {
            Records::Entries(keys) => {
                let entries = example.lists.get(&list.name).and_then(|(_, entries)| entries);
                let change = |entry: &Spanned<ExampleEntry>| change(&entry.value, keys, pseudonymizer);
                given(entries).iter().filter_map(change).map(Change::Entry).collect()
            }
            Records::Rows { keys, of, .. } => {
                let rows = example.tables.get(&list.name).and_then(|(_, rows)| rows);
                let row = |row: &Spanned<Raw>| {
                    let key = row_key(&row.value, keys).unwrap_or_default();
                    let key = masked(&key, of, pseudonymizer);
                    let values = row.value.0.to_json().to_string();
                    let read = list.records.read(Some(key.as_bytes()), Some(values.as_bytes()));
                    read.map_err(|why| diagnostics.add(row_error(row, &why.to_string())))
                        .ok()
                };
                given(rows).iter().filter_map(row).collect()
            }
        };
        ListVersion {
            topic: list.topic.clone(),
            offset: Some(changes.len() as i64),
            content: list.records.nothing().with(&changes),
        }
    };
    ListSet::new(compiled.lists.iter().map(version).collect())
}

fn given<T>(list: Option<&List<T>>) -> &[Spanned<T>] {
    list.map_or(&[][..], |List(given)| given.as_slice())
}

fn masked(key: &str, keys: Keys, pseudonymizer: &Pseudonymizer) -> CompactString {
    match keys {
        Keys::Clear => key.into(),
        Keys::Pseudonyms => pseudonymizer.pseudonym(key.as_bytes()),
    }
}

fn row_error(row: &Spanned<Raw>, why: &str) -> Diagnostic {
    Diagnostic::new(format!("the row cannot be used: {why}"), row.span.clone())
        .help("a row is `{key: …}`, `{from: …, to: …}` or `{network: …}`, as the table's `match` says, and its columns")
}

/// The key of a row as that of its record.
fn row_key(row: &Raw, keys: RowKeys) -> Option<String> {
    let NodeValue::Map(members) = &row.0.value else {
        return None;
    };
    let text = |name: &str| {
        let (_, node) = members.iter().find(|(key, _)| key.name == name)?;
        text_of(&Raw(node.clone()))
    };
    match keys {
        RowKeys::Exact => text("key"),
        RowKeys::Range => Some(format!("{}-{}", text("from")?, text("to")?)),
        RowKeys::Network => text("network"),
    }
}

fn change(entry: &ExampleEntry, keys: Keys, pseudonymizer: &Pseudonymizer) -> Option<EntryChange> {
    let key = text_of(&entry.key.0.as_ref()?.value)?;
    Some(EntryChange {
        key: masked(&key, keys, pseudonymizer),
        entry: Some(Entry {
            value: entry.value.as_ref().and_then(text_of).map(Into::into),
            reason: entry.reason.as_deref().map(Into::into),
            author: entry.author.as_deref().map(Into::into),
            until: entry.until.map(|until| until.0),
        }),
    })
}

/// A text, number or boolean as text.
pub(crate) fn text_of(raw: &Raw) -> Option<String> {
    match &raw.0.value {
        NodeValue::Text(text) => Some(text.clone()),
        NodeValue::Int(number) => Some(number.to_string()),
        NodeValue::Float(number) => Some(number.to_string()),
        NodeValue::Bool(value) => Some(value.to_string()),
        NodeValue::Null | NodeValue::List(_) | NodeValue::Map(_) | NodeValue::Unknown => None,
    }
}
