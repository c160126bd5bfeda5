//! Phase `models`: the model of the pipeline file and its fallback, and which of their scores are explained.

mod against_card;
mod columns;
mod compiler;
mod explain;
mod explanation;
mod load;
mod personal;
mod reasons;

pub use compiler::ModelCompiler;
pub use explain::compile_explain;
pub use reasons::TextNames;

use super::inputs::ResolvedInput;
use super::names::Names;
use crate::cards::Cards;
use crate::compile::outcomes::DeclaredOutcomes;
use crate::diagnostics::Diagnostics;
use crate::syntax::PipelineFile;
use personal::personal_names;
use riskstream_engine::ExplainPlan;
use riskstream_scoring::Lineup;
use std::collections::BTreeSet;

/// The models, and what their explanations may contain.
pub struct Models {
    /// The models.
    pub lineup: Lineup,
    /// Which decisions are explained.
    pub explain: Option<ExplainPlan>,
    /// The names whose values are personal data. Reasons must not contain them.
    pub personal: BTreeSet<String>,
}

/// Loads and checks the models.
pub fn compile(
    file: &PipelineFile,
    inputs: &[ResolvedInput],
    names: &Names<'_>,
    outcomes: &DeclaredOutcomes,
    cards: &Cards<'_>,
    diagnostics: &mut Diagnostics,
) -> Models {
    let explain = file.explain.as_ref().and_then(|section| {
        if file.model.is_none() && file.rollout.is_none() {
            diagnostics.add(explain::needs_a_model(section));
            return None;
        }
        Some(compile_explain(section, outcomes, diagnostics))
    });
    let personal = personal_names(file, inputs, names);
    let mut compiler = ModelCompiler {
        cards,
        names,
        texts: explain.as_ref().map(|_| TextNames {
            names,
            personal: &personal,
        }),
        models: Vec::new(),
        diagnostics,
    };
    let section = file.model.as_ref();
    let champion = section.and_then(|section| compiler.decider(&section.value));
    let lineup = Lineup {
        champion,
        models: compiler.models,
        ..Lineup::default()
    };
    Models {
        lineup,
        explain,
        personal,
    }
}
