//! Phase `outputs`: the conditions of further outputs and the headers of decisions, over what was decided.

use super::headers;
use super::names::{Names, is_identifier};
use super::symbols::Symbols;
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::syntax::read::{ExpressionText, Spanned};
use crate::syntax::{PipelineFile, RuleModeWord};
use crate::text::within;
use riskstream_engine::plan::{Fact, OutputPlan};
use riskstream_events::{Outcomes, Slot, Value, ValueType};
use riskstream_expressions::{Expression, Scope};
use riskstream_policy::RuleMode;
use std::collections::BTreeSet;

/// Compiles conditions and headers, in the order of the file. `None` if one is wrong or uses a broken name.
pub fn compile(
    file: &PipelineFile,
    symbols: &mut Symbols<'_>,
    outcomes: &Outcomes,
    diagnostics: &mut Diagnostics,
) -> Option<OutputPlan> {
    let outputs: Vec<_> = file
        .outputs
        .0
        .iter()
        .flat_map(|outputs| &outputs.value.further.0)
        .collect();
    if outputs.is_empty() && file.headers.is_none() {
        return Some(OutputPlan::default());
    }
    let facts = declare(file, &mut symbols.names);
    let copied = headers::copied(file, &mut symbols.names);
    let mut scope = symbols.names.scope_of_rules(symbols.decision);
    for (slot, name, fact) in &facts {
        match fact {
            Fact::Outcome | Fact::Attribute(_) => scope.add(name.as_str(), *slot, ValueType::Text),
            Fact::Rules | Fact::ShadowRules => scope.add_list(name.as_str(), *slot, ValueType::Text),
        }
    }
    let context = Conditions {
        names: &symbols.names,
        scope,
        outcome: facts
            .iter()
            .find(|(_, _, fact)| *fact == Fact::Outcome)
            .map(|(slot, ..)| *slot),
        outcomes,
    };
    let conditions = outputs.into_iter().map(|(_, output)| {
        let when = output.as_ref().and_then(|output| output.when.0.as_ref())?;
        context.compile(when, diagnostics)
    });
    let conditions: Vec<Option<Expression>> = conditions.collect();
    let computed = headers::computed(file, context.names, &context.scope, diagnostics);
    let mut plan = OutputPlan {
        facts: Vec::new(),
        conditions: conditions.into_iter().collect::<Option<_>>()?,
        copied,
        computed: computed?,
    };
    let read: BTreeSet<Slot> = plan.expressions().flat_map(Expression::slots).copied().collect();
    let facts = facts.into_iter().filter(|(slot, ..)| read.contains(slot));
    plan.facts = facts.map(|(slot, _, fact)| (slot, fact)).collect();
    Some(plan)
}

/// The slots and names of what is known once a decision is made.
fn declare(file: &PipelineFile, names: &mut Names<'_>) -> Vec<(Slot, String, Fact)> {
    let rules = file.rules.0.iter();
    let deciding = rules.filter(|rule| rule.value.mode != Some(RuleModeWord(RuleMode::Shadow)));
    let attributes: BTreeSet<&str> = deciding.flat_map(|rule| rule.value.set.names()).collect();
    let attributes = attributes.into_iter().filter(|name| is_identifier(name));
    let mut facts = vec![
        (
            names.slot("outcome", ValueType::Text),
            "outcome".to_owned(),
            Fact::Outcome,
        ),
        (
            names.slot_of_list("rules", ValueType::Text),
            "rules".to_owned(),
            Fact::Rules,
        ),
        (
            names.slot_of_list("shadow_rules", ValueType::Text),
            "shadow_rules".to_owned(),
            Fact::ShadowRules,
        ),
    ];
    facts.extend(attributes.map(|attribute| {
        let name = format!("attributes.{attribute}");
        let slot = names.slot(&name, ValueType::Text);
        (slot, name, Fact::Attribute(attribute.to_owned()))
    }));
    facts
}

struct Conditions<'a> {
    names: &'a Names<'a>,
    scope: Scope,
    /// The slot of the outcome's word.
    outcome: Option<Slot>,
    outcomes: &'a Outcomes,
}

impl Conditions<'_> {
    fn compile(&self, when: &Spanned<ExpressionText>, diagnostics: &mut Diagnostics) -> Option<Expression> {
        if self.names.uses_broken(&when.value.0) {
            return None;
        }
        match Expression::condition(&when.value.0, &self.scope) {
            Ok(condition) => {
                self.check_outcomes(&condition, when, diagnostics);
                Some(condition)
            }
            Err(errors) => {
                let found = errors.into_iter().map(|error| self.names.place(when, error));
                found.for_each(|diagnostic| diagnostics.add(diagnostic));
                None
            }
        }
    }

    /// An outcome is only compared with words that are outcomes.
    fn check_outcomes(&self, condition: &Expression, when: &Spanned<ExpressionText>, diagnostics: &mut Diagnostics) {
        for tested in condition.tested() {
            let Value::Text(word) = &tested.constant else { continue };
            if Some(tested.slot) != self.outcome || self.outcomes.find(word).is_some() {
                continue;
            }
            let at = when.value.0.find(word.as_str()).unwrap_or_default();
            let place = within(self.names.source(), &when.span, &when.value.0, &(at..at + word.len()));
            diagnostics.add(
                Diagnostic::new(format!("`{word}` is not an outcome"), place)
                    .nearest(word, self.outcomes.words())
                    .help(format!("the outcomes are {}", enumerate(self.outcomes.words()))),
            );
        }
    }
}
