//! Loading of a model file.

use crate::cards::Card;
use crate::diagnostics::{Diagnostic, Diagnostics, Span};
use crate::syntax::ModelSection;
use riskstream_models::{LoadOptions, Model, ModelError, ScoreOutput};
use std::path::Path;

/// Loads the model of a section. Its score output is the section's, else the card's, else the model's default.
pub fn load(
    section: &ModelSection,
    card: Option<&Card>,
    directory: &Path,
    diagnostics: &mut Diagnostics,
) -> Option<Model> {
    let file = section.file.0.as_ref()?;
    let score = match (&section.score, card) {
        (Some(score), _) => parse_score(&score.value, &score.span, diagnostics)?.into(),
        (None, Some(card)) => parse_score(&card.score.output, &file.span, diagnostics)?.into(),
        (None, None) => None,
    };
    let options = LoadOptions {
        score,
        ..LoadOptions::default()
    };
    match Model::load(&directory.join(&file.value), &options) {
        Ok(model) => Some(model),
        Err(error) => {
            diagnostics.add(load_error(&error, section, &file.span, card.is_some()));
            None
        }
    }
}

/// The diagnostic of a model that cannot be loaded. It is at the key that is wrong.
fn load_error(error: &ModelError, section: &ModelSection, file: &Span, has_card: bool) -> Diagnostic {
    let (span, help) = match (error, &section.score) {
        (ModelError::Read { .. }, _) => (file, "the path is relative to the pipeline file"),
        (ModelError::Score(_), Some(score)) => (&score.span, NAME_SCORE),
        (ModelError::Score(_), None) if has_card => (file, "correct `score.output` in the model's card"),
        (ModelError::Score(_), None) => (file, NAME_SCORE),
        _ => (
            file,
            "`riskstream models inspect FILE` shows the model's contents; docs/models.md lists what is supported",
        ),
    };
    Diagnostic::new(error.to_string(), span.clone()).help(help)
}

const NAME_SCORE: &str = "name the output that is the score: `score: probabilities[1]`";

fn parse_score(text: &str, span: &Span, diagnostics: &mut Diagnostics) -> Option<ScoreOutput> {
    match text.parse() {
        Ok(output) => Some(output),
        Err(error) => {
            diagnostics.add(
                Diagnostic::new(error.to_string(), span.clone())
                    .help("write the output's name and the column, counted from 0: `probabilities[1]`"),
            );
            None
        }
    }
}
