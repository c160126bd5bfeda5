//! Phase `lists`: the lists whose entries change, and what is looked up in them.

use super::inputs::ResolvedInput;
use super::lookups::{Holder, known, plan_lookups, resolve_keys};
use super::names::{Names, Symbol};
use super::symbols::Symbols;
use crate::diagnostics::Diagnostics;
use crate::syntax::read::Spanned;
use crate::syntax::{EntryList, ListSection, PipelineFile};
use riskstream_engine::plan::{Lookup, Within};
use riskstream_events::ValueType;
use riskstream_lists::{EntryField, Keys, Records};
use std::sync::Arc;

const LIST: Holder = Holder {
    word: "list",
    types: &[ValueType::Text, ValueType::Int],
    types_text: "texts or ints",
    help: "use the field that identifies what is on the list: a card, a customer, an address",
};

/// A list whose entries change, or a table whose rows do: what the service follows.
#[derive(Clone, Debug)]
pub struct EntryListSettings {
    /// Its name.
    pub name: String,
    /// The topic of its entries or rows.
    pub topic: Arc<str>,
    /// The field or feature that its keys are values of.
    pub key: String,
    /// What the records of the topic are.
    pub records: Records,
}

impl EntryListSettings {
    /// What the keys of the entries are, if it is a list.
    pub fn keys_of_entries(&self) -> Option<Keys> {
        match self.records {
            Records::Entries(keys) => Some(keys),
            Records::Rows { .. } => None,
        }
    }
}

/// The lists in the order of the file.
#[derive(Default)]
pub struct EntryLists {
    /// The lists.
    pub lists: Vec<EntryListSettings>,
    /// What is looked up in them.
    pub lookups: Vec<Lookup>,
}

/// The lists of the file whose entries change: names and sections.
pub fn sections(file: &PipelineFile) -> impl Iterator<Item = (&str, &Spanned<EntryList>)> {
    file.lists.iter().filter_map(|(name, list)| match list {
        ListSection::Entries(section) => Some((name.name.as_str(), section)),
        ListSection::Constants(_) => None,
    })
}

/// The topics of lists and tables, whose changes come into force by notices.
pub fn followed_topics(file: &PipelineFile) -> impl Iterator<Item = &Spanned<String>> {
    let tables = file.tables.iter().filter_map(|(_, table)| table.topic.as_ref());
    let lists = sections(file).filter_map(|(_, list)| list.value.topic.0.as_ref());
    lists.chain(tables)
}

/// Whether the keys for values of this field or feature are pseudonyms.
pub fn keys_of(key: &Symbol, names: &Names<'_>) -> Keys {
    match names.is_pseudonym(key.slot) {
        true => Keys::Pseudonyms,
        false => Keys::Clear,
    }
}

/// Resolves the keys of lists and makes slots for what is looked up. `first` is the index of the first list among the versions
/// in force.
pub fn compile(
    file: &PipelineFile,
    first: usize,
    inputs: &[ResolvedInput],
    symbols: &mut Symbols<'_>,
    diagnostics: &mut Diagnostics,
) -> EntryLists {
    let mut compiled = EntryLists::default();
    for (name, section) in sections(file) {
        if symbols.names.is_broken(name) {
            continue;
        }
        let section = &section.value;
        let (Some(key), Some(topic)) = (&section.key.0, &section.topic.0) else {
            symbols.names.declare_broken(name);
            continue;
        };
        let keys = resolve_keys(LIST, (key, &section.also), inputs, &symbols.names, diagnostics);
        let Some(looked_up) = keys else {
            symbols.names.declare_broken(name);
            continue;
        };
        let list = first + compiled.lists.len();
        let names = &mut symbols.names;
        let fields = EntryField::ALL.iter().map(|(_, name, value_type)| (*name, *value_type));
        let lookups = plan_lookups(name, &Within::List(list), fields, &looked_up, names);
        names.set_lookups(name, known(&lookups));
        compiled.lists.push(EntryListSettings {
            name: name.to_owned(),
            topic: topic.value.as_str().into(),
            key: key.value.clone(),
            records: Records::Entries(keys_of(&looked_up[0], names)),
        });
        compiled.lookups.extend(lookups);
    }
    compiled
}
