//! Phase `policy`: rules and thresholds.

use super::names::Names;
use super::symbols::Symbols;
use crate::diagnostics::{Diagnostic, Diagnostics, Span};
use crate::syntax::read::{ExpressionText, Spanned};
use crate::syntax::{PipelineFile, Rule};
use riskstream_events::Outcome;
use riskstream_policy::{Place, Policy, PolicyProblem, PolicySpec, RuleMode, RuleSpec};

/// Compiles rules and thresholds. `None` if they are wrong or use a broken name.
pub fn compile(file: &PipelineFile, symbols: &Symbols<'_>, diagnostics: &mut Diagnostics) -> Option<Policy> {
    check_rule_names(file, diagnostics);
    let names = &symbols.names;
    let usable = Usable::find(file, names);
    match Policy::compile(&usable.spec(), &names.scope_of_rules(symbols.decision)) {
        Ok(policy) => usable.is_complete.then_some(policy),
        Err(errors) => {
            let found = errors
                .into_iter()
                .filter_map(|error| usable.diagnostic(error.place, error.problem, names));
            found.for_each(|diagnostic| diagnostics.add(diagnostic));
            None
        }
    }
}

/// The rules and thresholds that are not broken and use no broken name.
struct Usable<'f> {
    rules: Vec<UsableRule<'f>>,
    decline: Option<&'f Spanned<ExpressionText>>,
    review: Option<&'f Spanned<ExpressionText>>,
    decline_reason: Option<&'f Spanned<String>>,
    review_reason: Option<&'f Spanned<String>>,
    /// Whether these are all rules and thresholds of the file.
    is_complete: bool,
}

struct UsableRule<'f> {
    spec: RuleSpec,
    when: &'f Spanned<ExpressionText>,
    /// The place of the reason code, or of the name if that is the code.
    reason: &'f Span,
}

impl<'f> Usable<'f> {
    fn find(file: &'f PipelineFile, names: &Names<'_>) -> Usable<'f> {
        let rules = file.rules.0.iter().map(|rule| usable_rule(&rule.value, names));
        let rules: Vec<Option<UsableRule<'_>>> = rules.collect();
        let thresholds = file.decision.as_ref().map(|decision| &decision.value);
        let decline = thresholds.and_then(|thresholds| thresholds.decline.as_ref());
        let review = thresholds.and_then(|thresholds| thresholds.review.as_ref());
        let is_usable = |threshold: &&Spanned<ExpressionText>| !names.uses_broken(&threshold.value.0);
        Usable {
            is_complete: rules.iter().all(Option::is_some) && [decline, review].iter().flatten().all(is_usable),
            rules: rules.into_iter().flatten().collect(),
            decline: decline.filter(is_usable),
            review: review.filter(is_usable),
            decline_reason: thresholds.and_then(|thresholds| thresholds.decline_reason.as_ref()),
            review_reason: thresholds.and_then(|thresholds| thresholds.review_reason.as_ref()),
        }
    }

    fn spec(&self) -> PolicySpec {
        let PolicySpec {
            decline_reason,
            review_reason,
            ..
        } = PolicySpec::default();
        let text = |threshold: &Spanned<ExpressionText>| threshold.value.0.clone();
        let code = |given: Option<&Spanned<String>>, default| given.map_or(default, |given| given.value.clone());
        PolicySpec {
            rules: self.rules.iter().map(|rule| rule.spec.clone()).collect(),
            decline: self.decline.map(text),
            review: self.review.map(text),
            decline_reason: code(self.decline_reason, decline_reason),
            review_reason: code(self.review_reason, review_reason),
        }
    }

    /// The diagnostic of a problem at its place in the file. `None` for names of rules, which are checked before.
    fn diagnostic(&self, place: Place, problem: PolicyProblem, names: &Names<'_>) -> Option<Diagnostic> {
        let (expression, code) = match place {
            Place::RuleName(_) => return None,
            Place::RuleWhen(index) => (Some(self.rules[index].when), None),
            Place::RuleReason(index) => (None, Some(self.rules[index].reason)),
            Place::Decline => (self.decline, None),
            Place::Review => (self.review, None),
            Place::DeclineReason => (None, self.decline_reason.map(|reason| &reason.span)),
            Place::ReviewReason => (None, self.review_reason.map(|reason| &reason.span)),
        };
        Some(match (problem, expression) {
            (PolicyProblem::Expression(error), Some(expression)) => names.place(expression, error),
            (problem, _) => {
                let span = code.cloned().unwrap_or_default();
                Diagnostic::new(problem.to_string(), span).help("write `reason: R101`")
            }
        })
    }
}

fn usable_rule<'f>(rule: &'f Rule, names: &Names<'_>) -> Option<UsableRule<'f>> {
    let name = rule.name.0.as_ref()?;
    let when = rule.when.0.as_ref()?;
    let then = rule.then.0.as_ref()?;
    if names.uses_broken(&when.value.0) {
        return None;
    }
    let reason = rule.reason.as_ref().unwrap_or(name);
    Some(UsableRule {
        spec: RuleSpec {
            name: name.value.clone(),
            when: when.value.0.clone(),
            then: then.value.0,
            reason: reason.value.clone(),
            description: rule.description.clone(),
            mode: rule.mode.map_or(RuleMode::Active, |mode| mode.0),
            set: rule
                .set
                .iter()
                .map(|(key, value)| (key.name.clone(), value.clone()))
                .collect(),
        },
        when,
        reason: &reason.span,
    })
}

fn check_rule_names(file: &PipelineFile, diagnostics: &mut Diagnostics) {
    let mut seen: Vec<&Spanned<String>> = Vec::new();
    let names = file.rules.0.iter().filter_map(|rule| rule.value.name.0.as_ref());
    for name in names {
        match seen.iter().find(|other| other.value == name.value) {
            Some(first) => diagnostics.add(
                Diagnostic::new(format!("two rules have the name `{}`", name.value), name.span.clone())
                    .label("the second rule")
                    .also(first.span.clone(), "the first rule")
                    .help("use another name for one of them: decisions list the rules that fired by name"),
            ),
            None => seen.push(name),
        }
        if name.value.trim().is_empty() {
            diagnostics.add(Diagnostic::new(
                "the name of a rule must not be empty",
                name.span.clone(),
            ));
        }
    }
}

/// The mildest outcome of a decision without a score.
pub fn without_score(file: &PipelineFile) -> Outcome {
    let word = file.decision.as_ref().and_then(|decision| decision.value.without_score);
    word.map_or(Outcome::Review, |word| word.0)
}
