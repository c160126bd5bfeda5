//! Whether a model's card matches the model file and the section of the pipeline file.

use crate::cards::{Card, CardError};
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::syntax::ModelSection;
use crate::syntax::read::{List, Spanned};
use riskstream_models::Model;

/// Compares the card with the model file and the section. False if the section's inputs are not the card's.
pub fn check_card(card: &Card, model: &Model, section: &ModelSection, diagnostics: &mut Diagnostics) -> bool {
    let Some(file) = &section.file.0 else { return true };
    if let Err(error) = card.check(model) {
        let help = match &error {
            CardError::Hash { .. } => {
                "the model file or its card was changed: put the card of this model file beside it"
            }
            CardError::Background { .. } => {
                "give each background row a value for every column, numbers and texts as in `golden_rows`, null where it is missing"
            }
            CardError::Reason { .. } => "docs/models.md describes the form of reasons",
            _ => "list the model's inputs in the card, in the model's order",
        };
        diagnostics.add(Diagnostic::new(error.to_string(), file.span.clone()).help(help));
        return true;
    }
    if let Some(score) = &section.score {
        check_score(card, model, score, diagnostics);
    }
    match &section.inputs {
        Some(inputs) => check_inputs(card, inputs, diagnostics),
        None => true,
    }
}

fn check_score(card: &Card, model: &Model, score: &Spanned<String>, diagnostics: &mut Diagnostics) {
    // `y` and `y[0]` may be the same output, which the model's description tells.
    let described = model.description().score.as_deref();
    if score.value.trim() != card.score.output.trim() && described != Some(card.score.output.trim()) {
        diagnostics.add(
            Diagnostic::new(
                format!("the score is `{}` in the model's card", card.score.output),
                score.span.clone(),
            )
            .help("remove `score` to use the card's"),
        );
    }
}

fn check_inputs(card: &Card, inputs: &Spanned<List<String>>, diagnostics: &mut Diagnostics) -> bool {
    let listed: Vec<&str> = inputs.value.0.iter().map(|input| input.value.as_str()).collect();
    let position = (0..listed.len().max(card.inputs.len()))
        .find(|&position| listed.get(position).copied() != card.inputs.get(position).map(String::as_str));
    let Some(position) = position else { return true };
    let missing = card
        .inputs
        .iter()
        .map(String::as_str)
        .filter(|name| !listed.contains(name));
    let others = listed
        .iter()
        .copied()
        .filter(|name| !card.inputs.iter().any(|input| input == name));
    let (missing, others): (Vec<&str>, Vec<&str>) = (missing.collect(), others.collect());
    let help = match (missing.as_slice(), others.as_slice()) {
        ([], []) => "list them in the order of the card".to_owned(),
        (missing, []) => format!("the list lacks {}", enumerate(missing.iter().copied())),
        ([], others) => format!("the card does not have {}", enumerate(others.iter().copied())),
        (missing, others) => format!(
            "the list lacks {}; the card does not have {}",
            enumerate(missing.iter().copied()),
            enumerate(others.iter().copied())
        ),
    };
    let span = inputs
        .value
        .0
        .get(position)
        .map_or(inputs.span.clone(), |input| input.span.clone());
    let label = match card.inputs.get(position) {
        Some(name) => format!("the card has `{name}` here"),
        None => "the card has no further inputs".to_owned(),
    };
    diagnostics.add(
        Diagnostic::new("these are not the inputs in the model's card", span)
            .label(label)
            .help(help),
    );
    false
}
