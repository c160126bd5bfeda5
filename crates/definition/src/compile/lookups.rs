//! What is looked up in lists and tables: fields of the transactions, and features. And the slots of what is found.

use super::inputs::ResolvedInput;
use super::names::{Names, Symbol};
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::syntax::read::{List, Spanned};
use riskstream_engine::plan::{Lookup, Within};
use riskstream_events::{Slot, ValueType};
use riskstream_expressions::{EntryField, EntrySlots};

/// What values are looked up in.
#[derive(Clone, Copy)]
pub struct Holder {
    /// `list` or `table`.
    pub word: &'static str,
    /// The types of its keys.
    pub types: &'static [ValueType],
    /// The same in words.
    pub types_text: &'static str,
    /// Which field to use.
    pub help: &'static str,
}

/// The fields and features that are looked up, `key` first. `None` if that is wrong, which is reported.
pub fn resolve_keys(
    holder: Holder,
    (key, also): (&Spanned<String>, &List<String>),
    inputs: &[ResolvedInput],
    names: &Names<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<Symbol>> {
    let first = resolve(holder, key, inputs, names, diagnostics)?;
    let mut keys = vec![first.clone()];
    for also in &also.0 {
        let symbol = resolve(holder, also, inputs, names, diagnostics);
        let alike = |symbol: &Symbol| is_alike(holder, (key, &first), (also, symbol), names, diagnostics);
        keys.extend(symbol.filter(alike));
    }
    Some(keys)
}

/// The look-ups of these keys, and slots for what `name` says of each: whether it is there, and `fields`.
pub fn plan_lookups<'f>(
    name: &str,
    within: &Within,
    fields: impl Iterator<Item = (&'f str, ValueType)> + Clone,
    keys: &[Symbol],
    names: &mut Names<'_>,
) -> Vec<Lookup> {
    let lookup = |key: &Symbol| {
        let present = names.slot(&format!("in {name}"), ValueType::Bool);
        let fields = fields.clone().map(|(field, value_type)| EntryField {
            name: field.to_owned(),
            slot: names.slot(&format!("{name}.{field}"), value_type),
            value_type,
        });
        Lookup {
            within: within.clone(),
            key: key.slot,
            entry: EntrySlots {
                present,
                fields: fields.collect(),
            },
        }
    };
    keys.iter().map(lookup).collect()
}

/// The same look-ups for expressions.
pub fn known(lookups: &[Lookup]) -> Vec<(Slot, EntrySlots)> {
    let known = lookups.iter().map(|lookup| (lookup.key, lookup.entry.clone()));
    known.collect()
}

/// A text or an int that transactions have.
fn resolve(
    holder: Holder,
    key: &Spanned<String>,
    inputs: &[ResolvedInput],
    names: &Names<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Symbol> {
    let Holder {
        word, types_text, help, ..
    } = holder;
    let name = key.value.as_str();
    if names.is_broken(name) {
        return None;
    }
    let Some(symbol) = names.get(name) else {
        diagnostics.add(
            Diagnostic::new(format!("unknown name `{name}`"), key.span.clone())
                .nearest(name, names.all().filter(|other| *other != name))
                .help(format!(
                    "the key of a {word} is a field of the transactions or a feature"
                )),
        );
        return None;
    };
    let mut with_field = inputs.iter().filter(|input| input.fields.contains_key(name)).peekable();
    if with_field.peek().is_some() && !with_field.any(|input| input.name == "transactions") {
        diagnostics.add(
            Diagnostic::new(format!("`{name}` is no field of the transactions"), key.span.clone()).help(format!(
                "{word}s are asked for transactions: use one of their fields or a feature"
            )),
        );
        return None;
    }
    if !holder.types.contains(&symbol.value_type) {
        let message = format!(
            "`{name}` is a {}: the keys of a {word} are {types_text}",
            symbol.value_type.name()
        );
        diagnostics.add(Diagnostic::new(message, key.span.clone()).help(help));
        return None;
    }
    Some(symbol.clone())
}

/// Whether a further field holds the same as the key.
fn is_alike(
    holder: Holder,
    (key, first): (&Spanned<String>, &Symbol),
    (also, symbol): (&Spanned<String>, &Symbol),
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
                .help(format!("make another {} for it", holder.word)),
        );
    }
    expected == found
}
