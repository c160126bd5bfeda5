//! Which names have values that are personal data.

use crate::compile::identifiers::identifiers;
use crate::compile::inputs::ResolvedInput;
use crate::compile::names::Names;
use crate::syntax::PipelineFile;
use riskstream_events::ValueType;
use std::collections::BTreeSet;

/// The names of personal fields, and of texts and lists that are computed from them.
pub fn personal_names(file: &PipelineFile, inputs: &[ResolvedInput], names: &Names<'_>) -> BTreeSet<String> {
    let fields = inputs.iter().flat_map(|input| &input.fields);
    let mut personal: BTreeSet<String> = fields
        .filter(|(_, field)| field.personal)
        .map(|(name, _)| name.clone())
        .collect();
    let is_text = |name: &str| {
        let symbol = names.get(name);
        symbol.is_some_and(|symbol| matches!(symbol.value_type, ValueType::Text | ValueType::List))
    };
    // A feature may be listed before one that it reads, so this repeats until no name is added.
    loop {
        let derived = file.features.iter().filter(|(key, feature)| {
            let source = feature.value_source();
            let mut reads = source.into_iter().flat_map(|source| identifiers(&source.value.0));
            !personal.contains(&key.name) && is_text(&key.name) && reads.any(|name| personal.contains(name))
        });
        let derived: Vec<String> = derived.map(|(key, _)| key.name.clone()).collect();
        if derived.is_empty() {
            return personal;
        }
        personal.extend(derived);
    }
}
