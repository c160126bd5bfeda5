//! Fields of an input that lie at one place of the record, or one within the other, cannot be decoded together.

use super::field::ResolvedField;
use super::input::ResolvedInput;
use crate::compile::usage::Usage;
use crate::diagnostics::{Diagnostic, Diagnostics};

/// Checks the fields that are used. Others are not decoded.
pub fn check_places(usage: &Usage<'_>, diagnostics: &mut Diagnostics) {
    for input in &usage.inputs {
        let mut seen: Vec<(&String, &ResolvedField)> = Vec::new();
        for (name, field) in decoded(input, usage) {
            let other = seen.iter().find(|(_, other)| overlap(&field.path, &other.path));
            if let Some((other_name, other)) = other {
                diagnostics.add(overlapping((name, field), (other_name, other)));
            }
            seen.push((name, field));
        }
    }
}

/// The fields that are read from records, in the order of the file.
fn decoded<'i>(input: &'i ResolvedInput, usage: &Usage<'_>) -> Vec<(&'i String, &'i ResolvedField)> {
    let fields = input.fields.iter();
    let is_decoded = |(name, field): &(&String, &ResolvedField)| field.derived.is_none() && usage.reads(input, name);
    let mut fields: Vec<_> = fields.filter(is_decoded).collect();
    fields.sort_by_key(|(_, field)| field.span.start);
    fields
}

fn overlap(path: &[String], other: &[String]) -> bool {
    let shared = path.len().min(other.len());
    path[..shared] == other[..shared]
}

fn overlapping((name, field): (&String, &ResolvedField), (other_name, other): (&String, &ResolvedField)) -> Diagnostic {
    let message = match field.path == other.path {
        true => format!("`{name}` and `{other_name}` have the same place in the record"),
        false => format!("`{name}` and `{other_name}` lie one within the other"),
    };
    Diagnostic::new(message, field.span.clone())
        .label(format!("reads `{}`", field.path.join(".")))
        .also(other.span.clone(), format!("reads `{}`", other.path.join(".")))
        .help("remove one of them, or give it another `path:`; a feature can copy a field: `copy: {expression: field}`")
}
