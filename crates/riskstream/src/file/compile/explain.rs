//! Which decisions are explained, and against which background rows.

use crate::file::mistakes::{Mistake, Mistakes};
use crate::file::node::{Node, NodeValue, Span};
use crate::file::read::Spanned;
use crate::file::surface::{Explain, PipelineFile};
use crate::file::yaml;
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
    let attribution = attribution(model?, &directory.join(&model_file.value), &model_file.span, mistakes)?;
    let explain = &section.value;
    Some(ExplainPlan {
        attribution,
        outcomes: explain.outcomes.0.iter().map(|outcome| outcome.value.0).collect(),
        score: explain.score.as_ref().map(|score| score.value),
        sample: explain.sample.as_ref().map_or(0.0, |sample| sample.value),
        top: explain.top.as_ref().map_or(TOP, |top| top.value) as usize,
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

/// What attributes the model's scores, with the background rows of the card beside its file.
fn attribution(model: &ModelPlan, model_file: &Path, span: &Span, mistakes: &mut Mistakes) -> Option<Attribution> {
    let path = model_file.with_extension("card.yaml");
    let found = background(&path, model.inputs.len())
        .and_then(|background| model.model.attribution(&background).map_err(|error| error.to_string()));
    match found {
        Ok(attribution) => Some(attribution),
        Err(why) => {
            mistakes.add(
                Mistake::new(
                    format!("scores cannot be explained: {}: {why}", path.display()),
                    span.clone(),
                )
                .label("this model's card needs background rows")
                .help("add `background:` to the card: about 16 ordinary rows, each a list of the inputs in order"),
            );
            None
        }
    }
}

/// The card's background rows, one after another; what is null is missing.
fn background(path: &Path, width: usize) -> Result<Vec<f32>, String> {
    let source = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut mistakes = Mistakes::default();
    let card = yaml::parse(&source, &|_| None, &mut mistakes);
    let Some(card) = card.filter(|_| mistakes.is_empty()) else {
        return Err(format!(
            "it is no YAML that can be read:\n{}",
            mistakes.into_report(&path.display().to_string(), &source)
        ));
    };
    let NodeValue::Map(entries) = &card.value else {
        return Err(format!("a mapping was expected, found {}", card.kind()));
    };
    let Some((_, background)) = entries.iter().find(|(key, _)| key.name == "background") else {
        return Err("it has no key `background`".to_owned());
    };
    let rows = list(background).ok_or_else(|| format!("`background` is {}, not a list of rows", background.kind()))?;
    let mut values = Vec::with_capacity(rows.len() * width);
    for (row, number) in rows.iter().zip(1..) {
        let row = list(row).ok_or_else(|| format!("row {number} of `background` is {}, not a list", row.kind()))?;
        if row.len() != width {
            return Err(format!(
                "row {number} of `background` has {} values, the model takes {width}",
                row.len()
            ));
        }
        for (value, place) in row.iter().zip(1..) {
            let what = || {
                format!(
                    "value {place} of row {number} of `background` is {}, not a number",
                    value.kind()
                )
            };
            values.push(self::value(value).ok_or_else(what)?);
        }
    }
    if values.is_empty() {
        return Err("`background` has no rows".to_owned());
    }
    Ok(values)
}

fn list(node: &Node) -> Option<&[Node]> {
    match &node.value {
        NodeValue::List(items) => Some(items),
        _ => None,
    }
}

fn value(node: &Node) -> Option<f32> {
    match node.value {
        NodeValue::Null => Some(f32::NAN),
        NodeValue::Int(value) => Some(value as f32),
        NodeValue::Float(value) => Some(value as f32),
        _ => None,
    }
}
