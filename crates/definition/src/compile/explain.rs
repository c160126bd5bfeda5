//! Which decisions are explained.

use super::share_of;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::read::Spanned;
use crate::syntax::{Explain, PipelineFile};
use riskstream_engine::ExplainPlan;

/// Inputs that a decision names unless the file says otherwise.
const TOP: u32 = 3;

/// Compiles the section; what is wrong with it goes to `diagnostics`.
pub fn compile_explain(file: &PipelineFile, diagnostics: &mut Diagnostics) -> Option<ExplainPlan> {
    let section = file.explain.as_ref()?;
    if file.model.is_none() && file.rollout.is_none() {
        diagnostics.add(
            Diagnostic::new(
                "there is no model whose scores could be explained",
                section.span.clone(),
            )
            .help("add `model:`, or leave `explain:` out: reasons name the rules that fired anyway"),
        );
        return None;
    }
    check(section, diagnostics);
    let explain = &section.value;
    let sample = explain.sample.as_ref();
    let sample = sample.and_then(|given| share_of(given, "`sample: 0.01` is one decision in a hundred", diagnostics));
    Some(ExplainPlan {
        outcomes: explain.outcomes.0.iter().map(|outcome| outcome.value.0).collect(),
        score: explain.score.as_ref().map(|score| score.value),
        sample: sample.unwrap_or(0.0),
        top: explain.top.as_ref().map_or(TOP, |top| top.value) as usize,
    })
}

fn check(section: &Spanned<Explain>, diagnostics: &mut Diagnostics) {
    let explain = &section.value;
    if explain.outcomes.0.is_empty() && explain.score.is_none() && explain.sample.is_none() && !explain.is_flawed {
        diagnostics.add(
            Diagnostic::new("`explain` does not say which decisions", section.span.clone())
                .help("write `outcomes: [decline]`, `score: 0.5`, or `sample: 0.01`"),
        );
    }
    if let Some(score) = explain.score.as_ref().filter(|score| !score.value.is_finite()) {
        diagnostics.add(Diagnostic::new("the score must be a finite number", score.span.clone()));
    }
    if let Some(top) = explain.top.as_ref().filter(|top| top.value == 0) {
        diagnostics.add(
            Diagnostic::new("an explanation of no inputs explains nothing", top.span.clone())
                .help("write `top: 3`, or leave `explain:` out"),
        );
    }
}
