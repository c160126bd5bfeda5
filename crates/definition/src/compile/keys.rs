//! Phase `keys`: the keys of entities that are computed from fields.

use super::declare::Declared;
use super::entities::PlannedEntity;
use super::names::is_identifier;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::read::{ExpressionText, Spanned};
use riskstream_engine::plan::{ComputedKey, EVENT_TIME};
use riskstream_events::ValueType;
use riskstream_expressions::Expression;

/// Compiles the keys, in the order of the entities; none for an entity whose key is a field.
pub fn compile(
    entities: &[PlannedEntity],
    declared: &Declared<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<Option<ComputedKey>> {
    let mut computed = |entity: &PlannedEntity| {
        let parts = entity.key.computed.iter().flatten();
        let parts: Option<Vec<Expression>> = parts.map(|part| compile_part(part, declared, diagnostics)).collect();
        Some(ComputedKey {
            slot: *declared.fields.get(&entity.key.name)?,
            parts: parts.filter(|parts| !parts.is_empty())?,
        })
    };
    entities.iter().map(&mut computed).collect()
}

fn compile_part(
    part: &Spanned<ExpressionText>,
    declared: &Declared<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Expression> {
    let is_possible = |value_type: ValueType| matches!(value_type, ValueType::Text | ValueType::Int);
    let name = &part.value.0;
    let field = declared.names.get(name);
    if is_identifier(name) && !field.is_some_and(|field| is_possible(field.value_type)) {
        // The phase `entities` has reported it.
        return None;
    }
    let expression = declared.names.compile(part, diagnostics)?;
    let value_type = expression.value_type();
    let (message, help) = if !is_possible(value_type) {
        let message = format!(
            "the key of an entity must be text or int, this is {}",
            value_type.name()
        );
        (message, "convert it with `string(…)` or `int(…)`")
    } else if expression.slots().is_empty() {
        let message = "this part of a key reads no field: it is the same for all events";
        (message.to_owned(), "leave it out, or write the name of a field")
    } else if expression.slots().contains(&EVENT_TIME) {
        let message = "a key cannot depend on the event time: a label has another one than its transaction";
        (message.to_owned(), "use other fields; windows divide the time")
    } else {
        return Some(expression);
    };
    diagnostics.add(Diagnostic::new(message, part.span.clone()).help(help));
    None
}
