//! The reasons of a card: placeholders in their texts become slots.

use super::columns::ModelInputs;
use crate::cards::{Card, InputRow, InputValue, Part, ReasonSection};
use crate::compile::names::Names;
use crate::diagnostics::{Diagnostic, Diagnostics, Span, nearest};
use riskstream_events::{Slot, Value, ValueType, display};
use riskstream_scoring::{InputReason, TextPart};
use std::collections::BTreeSet;

/// The names that texts may use.
#[derive(Clone, Copy)]
pub struct TextNames<'a, 's> {
    /// Names and types of slots.
    pub names: &'a Names<'s>,
    /// The names that texts must not use.
    pub personal: &'a BTreeSet<String>,
}

/// Compiles the reasons of a card.
pub struct ReasonCompiler<'a, 's> {
    /// The card. It matches the model and the section's inputs.
    pub card: &'a Card,
    /// The model's inputs.
    pub inputs: &'a ModelInputs,
    /// The names that the texts may use.
    pub texts: TextNames<'a, 's>,
    /// The place of the model's file name in the pipeline file.
    pub span: &'a Span,
    /// Where diagnostics go.
    pub diagnostics: &'a mut Diagnostics,
}

impl ReasonCompiler<'_, '_> {
    /// The reason of each input, if the card has one.
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
                (value_type, Some(column)) if value_type != ValueType::List && !self.texts.personal.contains(input) => {
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
                "is personal data, which must not be in a text".to_owned(),
                "use another value, or a count",
            ),
            None if self.texts.names.is_broken(name) => return None,
            None => (
                match nearest(name, self.texts.names.all()) {
                    Some(meant) => format!("is not a feature or field; did you mean `{{{meant}}}`?"),
                    None => "is not a feature or field".to_owned(),
                },
                "placeholders are features and fields of the pipeline, `{value}` and `{usual}`",
            ),
            Some(symbol) if symbol.value_type == ValueType::List => {
                ("is a list".to_owned(), "use a feature that is one value")
            }
            Some(symbol) => return Some(TextPart::Value(symbol.slot)),
        };
        let message = format!(
            "line {} of the card, the reason of `{input}`: `{{{word}}}` {problem}",
            reason.text_line()
        );
        self.diagnostics.add(
            Diagnostic::new(message, self.span.clone())
                .label("the card of this model")
                .help(help),
        );
        None
    }
}

/// The usual one of an input's background values: the median of numbers, of two middle ones the lower, so that counts
/// stay whole; the most frequent of texts, of equally frequent ones the first.
fn usual(background: &[InputRow], column: usize, value_type: ValueType) -> String {
    let values = background.iter().filter_map(|row| row.get(column)?.as_ref());
    let number = |value: &InputValue| match value {
        InputValue::Number(number) => Some(*number).filter(|number| !number.is_nan()),
        InputValue::Truth(truth) => Some(f64::from(u8::from(*truth))),
        InputValue::Text(_) => None,
    };
    let mut numbers: Vec<f64> = values.clone().filter_map(number).collect();
    numbers.sort_by(f64::total_cmp);
    let texts = values.filter_map(|value| match value {
        InputValue::Text(text) => Some(text.as_str()),
        _ => None,
    });
    let middle = numbers.len().saturating_sub(1) / 2;
    display::value(&match (numbers.get(middle), value_type) {
        (_, ValueType::Text) => most_frequent(texts).map_or(Value::Null, |text| Value::Text(text.into())),
        (None, _) => Value::Null,
        (Some(number), ValueType::Bool) => Value::Bool(*number != 0.0),
        (Some(number), _) => Value::Float(*number),
    })
}

fn most_frequent<'t>(texts: impl Iterator<Item = &'t str>) -> Option<&'t str> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for text in texts {
        match counts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, count)) => *count += 1,
            None => counts.push((text, 1)),
        }
    }
    let largest = counts.iter().map(|(_, count)| *count).max()?;
    counts
        .into_iter()
        .find(|(_, count)| *count == largest)
        .map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_value_is_the_median() {
        let column = |values: &[Option<f64>]| -> Vec<InputRow> {
            values.iter().map(|value| vec![value.map(InputValue::Number)]).collect()
        };
        for (values, value_type, expected) in [
            (column(&[]), ValueType::Float, "missing"),
            (column(&[None, Some(f64::NAN)]), ValueType::Float, "missing"),
            (column(&[Some(0.3)]), ValueType::Float, "0.3"),
            (column(&[Some(4.0), None, Some(1.0)]), ValueType::Int, "1"),
            (column(&[Some(7.0), Some(1.0), Some(2.0)]), ValueType::Int, "2"),
            (column(&[Some(1.0), Some(0.0), Some(1.0)]), ValueType::Bool, "yes"),
        ] {
            assert_eq!(usual(&values, 0, value_type), expected, "{values:?}");
        }
    }

    #[test]
    fn the_usual_text_is_the_most_frequent() {
        let text = |text: &str| vec![Some(InputValue::Text(text.to_owned()))];
        let rows = [
            text("ATM"),
            text("POS"),
            vec![None],
            text("POS"),
            text("ATM"),
            vec![None],
            vec![None],
        ];
        assert_eq!(usual(&rows, 0, ValueType::Text), "ATM");
        assert_eq!(usual(&rows[1..], 0, ValueType::Text), "POS");
        assert_eq!(usual(&rows[2..3], 0, ValueType::Text), "missing");
    }
}
