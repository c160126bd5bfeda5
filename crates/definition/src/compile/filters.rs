//! Phase `filters`: which records of an input are events.

use super::declare::Declared;
use super::inputs::ResolvedInput;
use super::names::Names;
use super::usage::Usage;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::read::{ExpressionText, Spanned};
use riskstream_engine::plan::{EVENT_TIME, InputKind};
use riskstream_expressions::Expression;

/// What records of an input are taken for.
#[derive(Debug)]
pub struct RecordConditions {
    /// Only records for which it holds are events.
    pub filter: Option<Expression>,
    /// Of a table: those for which it holds delete rows.
    pub deletion: Option<Expression>,
}

/// Compiles the conditions of each input that is used, in the plan's order. They read the input's own fields.
pub fn compile(usage: &Usage<'_>, declared: &Declared<'_>, diagnostics: &mut Diagnostics) -> Vec<RecordConditions> {
    let conditions = usage.inputs.iter().map(|input| {
        let mut condition =
            |source: &Option<Spanned<ExpressionText>>| compile_one(input, source.as_ref()?, declared, diagnostics);
        RecordConditions {
            filter: condition(&input.filter),
            deletion: condition(&input.deletion),
        }
    });
    conditions.collect()
}

fn compile_one(
    input: &ResolvedInput,
    source: &Spanned<ExpressionText>,
    declared: &Declared<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Expression> {
    let expression = match input.kind {
        InputKind::Table => names_of_table(input, declared).condition(source, diagnostics)?,
        _ => declared.names.condition(source, diagnostics)?,
    };
    check_fields(input, source, &expression, declared, diagnostics);
    Some(expression)
}

/// All names, and the fields of a table.
fn names_of_table<'s>(input: &ResolvedInput, declared: &Declared<'s>) -> Names<'s> {
    let mut names = declared.names.clone();
    for (name, field) in &input.fields {
        if let Some(slot) = declared.fields.get(name) {
            names.alias(name, *slot, field.value_type);
        }
    }
    names
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
