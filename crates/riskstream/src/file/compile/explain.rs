//! Which decisions are explained, and against which background rows.

use super::reasons::{ReasonCompiler, Texts};
use crate::card::Card;
use crate::file::mistakes::{Mistake, Mistakes};
use crate::file::node::Span;
use crate::file::read::Spanned;
use crate::file::surface::{Explain, PipelineFile};
use riskstream_engine::ExplainPlan;
use riskstream_engine::plan::ModelPlan;
use riskstream_models::Attribution;
use std::path::Path;

/// Inputs that a decision names unless the file says otherwise.
const TOP: u32 = 3;

/// Compiles the section; what is wrong with it or with the model card's background rows goes to `mistakes`.
pub fn compile_explain(
    file: &PipelineFile,
    directory: &Path,
    model: Option<&ModelPlan>,
    texts: &Texts<'_, '_>,
    mistakes: &mut Mistakes,
) -> Option<ExplainPlan> {
    let section = file.explain.as_ref()?;
    let Some(model_section) = &file.model else {
        mistakes.add(
            Mistake::new(
                "there is no model whose scores could be explained",
                section.span.clone(),
            )
            .help("add `model:`, or leave `explain:` out: reasons name the rules that fired anyway"),
        );
        return None;
    };
    check(section, mistakes);
    let model_file = model_section.value.file.0.as_ref()?;
    let (model, path) = (model?, directory.join(&model_file.value));
    // What is wrong with the card as a whole was told with the model.
    let card = Card::of(&path).ok()?;
    let reasons = card.as_ref().map_or(Vec::new(), |card| {
        let compiler = ReasonCompiler {
            card,
            inputs: &model.inputs,
            texts,
            span: &model_file.span,
            mistakes,
        };
        compiler.compile()
    });
    let attribution = attribution(model, card, &Card::path(&path), &model_file.span, mistakes)?;
    let explain = &section.value;
    Some(ExplainPlan {
        attribution,
        outcomes: explain.outcomes.0.iter().map(|outcome| outcome.value.0).collect(),
        score: explain.score.as_ref().map(|score| score.value),
        sample: explain.sample.as_ref().map_or(0.0, |sample| sample.value),
        top: explain.top.as_ref().map_or(TOP, |top| top.value) as usize,
        reasons,
    })
}

fn check(section: &Spanned<Explain>, mistakes: &mut Mistakes) {
    let explain = &section.value;
    if explain.outcomes.0.is_empty() && explain.score.is_none() && explain.sample.is_none() && !explain.is_flawed {
        mistakes.add(
            Mistake::new("`explain` does not say which decisions", section.span.clone())
                .help("write `outcomes: [decline]`, `score: 0.5`, or `sample: 0.01`"),
        );
    }
    if let Some(sample) = explain
        .sample
        .as_ref()
        .filter(|sample| !(0.0..=1.0).contains(&sample.value))
    {
        mistakes.add(
            Mistake::new(
                format!("a share lies between 0 and 1, not at {}", sample.value),
                sample.span.clone(),
            )
            .help("`sample: 0.01` is one decision in a hundred"),
        );
    }
    if let Some(score) = explain.score.as_ref().filter(|score| !score.value.is_finite()) {
        mistakes.add(Mistake::new("the score must be a finite number", score.span.clone()));
    }
    if let Some(top) = explain.top.as_ref().filter(|top| top.value == 0) {
        mistakes.add(
            Mistake::new("an explanation of no inputs explains nothing", top.span.clone())
                .help("write `top: 3`, or leave `explain:` out"),
        );
    }
}

/// What attributes the model's scores, with the background rows of its card.
fn attribution(
    model: &ModelPlan,
    card: Option<Card>,
    card_file: &Path,
    span: &Span,
    mistakes: &mut Mistakes,
) -> Option<Attribution> {
    let rows = card.map(|card| card.background).unwrap_or_default();
    let found = if rows.is_empty() {
        Err(format!("{} has no `background`", card_file.display()))
    } else if rows.iter().any(|row| row.len() != model.model.input_width()) {
        return None;
    } else {
        let background: Vec<f32> = rows
            .into_iter()
            .flatten()
            .map(|value| value.unwrap_or(f32::NAN))
            .collect();
        model.model.attribution(&background).map_err(|error| error.to_string())
    };
    match found {
        Ok(attribution) => Some(attribution),
        Err(why) => {
            mistakes.add(
                Mistake::new(format!("scores cannot be explained: {why}"), span.clone())
                    .label("this model's card needs background rows")
                    .help("add `background:` to the card: about 16 ordinary rows, each a list of the inputs in order"),
            );
            None
        }
    }
}
