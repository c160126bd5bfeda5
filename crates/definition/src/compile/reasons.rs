//! The card's words for inputs that raised a score, resolved to slots.

use super::columns::ModelInputs;
use super::features::value_source;
use super::identifiers::identifiers;
use super::inputs::ResolvedInput;
use super::names::Names;
use crate::card::{Card, Part, ReasonSection};
use crate::diagnostics::{Diagnostic, Diagnostics, nearest};
use crate::node::Span;
use crate::syntax::PipelineFile;
use riskstream_events::{Slot, Value, ValueType, display};
use riskstream_scoring::{InputReason, TextPart};
use std::collections::BTreeSet;

/// Every name in the texts of a card: such fields have to be decoded.
pub fn mentioned_in_texts(card: &Card) -> impl Iterator<Item = String> {
    let parts = card.reasons.values().filter_map(|reason| reason.parts().ok()).flatten();
    parts.filter_map(|part| match part {
        Part::Name(name) => Some(name.to_owned()),
        _ => None,
    })
}

/// The names whose values are pseudonyms of persons, or texts and lists computed from such.
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
    // Features may be listed in any order: until nothing is added.
    loop {
        let derived = file.features.iter().filter(|(key, feature)| {
            let source = value_source(feature);
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

/// What texts may name.
#[derive(Clone, Copy)]
pub struct Texts<'a, 's> {
    /// Names and types of slots.
    pub names: &'a Names<'s>,
    /// What no text may tell.
    pub personal: &'a BTreeSet<String>,
}

/// Resolves the texts of a card.
pub struct ReasonCompiler<'a, 's> {
    /// The card; it fits the model and the pipeline's inputs.
    pub card: &'a Card,
    /// The model's inputs.
    pub inputs: &'a ModelInputs,
    /// What they may name.
    pub texts: Texts<'a, 's>,
    /// Where the pipeline file names the model.
    pub span: &'a Span,
    /// Where diagnostics go.
    pub diagnostics: &'a mut Diagnostics,
}

impl ReasonCompiler<'_, '_> {
    /// For each input what the card says of it.
    pub fn compile(mut self) -> Vec<Option<InputReason>> {
        let card = self.card;
        let inputs = card.inputs.iter().zip(&self.inputs.slots).enumerate();
        inputs
            .map(|(place, (input, slot))| {
                let column = self.inputs.columns.iter().position(|column| column.input == place);
                let reason = card.reasons.get(input)?;
                let parts = reason.parts().ok()?;
                let text = parts
                    .into_iter()
                    .filter_map(|part| self.part(part, (column, input, *slot), reason));
                Some(InputReason {
                    code: reason.code.value.clone(),
                    text: text.collect(),
                })
            })
            .collect()
    }

    fn part(
        &mut self,
        part: Part<'_>,
        (column, input, slot): (Option<usize>, &str, Slot),
        reason: &ReasonSection,
    ) -> Option<TextPart> {
        let (word, name) = match part {
            Part::Words(words) => return Some(TextPart::Words(words.to_owned())),
            Part::Usual => match (self.texts.names.slots()[slot].value_type, column) {
                (value_type, Some(column)) if value_type != ValueType::List => {
                    return Some(TextPart::Words(usual(&self.card.background, column, value_type)));
                }
                _ => ("usual", input),
            },
            Part::Value => ("value", input),
            Part::Name(name) => (name, name),
        };
        if self.texts.names.refuse_absent(name, self.span, self.diagnostics) {
            return None;
        }
        let (problem, help) = match self.texts.names.get(name) {
            _ if self.texts.personal.contains(name) => (
                "is personal data, which no text may tell".to_owned(),
                "take another value, or a count of such values",
            ),
            None if self.texts.names.is_broken(name) => return None,
            None => (
                match nearest(name, self.texts.names.all()) {
                    Some(meant) => format!("is neither a feature nor a field; did you mean `{{{meant}}}`?"),
                    None => "is neither a feature nor a field".to_owned(),
                },
                "texts may name features and fields of the pipeline, `{value}` and `{usual}`",
            ),
            Some(symbol) if symbol.value_type == ValueType::List => {
                ("is a list".to_owned(), "take a feature that is one value")
            }
            Some(symbol) => return Some(TextPart::Value(symbol.slot)),
        };
        let message = format!(
            "line {} of the card, the reason of `{input}`: `{{{word}}}` {problem}",
            reason.text_line()
        );
        self.diagnostics.add(
            Diagnostic::new(message, self.span.clone())
                .label("this model's card")
                .help(help),
        );
        None
    }
}

/// The middle one of the background's values of an input; of two the lower, so that a count stays a count.
fn usual(background: &[Vec<Option<f32>>], column: usize, value_type: ValueType) -> String {
    let values = background.iter().filter_map(|row| row.get(column).copied().flatten());
    let mut values: Vec<f32> = values.filter(|value| !value.is_nan()).collect();
    values.sort_by(f32::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    // The shortest decimal of the float32 that the card gives, not the double nearest to it.
    let number = values
        .get(middle)
        .and_then(|value| value.to_string().parse::<f64>().ok());
    display::value(&match (number, value_type) {
        (None, _) => Value::Null,
        (Some(number), ValueType::Bool) => Value::Bool(number != 0.0),
        (Some(number), _) => Value::Float(number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_value_is_the_middle_one() {
        let column = |values: &[Option<f32>]| values.iter().map(|value| vec![*value]).collect::<Vec<_>>();
        for (values, value_type, expected) in [
            (column(&[]), ValueType::Float, "missing"),
            (column(&[None, Some(f32::NAN)]), ValueType::Float, "missing"),
            (column(&[Some(0.3)]), ValueType::Float, "0.3"),
            (column(&[Some(4.0), None, Some(1.0)]), ValueType::Int, "1"),
            (column(&[Some(7.0), Some(1.0), Some(2.0)]), ValueType::Int, "2"),
            (column(&[Some(1.0), Some(0.0), Some(1.0)]), ValueType::Bool, "yes"),
        ] {
            assert_eq!(usual(&values, 0, value_type), expected, "{values:?}");
        }
    }
}
