//! Compiles models: loads them, compares them with their cards, and assigns their inputs.

use super::against_card::check_card;
use super::columns::{ModelInputs, lay_out};
use super::explanation::Explainer;
use super::load::load;
use super::reasons::TextNames;
use crate::cards::{Card, CardResult, Cards};
use crate::compile::names::Names;
use crate::diagnostics::{Diagnostic, Diagnostics, Span};
use crate::syntax::ModelSection;
use crate::syntax::read::{List, Spanned};
use riskstream_models::Model;
use riskstream_scoring::{Explanation, ModelPlan};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a decision waits for a shadow unless the shadow's section says otherwise.
const SHADOW_WITHIN: Duration = Duration::from_millis(2);

/// Compiles the models of a line-up.
pub struct ModelCompiler<'a, 's> {
    /// Their cards, and the directory of their files.
    pub cards: &'a Cards<'a>,
    /// The names that their inputs may have.
    pub names: &'a Names<'s>,
    /// The names that reasons may use, if scores are explained.
    pub texts: Option<TextNames<'a, 's>>,
    /// The models of the line-up so far.
    pub models: Vec<Arc<ModelPlan>>,
    /// Where diagnostics go.
    pub diagnostics: &'a mut Diagnostics,
}

/// The role of a model in the line-up.
struct Role<'a, 's> {
    /// Its time budget.
    within: Option<Duration>,
    /// The index of its fallback.
    fallback: Option<usize>,
    /// The names that its reasons may use, if its scores are explained.
    texts: Option<TextNames<'a, 's>>,
}

impl<'a, 's> ModelCompiler<'a, 's> {
    /// Compiles a model that decides, and its fallback. Returns its index in `models`.
    pub fn decider(&mut self, section: &ModelSection) -> Option<usize> {
        let fallback = section.fallback.as_ref().map(|fallback| self.fallback(&fallback.value));
        let role = Role {
            within: self.budget(section),
            fallback: fallback.flatten(),
            texts: self.texts,
        };
        self.model(section, &role)
    }

    /// Compiles a model that scores and does not decide. Returns its index in `models`.
    pub fn shadow(&mut self, section: &ModelSection) -> Option<usize> {
        if let Some(fallback) = &section.fallback {
            self.diagnostics.add(
                Diagnostic::new(
                    "a shadow has no fallback, since it does not decide",
                    fallback.span.clone(),
                )
                .help("remove `fallback`"),
            );
        }
        let within = section.within.as_ref().map(|within| micros(within.value.0));
        let role = Role {
            within: Some(within.unwrap_or(SHADOW_WITHIN)),
            fallback: None,
            texts: None,
        };
        self.model(section, &role)
    }

    fn fallback(&mut self, section: &ModelSection) -> Option<usize> {
        if let Some(fallback) = &section.fallback {
            self.diagnostics.add(
                Diagnostic::new("a fallback has no fallback of its own", fallback.span.clone())
                    .help("`decision.without_score` is the outcome if the fallback gives no score either"),
            );
        }
        let role = Role {
            within: self.budget(section),
            fallback: None,
            texts: self.texts,
        };
        self.model(section, &role)
    }

    fn budget(&mut self, section: &ModelSection) -> Option<Duration> {
        let within = section.within.as_ref()?;
        if within.value.0 == 0 {
            self.diagnostics.add(
                Diagnostic::new("the time budget of a model must be longer than 0", within.span.clone())
                    .help("write `within: 5ms`, or remove it for no limit"),
            );
        }
        Some(micros(within.value.0))
    }

    /// Compiles a model and adds it to the line-up.
    fn model(&mut self, section: &ModelSection, role: &Role<'a, 's>) -> Option<usize> {
        let file = section.file.0.as_ref()?;
        let read = self.cards.of(&file.value);
        let card = self.card(&read, &file.span);
        let model = load(section, card, self.cards.directory(), self.diagnostics);
        let fits_card = match (card, &model) {
            (Some(card), Some(model)) => check_card(card, model, section, self.diagnostics),
            _ => true,
        };
        let inputs = self.inputs(section, card).and_then(|inputs| {
            // If the list is not the card's, the number and types of its inputs are not reported as well.
            let model = model.as_ref().filter(|_| fits_card);
            lay_out(&inputs, model, self.names, self.diagnostics)
        });
        let (model, inputs) = (model?, inputs?);
        let explanation = match role.texts {
            None => None,
            // A broken card was reported.
            Some(_) if read.is_err() || !fits_card => return None,
            Some(texts) => Some(self.explanation(texts, &model, &inputs, card, file)?),
        };
        let (name, version) = name_and_version(section, card, &file.value, model.sha256());
        self.models.push(Arc::new(ModelPlan {
            label: format!("{name}@{version}").into(),
            name,
            version,
            model: Arc::new(model),
            card: card.map(|card| card.digest.clone()),
            inputs: inputs.slots,
            columns: inputs.columns,
            pad: section.pad.as_ref().map_or(f64::NAN, |pad| pad.value),
            explanation,
            within: role.within,
            fallback: role.fallback,
        }));
        Some(self.models.len() - 1)
    }

    fn card<'c>(&mut self, read: &'c CardResult, span: &Span) -> Option<&'c Card> {
        match read {
            Ok(card) => card.as_ref(),
            Err(error) => {
                self.diagnostics.add(
                    Diagnostic::new(error.to_string(), span.clone())
                        .help("correct or remove the card; docs/models.md lists its keys"),
                );
                None
            }
        }
    }

    fn explanation(
        &mut self,
        texts: TextNames<'_, '_>,
        model: &Model,
        inputs: &ModelInputs,
        card: Option<&Card>,
        file: &Spanned<String>,
    ) -> Option<Explanation> {
        let explainer = Explainer {
            texts,
            model,
            inputs,
            card,
            file,
            directory: self.cards.directory(),
        };
        explainer.compile(self.diagnostics)
    }

    /// The inputs of the section, or else of the card.
    fn inputs(&mut self, section: &ModelSection, card: Option<&Card>) -> Option<Spanned<List<String>>> {
        if let Some(inputs) = &section.inputs {
            return Some(inputs.clone());
        }
        let span = section.file.0.as_ref()?.span.clone();
        let Some(card) = card else {
            if !section.is_flawed {
                self.diagnostics.add(
                    Diagnostic::new("the inputs of the model are missing", span)
                        .label("the model has no card that lists them")
                        .help("list them in the model's order: `inputs: [amount, night, …]`"),
                );
            }
            return None;
        };
        let listed = |name: &String| Spanned {
            value: name.clone(),
            span: span.clone(),
        };
        let inputs = List(card.inputs.iter().map(listed).collect());
        Some(Spanned { value: inputs, span })
    }
}

/// The section's, or else the card's, or else those of the file.
fn name_and_version(section: &ModelSection, card: Option<&Card>, file: &str, sha256: &str) -> (String, String) {
    let given = |given: &Option<Spanned<String>>| given.as_ref().map(|given| given.value.clone());
    let name = given(&section.name).or_else(|| card.map(|card| card.name.clone()));
    let version = given(&section.version).or_else(|| card.map(|card| card.version.clone()));
    let stem = || {
        let stem = Path::new(file).file_stem();
        stem.map_or_else(|| "model".to_owned(), |stem| stem.to_string_lossy().into_owned())
    };
    (
        name.unwrap_or_else(stem),
        version.unwrap_or_else(|| sha256[..12].to_owned()),
    )
}

fn micros(micros: i64) -> Duration {
    Duration::from_micros(micros.unsigned_abs())
}
