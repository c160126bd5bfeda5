//! The explanation of a model's scores: attribution with the card's background rows, and the card's reasons.

use super::columns::ModelInputs;
use super::reasons::{ReasonCompiler, TextNames};
use crate::cards::Card;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::read::Spanned;
use riskstream_models::{Attribution, Model};
use riskstream_scoring::Explanation;
use std::path::Path;

/// Compiles the explanation of a model.
pub struct Explainer<'a, 's> {
    /// The names that reasons may use.
    pub texts: TextNames<'a, 's>,
    /// The model.
    pub model: &'a Model,
    /// Its inputs.
    pub inputs: &'a ModelInputs,
    /// Its card.
    pub card: Option<&'a Card>,
    /// Its file, as the section names it.
    pub file: &'a Spanned<String>,
    /// The directory that the file is relative to.
    pub directory: &'a Path,
}

impl Explainer<'_, '_> {
    /// The explanation; `None` if the card lacks what it needs, which is reported here or was when it was checked.
    pub fn compile(&self, diagnostics: &mut Diagnostics) -> Option<Explanation> {
        let reasons = self.card.map_or(Vec::new(), |card| {
            let compiler = ReasonCompiler {
                card,
                inputs: self.inputs,
                texts: self.texts,
                span: &self.file.span,
                diagnostics,
            };
            compiler.compile()
        });
        let attribution = self.attribution(diagnostics)?;
        Some(Explanation { attribution, reasons })
    }

    fn attribution(&self, diagnostics: &mut Diagnostics) -> Option<Attribution> {
        let Some(card) = self.card.filter(|card| !card.background.is_empty()) else {
            let path = Card::path(&self.directory.join(&self.file.value));
            let message = format!("scores cannot be explained: {} has no `background`", path.display());
            diagnostics.add(
                Diagnostic::new(message, self.file.span.clone())
                    .label("the card of this model needs background rows")
                    .help(NO_BACKGROUND),
            );
            return None;
        };
        // Rows that do not fit the model were reported when the card was checked.
        let background = card.background_rows(self.model).ok()?;
        let attribution = self.model.attribution(&background).map_err(|error| {
            let message = format!("scores cannot be explained: {error}");
            diagnostics.add(
                Diagnostic::new(message, self.file.span.clone())
                    .label("the background rows in the card of this model do not suffice")
                    .help("replace these rows of `background:` by rows that the model gives a score for"),
            );
        });
        attribution.ok()
    }
}

const NO_BACKGROUND: &str = "add `background:` to the card: about 16 typical rows, each a list of the inputs in order; \
                             `riskstream models card MODEL --data FILE` writes a card with rows of a file";
