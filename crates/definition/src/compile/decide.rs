//! The decision: lists, rules and thresholds.

use super::names::Names;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::node::{Node, NodeValue, Span};
use crate::read::{ExpressionText, List, Map, Raw, Required, Spanned};
use crate::syntax::{PipelineFile, Rule};
use riskstream_events::{Outcome, Slot, Value};
use riskstream_policy::{Place, Policy, PolicyProblem, PolicySpec, RuleSpec};
use riskstream_scoring::ModelPlan;
use std::collections::HashSet;
use std::sync::Arc;

/// Adds the constant lists to the names.
pub fn declare_lists(lists: &Map<Required<List<Raw>>>, names: &mut Names<'_>, diagnostics: &mut Diagnostics) {
    for (name, list) in &lists.0 {
        let Some(Required(Some(list))) = list else {
            names.declare_broken(&name.name);
            continue;
        };
        let values: Option<Vec<Value>> = list
            .value
            .0
            .iter()
            .map(|item| constant(&item.value.0, diagnostics))
            .collect();
        let declared = names.check_free(&name.name, &name.span, diagnostics)
            && values.is_some_and(
                |values| match names.declare_list(&name.name, &values, name.span.clone()) {
                    Ok(()) => true,
                    Err(error) => {
                        diagnostics.add(Diagnostic::new(error.to_string(), name.span.clone()));
                        false
                    }
                },
            );
        if !declared {
            names.declare_broken(&name.name);
        }
    }
}

fn constant(node: &Node, diagnostics: &mut Diagnostics) -> Option<Value> {
    Some(match &node.value {
        NodeValue::Bool(value) => Value::Bool(*value),
        NodeValue::Int(value) => Value::Int(*value),
        NodeValue::Float(value) => Value::Float(*value),
        NodeValue::Text(value) => Value::Text(value.as_str().into()),
        _ => {
            let diagnostic = Diagnostic::new(
                format!("a list holds texts or numbers, this is {}", node.kind()),
                node.span.clone(),
            );
            diagnostics.add(diagnostic);
            return None;
        }
    })
}

/// Compiles rules and thresholds. `None` if they have diagnostics, which were reported, or use something broken.
pub fn compile_policy(
    file: &PipelineFile,
    score: Slot,
    names: &Names<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Policy> {
    check_rule_names(file, diagnostics);
    let scope = names.scope_with_score(score);
    let mut complete = true;
    let mut spec = PolicySpec::default();
    let mut sources = Vec::new();
    for rule in &file.rules.0 {
        match rule_spec(&rule.value, names) {
            Some((rule_spec, when)) => {
                spec.rules.push(rule_spec);
                sources.push((&rule.value, when));
            }
            None => complete = false,
        }
    }
    let thresholds = file.decision.as_ref().map(|decision| &decision.value);
    let decline = thresholds.and_then(|thresholds| thresholds.decline.as_ref());
    let review = thresholds.and_then(|thresholds| thresholds.review.as_ref());
    let mut usable = |source: Option<&Spanned<ExpressionText>>| {
        let source = source?;
        let broken = names.uses_broken(&source.value.0);
        complete &= !broken;
        (!broken).then(|| source.value.0.clone())
    };
    spec.decline = usable(decline);
    spec.review = usable(review);
    let decline_reason = thresholds.and_then(|thresholds| thresholds.decline_reason.as_ref());
    let review_reason = thresholds.and_then(|thresholds| thresholds.review_reason.as_ref());
    if let Some(reason) = decline_reason {
        spec.decline_reason = reason.value.clone();
    }
    if let Some(reason) = review_reason {
        spec.review_reason = reason.value.clone();
    }
    let errors = match Policy::compile(&spec, &scope) {
        Ok(policy) => return complete.then_some(policy),
        Err(errors) => errors,
    };
    for error in errors {
        let (source, span) = match error.place {
            Place::RuleName(_) => continue,
            Place::RuleWhen(index) => (Some(sources[index].1), None),
            Place::RuleReason(index) => (
                None,
                sources[index].0.reason.as_ref().or(sources[index].0.name.0.as_ref()),
            ),
            Place::Decline => (decline, None),
            Place::Review => (review, None),
            Place::DeclineReason => (None, decline_reason),
            Place::ReviewReason => (None, review_reason),
        };
        match (error.problem, source, span) {
            (PolicyProblem::Expression(error), Some(source), _) => diagnostics.add(names.place(source, error)),
            (diagnostic, _, span) => {
                let span: Span = span.map_or(0..0, |span| span.span.clone());
                diagnostics.add(Diagnostic::new(diagnostic.to_string(), span).help("write `reason: R101`"));
            }
        }
    }
    None
}

fn rule_spec<'r>(rule: &'r Rule, names: &Names<'_>) -> Option<(RuleSpec, &'r Spanned<ExpressionText>)> {
    let name = rule.name.0.as_ref()?;
    let when = rule.when.0.as_ref()?;
    let then = rule.then.0.as_ref()?;
    if names.uses_broken(&when.value.0) {
        return None;
    }
    let spec = RuleSpec {
        name: name.value.clone(),
        when: when.value.0.clone(),
        then: then.value.0,
        reason: rule
            .reason
            .as_ref()
            .map_or_else(|| name.value.clone(), |reason| reason.value.clone()),
        description: rule.description.clone(),
    };
    Some((spec, when))
}

fn check_rule_names(file: &PipelineFile, diagnostics: &mut Diagnostics) {
    let mut seen: Vec<&Spanned<String>> = Vec::new();
    let names = file.rules.0.iter().filter_map(|rule| rule.value.name.0.as_ref());
    for name in names {
        match seen.iter().find(|other| other.value == name.value) {
            Some(first) => diagnostics.add(
                Diagnostic::new(format!("two rules are named `{}`", name.value), name.span.clone())
                    .label("the second")
                    .also(first.span.clone(), "the first")
                    .help("decisions name the rules that fired: give one of them another name"),
            ),
            None => seen.push(name),
        }
        if name.value.trim().is_empty() {
            diagnostics.add(Diagnostic::new("a rule needs a name", name.span.clone()));
        }
    }
}

/// What the decision reads besides features: model inputs, rules and thresholds, but not the score itself.
pub fn reads(models: &[Arc<ModelPlan>], policy: Option<&Policy>, score: Slot) -> HashSet<Slot> {
    let mut reads: HashSet<Slot> = models.iter().flat_map(|model| model.inputs.iter().copied()).collect();
    reads.extend(policy.iter().flat_map(|policy| policy.slots()));
    reads.remove(&score);
    reads
}

/// The mildest outcome without a score.
pub fn without_score(file: &PipelineFile) -> Outcome {
    let word = file.decision.as_ref().and_then(|decision| decision.value.without_score);
    word.map_or(Outcome::Review, |word| word.0)
}
