//! Phase `lists`: the lists whose entries change, and what is looked up in them.

use super::inputs::ResolvedInput;
use super::lookups::{Holder, known, plan_lookups, resolve_keys};
use super::symbols::Symbols;
use crate::diagnostics::Diagnostics;
use crate::syntax::read::Spanned;
use crate::syntax::{EntryList, ListSection, PipelineFile};
use riskstream_engine::plan::{Lookup, Within};
use riskstream_events::ValueType;
use riskstream_lists::{EntryField, Keys};
use std::sync::Arc;

const LIST: Holder = Holder {
    word: "list",
    types: &[ValueType::Text, ValueType::Int],
    types_text: "texts or ints",
    help: "use the field that identifies what is on the list: a card, a customer, an address",
};

/// A list whose entries change.
#[derive(Clone, Debug)]
pub struct EntryListSettings {
    /// Its name.
    pub name: String,
    /// The topic of its entries.
    pub topic: Arc<str>,
    /// The field or feature that its keys are values of.
    pub key: String,
    /// What its keys are.
    pub keys: Keys,
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

/// Resolves the keys of lists and makes slots for what is looked up.
pub fn compile(
    file: &PipelineFile,
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
        let list = compiled.lists.len();
        let names = &mut symbols.names;
        let fields = EntryField::ALL.iter().map(|(_, name, value_type)| (*name, *value_type));
        let lookups = plan_lookups(name, &Within::InForce(list), fields, &looked_up, names);
        names.set_lookups(name, known(&lookups));
        compiled.lists.push(EntryListSettings {
            name: name.to_owned(),
            topic: topic.value.as_str().into(),
            key: key.value.clone(),
            keys: match names.is_pseudonym(looked_up[0].slot) {
                true => Keys::Pseudonyms,
                false => Keys::Clear,
            },
        });
        compiled.lookups.extend(lookups);
    }
    compiled
}
