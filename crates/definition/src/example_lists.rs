//! The lists of an example, as versions that decide.

use crate::compile::{Compiled, EntryListSettings};
use crate::syntax::read::{List, Raw};
use crate::syntax::{Example, ExampleEntry};
use crate::text::NodeValue;
use riskstream_events::Pseudonymizer;
use riskstream_lists::{Entry, EntryChange, Keys, ListSet, ListVersion, Table};

/// The versions that an example's entries make.
pub(crate) fn lists_of(compiled: &Compiled, example: &Example, pseudonymizer: &Pseudonymizer) -> ListSet {
    let version = |list: &EntryListSettings| {
        let entries = example.lists.get(&list.name).and_then(|(_, entries)| entries);
        let entries = entries.map_or(&[][..], |List(entries)| entries.as_slice());
        let changes = entries
            .iter()
            .filter_map(|entry| change(&entry.value, list, pseudonymizer));
        let changes: Vec<EntryChange> = changes.collect();
        ListVersion {
            topic: list.topic.clone(),
            offset: Some(changes.len() as i64),
            table: Table::default().with(&changes),
        }
    };
    ListSet::new(compiled.lists.iter().map(version).collect())
}

fn change(entry: &ExampleEntry, list: &EntryListSettings, pseudonymizer: &Pseudonymizer) -> Option<EntryChange> {
    let key = text_of(&entry.key.0.as_ref()?.value)?;
    Some(EntryChange {
        key: match list.keys {
            Keys::Clear => key.into(),
            Keys::Pseudonyms => pseudonymizer.pseudonym(key.as_bytes()),
        },
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
