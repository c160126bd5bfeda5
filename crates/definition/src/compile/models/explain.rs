//! The section `explain:`: which decisions are explained.

use crate::compile::outcomes::DeclaredOutcomes;
use crate::compile::share::share_of;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::Explain;
use crate::syntax::read::Spanned;
use riskstream_engine::ExplainPlan;

/// The default of `top`: how many inputs a decision names.
const TOP: u32 = 3;

/// That a pipeline without a model has nothing to explain.
pub fn needs_a_model(section: &Spanned<Explain>) -> Diagnostic {
    Diagnostic::new("`explain` needs a model", section.span.clone())
        .help("add `model:`, or remove `explain:`: a decision's reasons always name the rules that fired")
}

/// What the section `explain:` says.
pub fn compile_explain(
    section: &Spanned<Explain>,
    outcomes: &DeclaredOutcomes,
    diagnostics: &mut Diagnostics,
) -> ExplainPlan {
    check(section, diagnostics);
    let explain = &section.value;
    let sample = explain.sample.as_ref();
    let sample =
        sample.and_then(|given| share_of(given, "`sample: 0.01` selects one decision in a hundred", diagnostics));
    let listed = explain.outcomes.0.iter();
    ExplainPlan {
        outcomes: listed.map(|word| outcomes.find(word, diagnostics)).collect(),
        score: explain.score.as_ref().map(|score| score.value),
        sample: sample.unwrap_or(0.0),
        top: explain.top.as_ref().map_or(TOP, |top| top.value) as usize,
    }
}

fn check(section: &Spanned<Explain>, diagnostics: &mut Diagnostics) {
    let explain = &section.value;
    if explain.outcomes.0.is_empty() && explain.score.is_none() && explain.sample.is_none() && !explain.is_flawed {
        diagnostics.add(
            Diagnostic::new("`explain` selects no decisions", section.span.clone())
                .help("add `outcomes: [decline]`, `score: 0.5` or `sample: 0.01`"),
        );
    }
    if let Some(score) = explain.score.as_ref().filter(|score| !score.value.is_finite()) {
        diagnostics.add(Diagnostic::new("the score must be a finite number", score.span.clone()));
    }
    if let Some(top) = explain.top.as_ref().filter(|top| top.value == 0) {
        diagnostics.add(
            Diagnostic::new("`top` must be at least 1", top.span.clone()).help("write `top: 3`, or remove `explain:`"),
        );
    }
}
