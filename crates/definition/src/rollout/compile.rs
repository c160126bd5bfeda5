//! From a roll-out file to what decides.

use super::features::{RolloutFeatures, compile_features};
use super::lists::compile_lists;
use super::models::{self, ModelContext, RolloutModels};
use super::paths::check_paths;
use crate::compile::{
    Compiled, Names, PolicySource, RolloutScope, compile_examples, compile_explain, compile_policy_of, without_score,
};
use crate::diagnostics::{Diagnostic, Diagnostics, Span};
use crate::syntax::{Example, RolloutFile};
use riskstream_engine::ExplainPlan;
use riskstream_engine::plan::{DecidePlan, SlotExpression, decision_steps};
use riskstream_events::Slot;
use riskstream_expressions::Expression;
use riskstream_policy::Policy;
use riskstream_scoring::{DecisionSet, ModelPlan};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a roll-out says, checked, with its models loaded.
pub struct CompiledRollout {
    revision: u64,
    models: RolloutModels,
    decide: DecidePlan,
    /// Its own examples, if it has any.
    pub examples: Option<Vec<Example>>,
}

impl CompiledRollout {
    /// The models that the roll-out itself names.
    pub fn own_models(&self) -> &[Arc<ModelPlan>] {
        &self.models.lineup.models[self.models.first_own..]
    }

    /// What decides, with its document for the log.
    pub fn into_set(self, document: &str) -> DecisionSet {
        DecisionSet {
            revision: self.revision,
            document: document.into(),
            lineup: self.models.lineup,
            decide: Arc::new(self.decide),
        }
    }
}

/// Compiles a roll-out: loads its models, checks them and runs each. `source` is the text of the roll-out. `Some` only if there
/// are no diagnostics.
pub fn compile(
    file: &RolloutFile,
    source: &str,
    pipeline: &Compiled,
    diagnostics: &mut Diagnostics,
) -> Option<CompiledRollout> {
    let scope = &pipeline.rollout;
    let revision = revision(file, diagnostics);
    if !check_paths(file, &scope.places, diagnostics) {
        return None;
    }
    let base = &*pipeline.plan.decide;
    let mut names = scope.names.in_source(source);
    compile_lists(file, scope, &mut names, diagnostics);
    let inherited: Vec<SlotExpression> = base.expressions().cloned().collect();
    let features = compile_features(file, scope, &mut names, &inherited, diagnostics);
    let explain = explain(file, pipeline, diagnostics);
    let context = ModelContext {
        scope,
        names: &names,
        personal: &features.personal,
        explains: scope.explains || explain.is_some(),
        entities: &base.entities,
        base: &pipeline.decision.lineup,
    };
    let models = models::compile(file, &context, diagnostics);
    let policy = policy(file, pipeline, &names, diagnostics);
    let examples = file.examples.as_ref().map(|examples| {
        let known = scope
            .known
            .with_features(features.added.iter().map(|(name, _)| name.as_str()));
        compile_examples(&examples.value, &known, &scope.outcomes, diagnostics)
    });
    let without_score = file.decision.as_ref().map(|section| {
        let (place, section) = (Some(&section.span), Some(section));
        without_score(section, place, &scope.outcomes, diagnostics)
    });
    if !diagnostics.is_empty() {
        return None;
    }
    let mut decide = assemble(base, &names, scope, features, policy?);
    decide.explain = explain.or(decide.explain);
    decide.without_score = without_score.unwrap_or(decide.without_score);
    Some(CompiledRollout {
        revision: revision?,
        models,
        decide,
        examples,
    })
}

/// The revision, which must be larger than the pipeline file's, 0.
fn revision(file: &RolloutFile, diagnostics: &mut Diagnostics) -> Option<u64> {
    let Some(given) = &file.revision else {
        if !file.is_flawed {
            let missing = Diagnostic::new("`revision` is missing", 0..0);
            diagnostics.add(missing.help("add `revision: 1`, and increase it with every change"));
        }
        return None;
    };
    if given.value == 0 {
        diagnostics.add(
            Diagnostic::new("a revision must be at least 1", given.span.clone())
                .help("0 is the revision of the pipeline file itself"),
        );
        return None;
    }
    Some(u64::from(given.value))
}

/// The section `explain:`. The pipeline file's model is prepared for explanations only if the pipeline file has that section.
fn explain(file: &RolloutFile, pipeline: &Compiled, diagnostics: &mut Diagnostics) -> Option<ExplainPlan> {
    let section = file.explain.as_ref()?;
    let is_prepared =
        pipeline.rollout.explains || file.champion.is_some() || pipeline.decision.lineup.models.is_empty();
    if !is_prepared {
        diagnostics.add(
            Diagnostic::new(
                "the pipeline file's model cannot be explained: it was loaded without `explain:`",
                section.span.clone(),
            )
            .help("name it here, too: `champion: {file: …}`"),
        );
    }
    Some(compile_explain(section, &pipeline.rollout.outcomes, diagnostics))
}

fn policy(file: &RolloutFile, pipeline: &Compiled, names: &Names<'_>, diagnostics: &mut Diagnostics) -> Option<Policy> {
    let scope = &pipeline.rollout;
    let source = PolicySource {
        rules: file.rules.as_ref().map(|rules| &rules.value),
        thresholds: file.decision.as_ref(),
        entities: &pipeline.plan.decide.entities,
        inherited: (&scope.policy, changed(file)),
    };
    let (_, policy) = compile_policy_of(&source, names, scope.slots, &scope.outcomes, diagnostics)?;
    Some(policy)
}

/// The place of what may make the pipeline file's rules invalid: a list, or an expression.
fn changed(file: &RolloutFile) -> Span {
    let lists = file.lists.0.iter().map(|(key, _)| &key.span);
    let features = file.features.0.iter().map(|(key, _)| &key.span);
    lists.chain(features).next().cloned().unwrap_or_default()
}

/// The pipeline file's plan with what the roll-out changes.
fn assemble(
    base: &DecidePlan,
    names: &Names<'_>,
    scope: &RolloutScope,
    features: RolloutFeatures,
    policy: Policy,
) -> DecidePlan {
    let conditions = policy.conditions().chain(base.outputs.expressions());
    let read: BTreeSet<Slot> = conditions.flat_map(Expression::slots).copied().collect();
    let is_read = |slot: Slot| Some(slot).filter(|slot| read.contains(slot));
    let (late_by, flags) = (is_read(scope.slots.late_by), is_read(scope.slots.flags));
    DecidePlan {
        slots: names.slots().to_vec(),
        steps: decision_steps(features.expressions, base.lookups().cloned()),
        late_by,
        flags,
        policy,
        features: base.features.iter().cloned().chain(features.added).collect(),
        ..base.clone()
    }
}
