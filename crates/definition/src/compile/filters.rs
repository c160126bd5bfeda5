//! Phase `filters`: which records of an input are events.

use super::declare::Declared;
use super::inputs::ResolvedInput;
use super::usage::Usage;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::read::{ExpressionText, Spanned};
use riskstream_engine::plan::EVENT_TIME;
use riskstream_expressions::Expression;

/// Compiles the filter of each input that is used, in the plan's order. A filter reads the input's own fields.
pub fn compile(usage: &Usage<'_>, declared: &Declared<'_>, diagnostics: &mut Diagnostics) -> Vec<Option<Expression>> {
    let filters = usage
        .inputs
        .iter()
        .map(|input| compile_one(input, input.filter.as_ref()?, declared, diagnostics));
    filters.collect()
}

/// Compiles the conditions of records that delete rows, in the plan's order.
pub fn deletions(usage: &Usage<'_>, declared: &Declared<'_>, diagnostics: &mut Diagnostics) -> Vec<Option<Expression>> {
    let deletions = usage
        .inputs
        .iter()
        .map(|input| compile_one(input, input.deletion.as_ref()?, declared, diagnostics));
    deletions.collect()
}

fn compile_one(
    input: &ResolvedInput,
    source: &Spanned<ExpressionText>,
    declared: &Declared<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Expression> {
    let expression = declared.names.condition(source, diagnostics)?;
    check_fields(input, source, &expression, declared, diagnostics);
    Some(expression)
}

fn check_fields(
    input: &ResolvedInput,
    source: &Spanned<ExpressionText>,
    expression: &Expression,
    declared: &Declared<'_>,
    diagnostics: &mut Diagnostics,
) {
    for slot in expression.slots() {
        let name = &declared.names.slots()[*slot].name;
        if *slot == EVENT_TIME {
            diagnostics.add(
                Diagnostic::new(
                    "`event_time` is not yet known when records are filtered",
                    source.span.clone(),
                )
                .help("use a timestamp field of the input"),
            );
        } else if !input.fields.contains_key(name) {
            diagnostics.add(
                Diagnostic::new(
                    format!("`{name}` is not a field of `{}`", input.name),
                    source.span.clone(),
                )
                .help("a filter reads the fields of its own input"),
            );
        }
    }
}
