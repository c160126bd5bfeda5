//! Compiles a feature that aggregates an entity's events.

use super::FeatureCompiler;
use crate::compile::names::Sequence;
use crate::compile::rows::columns;
use crate::diagnostics::{Diagnostic, enumerate};
use crate::duration;
use crate::syntax::read::Spanned;
use crate::syntax::{Aggregated, Feature};
use crate::text::Key;
use riskstream_engine::plan::{EVENT_TIME, InputKind};
use riskstream_events::{Slot, Value, ValueType};
use riskstream_features::{Aggregation, FeatureSpec};

impl<'a> FeatureCompiler<'a, '_, '_> {
    pub(super) fn aggregation(&mut self, name: &Key, feature: &Feature, aggregated: &Aggregated) -> Option<()> {
        let Aggregated { definition, source } = aggregated;
        let stage = self.entity_of(name, feature);
        let input = self.input_of(feature, aggregated);
        let aggregation = self.parameters(name, feature, definition);
        let delay = feature.delay.as_ref().map_or(0, |delay| delay.value.0);
        let window = self.window(name, feature, aggregation);
        self.names.suggest(self.fields_of_events(input));
        let value = match (definition.operand.is_events(), stage) {
            (true, _) => Some(None),
            (false, Some(stage)) => self.value(name, source, aggregation, stage, input).map(Some),
            (false, None) => None,
        };
        let condition = feature.when.as_ref().map(|when| self.condition(when, stage, input));
        self.names.suggest(Vec::new());
        let stage = stage?;
        let window = window?;
        self.check_retention(feature, stage, window, delay);
        let value = value?;
        let value_type = value.map(|value| self.names.slots()[value].value_type);
        let aggregation = aggregation?;
        let precision = self.precision(feature, aggregation, value, stage)?;
        self.warn_of_rounding(feature, source, aggregation, value, stage);
        let output_type = definition.output.value_type(value_type);
        let empty = match &feature.empty {
            Some(empty) => Some(self.empty(empty, output_type)?),
            None => None,
        };
        let condition = match condition {
            Some(condition) => Some(condition?),
            None => None,
        };
        let input_name = input?;
        let input = *self.input_index.get(input_name)?;
        let element = definition.output.element_type(value_type);
        let output = self.names.declare(&name.name, output_type, element, name.span.clone());
        self.provenances.aggregation(output, stage);
        if value.is_some_and(|value| self.names.is_pseudonym(value)) && element == ValueType::Text {
            self.names.mark_pseudonym(output);
        }
        if let (Aggregation::LastK(k), Some(value)) = (aggregation, value) {
            let sequence = Sequence {
                k,
                element,
                events: Self::events(feature, stage, input, window),
                has_gaps: !self.is_always_present(value, input_name),
            };
            self.names.declare_sequence(&name.name, sequence);
        }
        self.compiled.stages[stage].push(FeatureSpec {
            name: name.name.clone(),
            output,
            aggregation,
            input,
            value,
            condition,
            window,
            delay,
            include_current: feature.include_current.as_ref().is_none_or(|include| include.value),
            empty,
            precision,
        });
        Some(())
    }

    /// The names of the fields of an input, if it has other events: what is aggregated over them can use no others.
    fn fields_of_events(&self, input: Option<&str>) -> Vec<String> {
        let found = self
            .inputs
            .iter()
            .find(|candidate| Some(candidate.name.as_str()) == input);
        let events = found.filter(|found| found.kind == InputKind::Events);
        events.map_or_else(Vec::new, |found| found.fields.keys().cloned().collect())
    }

    /// Identifies the events that a feature aggregates: equal for two features over the same events.
    fn events(feature: &Feature, stage: usize, input: u8, window: Option<i64>) -> String {
        let when = feature.when.as_ref().map(|when| when.value.0.trim());
        let delay = feature.delay.as_ref().map_or(0, |delay| delay.value.0);
        let current = feature.include_current.as_ref().is_none_or(|include| include.value);
        format!("{stage} {input} {window:?} {delay} {current} {when:?}")
    }

    /// Whether every event of an input has a value in this slot.
    fn is_always_present(&self, slot: Slot, input: &str) -> bool {
        let name = self.names.slots()[slot].name.as_str();
        let input_of = self.inputs.iter().find(|candidate| candidate.name == input);
        let is_named = |named: &Option<String>| named.as_deref() == Some(name);
        let is_required = input_of.is_some_and(|input| {
            let field = input.fields.get(name);
            is_named(&input.id)
                || is_named(&input.event_time)
                || field.is_some_and(|field| field.required == Some(true))
        });
        let step = self.compiled.steps.iter().find(|step| step.slot == slot);
        let is_computed = step.is_some_and(|step| {
            let expression = &step.expression;
            expression.is_always_present(&|read| self.is_always_present(read, input))
        });
        slot == EVENT_TIME || is_required || is_computed
    }

    pub(super) fn entity_of(&mut self, name: &Key, feature: &Feature) -> Option<usize> {
        let Some(entity) = &feature.entity else {
            if feature.is_flawed {
                return None;
            }
            self.diagnostics.add(
                Diagnostic::new(
                    format!("`{}` does not say whose events it aggregates", name.name),
                    name.span.clone(),
                )
                .help(format!("add `entity:` with one of {}", self.known_entities())),
            );
            return None;
        };
        let stage = self.entities.iter().position(|stage| stage.name == entity.value);
        if stage.is_none() && !self.entity_names.contains(&entity.value) {
            self.diagnostics.add(
                Diagnostic::new(format!("unknown entity `{}`", entity.value), entity.span.clone())
                    .label("not declared under `entities:`")
                    .nearest(&entity.value, self.entity_names.iter().map(String::as_str))
                    .help(format!("the entities are {}", self.known_entities())),
            );
        }
        stage
    }

    pub(super) fn known_entities(&self) -> String {
        enumerate(self.entity_names.iter().map(String::as_str))
    }

    /// The input whose events are aggregated.
    pub(super) fn input_of(
        &mut self,
        feature: &Feature,
        Aggregated { definition, source }: &Aggregated,
    ) -> Option<&'a str> {
        let word = definition.name;
        let counted = definition.operand.is_events().then(|| Spanned {
            value: source.value.0.clone(),
            span: source.span.clone(),
        });
        if let (Some(counted), Some(of)) = (&counted, &feature.of)
            && counted.value != of.value
        {
            self.diagnostics.add(
                Diagnostic::new(
                    format!("`{word}: {}` contradicts `of: {}`", counted.value, of.value),
                    of.span.clone(),
                )
                .also(counted.span.clone(), "this names the input already")
                .help("remove `of:`"),
            );
            return None;
        }
        let Some(named) = counted.as_ref().or(feature.of.as_ref()) else {
            return Some("transactions");
        };
        let inputs = self.inputs;
        let found = inputs.iter().find(|input| input.name == named.value);
        // A missing `transactions` was reported before.
        if found.is_none() && named.value != "transactions" {
            let names = || self.inputs.iter().map(|input| input.name.as_str());
            let mut diagnostic = Diagnostic::new(format!("unknown input `{}`", named.value), named.span.clone())
                .label("not declared under `inputs:`")
                .nearest(&named.value, names())
                .help(format!("the inputs are {}", enumerate(names())));
            if counted.is_some() && self.names.get(&named.value).is_some() {
                diagnostic = Diagnostic::new(
                    format!("`{word}` counts events, `{}` is a value", named.value),
                    named.span.clone(),
                )
                .label("this should be an input")
                .help(format!(
                    "write `{word}: transactions`; for different values `distinct: {}`",
                    named.value
                ));
            }
            self.diagnostics.add(diagnostic);
        }
        if let Some(table) = found.filter(|input| input.kind == InputKind::Table) {
            let column = columns(table).next().map_or("COLUMN", String::as_str);
            self.diagnostics.add(
                Diagnostic::new(format!("`{}` is a table, whose rows are not aggregated", table.name), named.span.clone())
                    .help(format!(
                        "use what the newest row says in an expression: `{}.{column}`; declare an input of `kind: events` on the same topic to count changes",
                        table.name
                    )),
            );
            return None;
        }
        found.map(|input| input.name.as_str())
    }

    pub(super) fn check_retention(&mut self, feature: &Feature, stage: usize, window: Option<i64>, delay: i64) {
        let entity = &self.entities[stage];
        let (Some((retention, place)), Some(window), Some(given)) = (&entity.retention, window, &feature.window) else {
            return;
        };
        let reach = delay + window + entity.lateness;
        if reach > *retention {
            self.diagnostics.add(
                Diagnostic::new(
                    format!("the window reaches back beyond the retention of `{}`", entity.name),
                    given.span.clone(),
                )
                .label(format!("delay + window + lateness = {}", duration::text(reach)))
                .also(place.clone(), format!("only {} are kept", duration::text(*retention)))
                .help("make the window shorter, or the retention longer"),
            );
        }
    }

    pub(super) fn empty(&mut self, empty: &Spanned<f64>, output_type: ValueType) -> Option<Value> {
        match output_type {
            ValueType::Float => return Some(Value::Float(empty.value)),
            ValueType::Int if empty.value.fract() == 0.0 && empty.value.abs() < 1e15 => {
                return Some(Value::Int(empty.value as i64));
            }
            _ => {}
        }
        self.diagnostics.add(
            Diagnostic::new(
                format!("the feature is {}, `empty` is not", output_type.name()),
                empty.span.clone(),
            )
            .help("`empty` gives a number to features that are numbers: whole ones to counts"),
        );
        None
    }
}
