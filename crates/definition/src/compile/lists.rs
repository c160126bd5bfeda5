//! Phase `lists`: the lists whose entries change, and what is looked up in them.

use super::inputs::ResolvedInput;
use super::names::{Names, Symbol};
use super::symbols::Symbols;
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::syntax::read::Spanned;
use crate::syntax::{EntryList, ListSection, PipelineFile};
use riskstream_engine::plan::Lookup;
use riskstream_events::ValueType;
use riskstream_expressions::EntrySlots;
use riskstream_lists::Keys;
use std::sync::Arc;

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
        let Some(first) = resolve(key, inputs, &symbols.names, diagnostics) else {
            symbols.names.declare_broken(name);
            continue;
        };
        let mut looked_up = vec![first.clone()];
        for also in &section.also.0 {
            let symbol = resolve(also, inputs, &symbols.names, diagnostics);
            looked_up.extend(symbol.filter(|symbol| is_alike(key, &first, also, symbol, &symbols.names, diagnostics)));
        }
        let list = compiled.lists.len();
        let names = &mut symbols.names;
        let lookups: Vec<_> = looked_up
            .iter()
            .map(|symbol| (symbol.slot, entry_slots(name, names)))
            .collect();
        let planned = lookups.iter().map(|(key, entry)| Lookup {
            list,
            key: *key,
            entry: *entry,
        });
        compiled.lookups.extend(planned);
        compiled.lists.push(EntryListSettings {
            name: name.to_owned(),
            topic: topic.value.as_str().into(),
            key: key.value.clone(),
            keys: match names.is_pseudonym(first.slot) {
                true => Keys::Pseudonyms,
                false => Keys::Clear,
            },
        });
        names.set_lookups(name, lookups);
    }
    compiled
}

fn entry_slots(list: &str, names: &mut Names<'_>) -> EntrySlots {
    EntrySlots {
        present: names.slot(&format!("in {list}"), ValueType::Bool),
        value: names.slot(&format!("{list}.value"), ValueType::Text),
        reason: names.slot(&format!("{list}.reason"), ValueType::Text),
        author: names.slot(&format!("{list}.author"), ValueType::Text),
        until: names.slot(&format!("{list}.until"), ValueType::Timestamp),
    }
}

/// What a list holds values of: a text or an int that transactions have.
fn resolve(
    key: &Spanned<String>,
    inputs: &[ResolvedInput],
    names: &Names<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Symbol> {
    let name = key.value.as_str();
    if names.is_broken(name) {
        return None;
    }
    let Some(symbol) = names.get(name) else {
        diagnostics.add(
            Diagnostic::new(format!("unknown name `{name}`"), key.span.clone())
                .nearest(name, names.all().filter(|other| *other != name))
                .help("the key of a list is a field of the transactions or a feature"),
        );
        return None;
    };
    let mut with_field = inputs.iter().filter(|input| input.fields.contains_key(name)).peekable();
    if with_field.peek().is_some() && !with_field.any(|input| input.name == "transactions") {
        diagnostics.add(
            Diagnostic::new(format!("`{name}` is no field of the transactions"), key.span.clone())
                .help("lists are asked for transactions: use one of their fields or a feature"),
        );
        return None;
    }
    if !matches!(symbol.value_type, ValueType::Text | ValueType::Int) {
        diagnostics.add(
            Diagnostic::new(
                format!(
                    "`{name}` is a {}: the keys of a list are texts or ints",
                    symbol.value_type.name()
                ),
                key.span.clone(),
            )
            .help("use the field that identifies what is on the list: a card, a customer, an address"),
        );
        return None;
    }
    Some(symbol.clone())
}

/// Whether a further field holds the same as the key of its list.
fn is_alike(
    key: &Spanned<String>,
    first: &Symbol,
    also: &Spanned<String>,
    symbol: &Symbol,
    names: &Names<'_>,
    diagnostics: &mut Diagnostics,
) -> bool {
    let describe = |symbol: &Symbol| match names.is_pseudonym(symbol.slot) {
        true => "pseudonyms",
        false => symbol.value_type.name(),
    };
    let (expected, found) = (describe(first), describe(symbol));
    if expected != found {
        let both = [key.value.as_str(), also.value.as_str()];
        diagnostics.add(
            Diagnostic::new(format!("{} do not hold the same", enumerate(both)), also.span.clone())
                .label(format!("{found} here"))
                .also(key.span.clone(), format!("{expected} here"))
                .help("make another list for it"),
        );
    }
    expected == found
}
