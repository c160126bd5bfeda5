//! The headers of decisions.

use super::names::Names;
use crate::diagnostics::{Diagnostic, Diagnostics, Span};
use crate::syntax::read::{ExpressionText, Spanned};
use crate::syntax::{Headers, PipelineFile};
use riskstream_engine::plan::{ComputedHeader, CopiedHeader};
use riskstream_events::ValueType;
use riskstream_events::framing::SCHEMA_ID_HEADER;
use riskstream_expressions::{Expression, Scope};
use std::collections::BTreeMap;

/// The headers that are copied from transactions, with a slot for each.
pub fn copied(file: &PipelineFile, names: &mut Names<'_>) -> Vec<CopiedHeader> {
    let headers = file.headers.iter().flat_map(|headers| &headers.value.copy.0);
    let copied = headers.map(|name| CopiedHeader {
        name: name.value.clone(),
        slot: names.slot(&format!("header {}", name.value), ValueType::Text),
    });
    copied.collect()
}

/// Compiles the headers that are computed. `scope`: the names that have values once a decision is made. `None` if one is wrong.
pub fn computed(
    file: &PipelineFile,
    names: &Names<'_>,
    scope: &Scope,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<ComputedHeader>> {
    let Some(section) = file.headers.as_ref().map(|headers| &headers.value) else {
        return Some(Vec::new());
    };
    check_names(section, diagnostics);
    let headers = section.fields.0.iter().map(|(key, source)| {
        Some(ComputedHeader {
            name: key.name.clone(),
            value: value(source.as_ref()?, names, scope, diagnostics)?,
        })
    });
    let headers: Vec<Option<ComputedHeader>> = headers.collect();
    headers.into_iter().collect()
}

/// A name may be there once, and must not say something else of the record.
fn check_names(section: &Headers, diagnostics: &mut Diagnostics) {
    let copied = section.copy.0.iter().map(|name| (name.value.as_str(), &name.span));
    let computed = section.fields.0.iter().map(|(key, _)| (key.name.as_str(), &key.span));
    let mut seen: BTreeMap<&str, &Span> = BTreeMap::new();
    for (name, span) in copied.chain(computed) {
        if name.is_empty() || name.contains('\0') {
            diagnostics.add(
                Diagnostic::new("a header must have a name", span.clone())
                    .help("write the name as the transactions' producer does: `traceparent`"),
            );
        }
        if name == SCHEMA_ID_HEADER {
            diagnostics.add(
                Diagnostic::new(format!("`{name}` names the schema of a record"), span.clone())
                    .help("remove it: a decision has a schema of its own"),
            );
        }
        match seen.get(name) {
            Some(first) => diagnostics.add(
                Diagnostic::new(format!("the header `{name}` is there twice"), span.clone())
                    .label("the second time")
                    .also((*first).clone(), "the first time")
                    .help("remove one of them"),
            ),
            None => {
                seen.insert(name, span);
            }
        }
    }
}

fn value(
    source: &Spanned<ExpressionText>,
    names: &Names<'_>,
    scope: &Scope,
    diagnostics: &mut Diagnostics,
) -> Option<Expression> {
    if names.uses_broken(&source.value.0) {
        return None;
    }
    let value = match Expression::compile(&source.value.0, scope) {
        Ok(value) => value,
        Err(errors) => {
            let found = errors.into_iter().map(|error| names.place(source, error));
            found.for_each(|diagnostic| diagnostics.add(diagnostic));
            return None;
        }
    };
    if value.value_type() == ValueType::List {
        diagnostics.add(
            Diagnostic::new("a header has one value, this is a list", source.span.clone())
                .help("the decision has the list; or test it, as in `\"large\" in rules`"),
        );
    }
    if value.holds_pseudonyms() {
        diagnostics.add(
            Diagnostic::new("a header must not have personal data", source.span.clone())
                .label("the pseudonym of a personal field")
                .help("proxies and tracers log headers: read the pseudonym from the decision"),
        );
    }
    Some(value)
}
