//! What explains a model's scores: attribution with the card's background rows, and the card's reasons.

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
        let rows = self.card.map_or(&[][..], |card| &card.background);
        if rows.iter().any(|row| row.len() != self.model.input_width()) {
            return None;
        }
        let found = if rows.is_empty() {
            let path = Card::path(&self.directory.join(&self.file.value));
            Err(format!("{} has no `background`", path.display()))
        } else {
            let values = rows.iter().flatten().map(|value| value.unwrap_or(f32::NAN));
            let background: Vec<f32> = values.collect();
            self.model.attribution(&background).map_err(|error| error.to_string())
        };
        found
            .map_err(|why| {
                diagnostics.add(
                    Diagnostic::new(format!("scores cannot be explained: {why}"), self.file.span.clone())
                        .label("the card of this model needs background rows")
                        .help(
                            "add `background:` to the card: about 16 typical rows, each a list of the inputs in order",
                        ),
                );
            })
            .ok()
    }
}
