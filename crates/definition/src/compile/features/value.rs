//! Compiles the aggregated value and the condition of a feature.

use super::{FeatureCompiler, PlannedExpression};
use crate::diagnostics::{Diagnostic, Span};
use crate::syntax::enumerate_where;
use crate::syntax::read::{ExpressionText, Spanned};
use crate::text::Key;
use riskstream_events::{Slot, ValueType};
use riskstream_expressions::Expression;
use riskstream_features::{Aggregation, Operand};

impl FeatureCompiler<'_, '_, '_> {
    pub(super) fn value(
        &mut self,
        name: &Key,
        source: &Spanned<ExpressionText>,
        aggregation: Option<Aggregation>,
        stage: usize,
        input: Option<&str>,
    ) -> Option<Slot> {
        let text = source.value.0.as_str();
        let slot = match (self.names.get(text), self.values.get(text)) {
            (Some(symbol), _) => symbol.slot,
            (None, Some(slot)) => *slot,
            (None, None) => {
                let expression = self.names.compile(source, self.diagnostics)?;
                let slot = self
                    .names
                    .slot(&format!("{}: {text}", name.name), expression.value_type());
                if expression.holds_pseudonyms() {
                    self.names.mark_pseudonym(slot);
                }
                self.provenances.expression(slot, expression.slots());
                self.compiled.steps.push(PlannedExpression { slot, expression });
                self.values.insert(text.to_owned(), slot);
                slot
            }
        };
        let available = self.check_available(slot, &source.span, stage, input);
        let value_type = self.names.slots()[slot].value_type;
        let aggregation = aggregation?;
        if !aggregation.accepts(value_type) {
            let help = match aggregation.definition().operand {
                Operand::NumbersAndTimes => "it takes numbers and timestamps".to_owned(),
                _ if value_type == ValueType::List => "take one of the list's elements: `x[0]`".to_owned(),
                _ => format!(
                    "it takes numbers; for texts there are {}",
                    enumerate_where(|other| other.operand == Operand::Values)
                ),
            };
            self.diagnostics.add(
                Diagnostic::new(
                    format!("`{}` does not take {}", aggregation.name(), value_type.name()),
                    source.span.clone(),
                )
                .label(format!("this is {}", value_type.name()))
                .help(help),
            );
            return None;
        }
        available.then_some(slot)
    }

    pub(super) fn condition(
        &mut self,
        when: &Spanned<ExpressionText>,
        stage: Option<usize>,
        input: Option<&str>,
    ) -> Option<Expression> {
        let expression = self.names.condition(when, self.diagnostics)?;
        let mut available = true;
        for slot in expression.slots() {
            available &= self.check_available(*slot, &when.span, stage?, input);
        }
        available.then_some(expression)
    }

    /// Whether a value is known when the feature's stage reads an event of the input. Reports it if not.
    pub(super) fn check_available(&mut self, slot: Slot, span: &Span, stage: usize, input: Option<&str>) -> bool {
        let Some(input) = self
            .inputs
            .iter()
            .find(|candidate| Some(candidate.name.as_str()) == input)
        else {
            return false;
        };
        let provenance = self.provenances.of(slot);
        let slots = self.names.slots();
        let foreign = provenance
            .fields
            .iter()
            .map(|field| slots[*field].name.as_str())
            .find(|field| !input.fields.contains_key(*field));
        let diagnostic = if let Some(looked_up) = provenance.looked_up {
            let what = &slots[looked_up].name;
            Diagnostic::new(
                format!("`{what}` is not yet known when this is aggregated"),
                span.clone(),
            )
            .help(
                "tables are asked when a transaction is decided, and state does not depend on them: aggregate a field, and use the \
                 table in a rule or an `expression`",
            )
        } else if let Some(field) = foreign {
            let owner = self.inputs.iter().find(|other| other.fields.contains_key(field));
            let owner = owner.map_or("another input", |owner| owner.name.as_str());
            Diagnostic::new(
                format!("`{field}` is a field of `{owner}`, not of `{}`", input.name),
                span.clone(),
            )
            .help(format!(
                "say whose events are aggregated with `of: {owner}`, or use a field of `{}`",
                input.name
            ))
        } else if let Some(other) = provenance
            .stage
            .filter(|other| input.name != "transactions" || *other >= stage)
        {
            let feature = provenance
                .feature
                .map_or("a feature", |feature| slots[feature].name.as_str());
            let help = if input.name != "transactions" {
                format!("what is aggregated over `{}` can use its own fields only", input.name)
            } else if other == stage {
                format!(
                    "all features of `{0}` are computed together: use a feature of an entity declared before `{0}`, or compare in an `expression`",
                    self.entities[stage].name
                )
            } else {
                format!(
                    "declare the entity `{}` before `{}`",
                    self.entities[other].name, self.entities[stage].name
                )
            };
            Diagnostic::new(
                format!("`{feature}` is not yet known when this is aggregated"),
                span.clone(),
            )
            .help(help)
        } else {
            return true;
        };
        self.diagnostics.add(diagnostic);
        false
    }
}
