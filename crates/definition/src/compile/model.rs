//! Models: their files, their cards, their inputs.

use super::cards::{CardResult, Cards};
use super::columns::{ModelInputs, lay_out};
use super::names::Names;
use super::reasons::{ReasonCompiler, Texts};
use crate::card::{Card, CardError};
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::node::Span;
use crate::read::{Duration, List, Spanned};
use crate::syntax::ModelSection;
use riskstream_models::{Attribution, LoadOptions, Model, ModelError, ScoreOutput};
use riskstream_scoring::{Explanation, ModelPlan};
use std::path::Path;
use std::sync::Arc;

/// Loads models, compares them with their cards, and resolves their inputs.
pub struct ModelCompiler<'a, 's> {
    /// Their cards, and where the files are.
    pub cards: &'a Cards<'a>,
    /// What their inputs may be.
    pub names: &'a Names<'s>,
    /// What explanations may tell, if scores are to be explained.
    pub texts: Option<Texts<'a, 's>>,
    /// Where diagnostics go.
    pub diagnostics: &'a mut Diagnostics,
    /// What was compiled.
    pub models: Vec<Arc<ModelPlan>>,
}

impl ModelCompiler<'_, '_> {
    /// Compiles a model that may decide, and the one that steps in for it. Its place in `models`.
    pub fn decider(&mut self, section: &ModelSection) -> Option<usize> {
        let fallback = section.fallback.as_ref().map(|fallback| self.fallback(&fallback.value));
        let within = section.within.as_ref().and_then(|within| self.budget(within));
        let model = ModelPlan {
            within,
            fallback: fallback.flatten(),
            ..self.model(section, self.texts)?
        };
        Some(self.push(model))
    }

    /// Compiles a model that only watches. Its place in `models`.
    pub fn shadow(&mut self, section: &ModelSection) -> Option<usize> {
        if let Some(fallback) = &section.fallback {
            self.diagnostics.add(
                Diagnostic::new(
                    "a shadow decides nothing, so nothing steps in for it",
                    fallback.span.clone(),
                )
                .help("leave `fallback` out"),
            );
        }
        let within = section.within.as_ref().map(|within| micros(within.value.0));
        let model = ModelPlan {
            within: Some(within.unwrap_or(SHADOW_WITHIN)),
            ..self.model(section, None)?
        };
        Some(self.push(model))
    }

    fn fallback(&mut self, section: &ModelSection) -> Option<usize> {
        if let Some(fallback) = &section.fallback {
            self.diagnostics.add(
                Diagnostic::new("a fallback has no fallback of its own", fallback.span.clone())
                    .help("where it gives no score either, `decision.without_score` says what happens"),
            );
        }
        let within = section.within.as_ref().and_then(|within| self.budget(within));
        let model = ModelPlan {
            within,
            ..self.model(section, self.texts)?
        };
        Some(self.push(model))
    }

    fn budget(&mut self, within: &Spanned<Duration>) -> Option<std::time::Duration> {
        if within.value.0 == 0 {
            self.diagnostics.add(
                Diagnostic::new("no model answers in no time", within.span.clone())
                    .help("write `within: 5ms`, or leave it out to wait as long as it takes"),
            );
        }
        Some(micros(within.value.0))
    }

    fn push(&mut self, model: ModelPlan) -> usize {
        self.models.push(Arc::new(model));
        self.models.len() - 1
    }

    /// `texts` is given if its scores are to be explained.
    fn model(&mut self, section: &ModelSection, texts: Option<Texts<'_, '_>>) -> Option<ModelPlan> {
        let file = section.file.0.as_ref()?;
        let read = self.cards.of(&file.value);
        let card = self.card(&read, &file.span);
        let model = load(section, card, self.cards.directory(), self.diagnostics);
        let fits_card = match (card, &model) {
            (Some(card), Some(model)) => check_card(card, model, section, self.diagnostics),
            _ => true,
        };
        let inputs = self.inputs(section, card).and_then(|inputs| {
            // Of inputs that are not the card's, kinds and number are no news.
            let model = model.as_ref().filter(|_| fits_card);
            lay_out(&inputs, model, self.names, self.diagnostics)
        });
        let (model, inputs) = (model?, inputs?);
        let explanation = match texts {
            None => None,
            // What is wrong with a card as a whole was told.
            Some(_) if read.is_err() || !fits_card => return None,
            Some(texts) => Some(self.explanation(texts, (&model, &inputs), card, file)?),
        };
        let stem = Path::new(&file.value)
            .file_stem()
            .map_or_else(|| "model".into(), |stem| stem.to_string_lossy());
        let given = |given: &Option<Spanned<String>>| given.as_ref().map(|given| given.value.clone());
        let (card_name, card_version) = card.map(|card| (card.name.clone(), card.version.clone())).unzip();
        let name = given(&section.name).or(card_name).unwrap_or_else(|| stem.into_owned());
        let version = given(&section.version)
            .or(card_version)
            .unwrap_or_else(|| model.sha256()[..12].to_owned());
        Some(ModelPlan {
            label: format!("{name}@{version}").into(),
            name,
            version,
            model: Arc::new(model),
            card: card.map(|card| card.digest.clone()),
            inputs: inputs.slots,
            columns: inputs.columns,
            pad: section.pad.as_ref().map_or(f32::NAN, |pad| pad.value as f32),
            explanation,
            within: None,
            fallback: None,
        })
    }

    fn card<'c>(&mut self, read: &'c CardResult, span: &Span) -> Option<&'c Card> {
        match read {
            Ok(card) => card.as_ref(),
            Err(error) => {
                self.diagnostics.add(
                    Diagnostic::new(error.to_string(), span.clone())
                        .help("correct the card, or move it away; docs/models.md tells what it may say"),
                );
                None
            }
        }
    }

    /// What explains the model's scores, with the words of its card.
    fn explanation(
        &mut self,
        texts: Texts<'_, '_>,
        (model, inputs): (&Model, &ModelInputs),
        card: Option<&Card>,
        file: &Spanned<String>,
    ) -> Option<Explanation> {
        let reasons = card.map_or(Vec::new(), |card| {
            let compiler = ReasonCompiler {
                card,
                inputs,
                texts,
                span: &file.span,
                diagnostics: self.diagnostics,
            };
            compiler.compile()
        });
        let attribution = self.attribution(model, card, file)?;
        Some(Explanation { attribution, reasons })
    }

    /// What attributes the model's scores, with the background rows of its card.
    fn attribution(&mut self, model: &Model, card: Option<&Card>, file: &Spanned<String>) -> Option<Attribution> {
        let rows = card.map_or(&[][..], |card| &card.background);
        let found = if rows.is_empty() {
            let path = Card::path(&self.cards.directory().join(&file.value));
            Err(format!("{} has no `background`", path.display()))
        } else if rows.iter().any(|row| row.len() != model.input_width()) {
            // This was told when the card was checked.
            return None;
        } else {
            let values = rows.iter().flatten().map(|value| value.unwrap_or(f32::NAN));
            let background: Vec<f32> = values.collect();
            model.attribution(&background).map_err(|error| error.to_string())
        };
        match found {
            Ok(attribution) => Some(attribution),
            Err(why) => {
                self.diagnostics.add(
                    Diagnostic::new(format!("scores cannot be explained: {why}"), file.span.clone())
                        .label("this model's card needs background rows")
                        .help(
                            "add `background:` to the card: about 16 ordinary rows, each a list of the inputs in order",
                        ),
                );
                None
            }
        }
    }

    /// The inputs as they are listed, or else as the card has them.
    fn inputs(&mut self, section: &ModelSection, card: Option<&Card>) -> Option<Spanned<List<String>>> {
        if let Some(inputs) = &section.inputs {
            return Some(inputs.clone());
        }
        let span = section.file.0.as_ref()?.span.clone();
        let Some(card) = card else {
            if !section.is_flawed {
                self.diagnostics.add(
                    Diagnostic::new("which features does the model take?", span)
                        .label("it has no card that says it")
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

/// How long a decision waits for a shadow unless the shadow's section says otherwise.
const SHADOW_WITHIN: std::time::Duration = std::time::Duration::from_millis(2);

fn micros(micros: i64) -> std::time::Duration {
    std::time::Duration::from_micros(micros.unsigned_abs())
}

fn load(section: &ModelSection, card: Option<&Card>, directory: &Path, diagnostics: &mut Diagnostics) -> Option<Model> {
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
            let (span, help) = match &error {
                ModelError::Read { .. } => (file.span.clone(), "the path is relative to the pipeline file"),
                ModelError::Score(_) if section.score.is_none() && card.is_some() => {
                    (file.span.clone(), "correct `score.output` in the model's card")
                }
                ModelError::Score(_) => (
                    section
                        .score
                        .as_ref()
                        .map_or(file.span.clone(), |score| score.span.clone()),
                    "say which output is the score: `score: probabilities[1]`",
                ),
                _ => (
                    file.span.clone(),
                    "`riskstream models inspect FILE` shows what is in it; docs/models.md tells what is supported",
                ),
            };
            diagnostics.add(Diagnostic::new(error.to_string(), span).help(help));
            None
        }
    }
}

fn parse_score(text: &str, span: &Span, diagnostics: &mut Diagnostics) -> Option<ScoreOutput> {
    match text.parse() {
        Ok(output) => Some(output),
        Err(error) => {
            diagnostics.add(
                Diagnostic::new(format!("{error}"), span.clone())
                    .help("write `probabilities[1]`: the output's name and the column, from 0"),
            );
            None
        }
    }
}

/// Reports where the card contradicts the model file or the pipeline; false if the inputs do not fit the card.
fn check_card(card: &Card, model: &Model, section: &ModelSection, diagnostics: &mut Diagnostics) -> bool {
    let Some(file) = &section.file.0 else { return true };
    if let Err(error) = card.check(model) {
        let help = match &error {
            CardError::Hash { .. } => "the file or its card was changed: put the card of this very model beside it",
            CardError::Background { .. } => "give each background row a value for every input, null where it has none",
            CardError::Reason { .. } => "docs/models.md tells how reasons are written",
            _ => "list the model's input columns in the card, in its order",
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
    // `y` and `y[0]` may be the same: the model knows how it understood what the pipeline says.
    let understood = model.description().score.as_deref();
    if score.value.trim() != card.score.output.trim() && understood != Some(card.score.output.trim()) {
        diagnostics.add(
            Diagnostic::new(
                format!("the model's card says that `{}` is the score", card.score.output),
                score.span.clone(),
            )
            .help("leave `score` out to follow the card"),
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
        ([], []) => "the order counts: list them as the card does".to_owned(),
        (missing, []) => format!("missing here: {}", enumerate(missing.iter().copied())),
        ([], others) => format!("not in the card: {}", enumerate(others.iter().copied())),
        (missing, others) => format!(
            "missing here: {}; not in the card: {}",
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
        None => "the card has no more".to_owned(),
    };
    diagnostics.add(
        Diagnostic::new("the inputs contradict the model's card", span)
            .label(label)
            .help(help),
    );
    false
}
