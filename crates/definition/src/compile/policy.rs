//! Phase `policy`: rules and thresholds.

use super::names::Names;
use super::outcomes::DeclaredOutcomes;
use super::symbols::Symbols;
use crate::diagnostics::{Diagnostic, Diagnostics, Span, enumerate};
use crate::syntax::read::{ExpressionText, Spanned};
use crate::syntax::{PipelineFile, Rule, Thresholds};
use riskstream_events::{Outcome, Outcomes};
use riskstream_policy::{Place, Policy, PolicyProblem, PolicySpec, RuleMode, RuleSpec, ThresholdSpec};

/// Compiles rules and thresholds. `None` if they are wrong or use a broken name.
pub fn compile(
    file: &PipelineFile,
    symbols: &Symbols<'_>,
    outcomes: &DeclaredOutcomes,
    diagnostics: &mut Diagnostics,
) -> Option<Policy> {
    check_rule_names(file, diagnostics);
    check_thresholds(file, outcomes, diagnostics);
    let names = &symbols.names;
    let usable = Usable::find(file, names, outcomes, diagnostics);
    match Policy::compile(
        &usable.spec(&outcomes.outcomes),
        &names.scope_of_rules(symbols.decision),
    ) {
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
    thresholds: Vec<UsableThreshold<'f>>,
    /// Whether these are all rules and thresholds of the file.
    is_complete: bool,
}

struct UsableRule<'f> {
    spec: RuleSpec,
    when: &'f Spanned<ExpressionText>,
    /// The place of the reason code, or of the name if that is the code.
    reason: &'f Span,
}

struct UsableThreshold<'f> {
    spec: ThresholdSpec,
    when: &'f Spanned<ExpressionText>,
    /// The place of the reason code, if it is given.
    reason: Option<&'f Span>,
}

impl<'f> Usable<'f> {
    fn find(
        file: &'f PipelineFile,
        names: &Names<'_>,
        outcomes: &DeclaredOutcomes,
        diagnostics: &mut Diagnostics,
    ) -> Usable<'f> {
        let rules = file.rules.0.iter();
        let rules: Vec<Option<UsableRule<'_>>> = rules
            .map(|rule| usable_rule(&rule.value, names, outcomes, diagnostics))
            .collect();
        let section = file.decision.as_ref().map(|decision| &decision.value);
        let severe = outcomes.severe().into_iter().flatten();
        let thresholds = severe.filter_map(|(outcome, word)| usable_threshold(section?, outcome, word));
        let (thresholds, broken): (Vec<_>, Vec<_>) =
            thresholds.partition(|threshold| !names.uses_broken(&threshold.when.value.0));
        Usable {
            is_complete: rules.iter().all(Option::is_some) && broken.is_empty(),
            rules: rules.into_iter().flatten().collect(),
            thresholds,
        }
    }

    fn spec(&self, outcomes: &Outcomes) -> PolicySpec {
        PolicySpec {
            outcomes: outcomes.clone(),
            rules: self.rules.iter().map(|rule| rule.spec.clone()).collect(),
            thresholds: self.thresholds.iter().map(|threshold| threshold.spec.clone()).collect(),
        }
    }

    /// The diagnostic of a problem at its place in the file. `None` for names of rules, which are checked before.
    fn diagnostic(&self, place: Place, problem: PolicyProblem, names: &Names<'_>) -> Option<Diagnostic> {
        let (expression, code) = match place {
            Place::RuleName(_) => return None,
            Place::RuleWhen(index) => (Some(self.rules[index].when), None),
            Place::RuleReason(index) => (None, Some(self.rules[index].reason)),
            Place::Threshold(index) => (Some(self.thresholds[index].when), None),
            Place::ThresholdReason(index) => (None, self.thresholds[index].reason),
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

fn usable_rule<'f>(
    rule: &'f Rule,
    names: &Names<'_>,
    outcomes: &DeclaredOutcomes,
    diagnostics: &mut Diagnostics,
) -> Option<UsableRule<'f>> {
    let then = rule.then.0.as_ref().map(|then| outcomes.find(then, diagnostics))?;
    let name = rule.name.0.as_ref()?;
    let when = rule.when.0.as_ref()?;
    if names.uses_broken(&when.value.0) {
        return None;
    }
    let reason = rule.reason.as_ref().unwrap_or(name);
    Some(UsableRule {
        spec: RuleSpec {
            name: name.value.clone(),
            when: when.value.0.clone(),
            then,
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

/// The threshold of an outcome, if there is one.
fn usable_threshold<'f>(section: &'f Thresholds, outcome: Outcome, word: &str) -> Option<UsableThreshold<'f>> {
    let (when, reason) = section.of(word);
    let when = when?;
    Some(UsableThreshold {
        spec: ThresholdSpec {
            outcome,
            when: when.value.0.clone(),
            reason: reason.map_or_else(
                || format!("SCORE_{}", word.to_ascii_uppercase()),
                |reason| reason.value.clone(),
            ),
        },
        when,
        reason: reason.map(|reason| &reason.span),
    })
}

/// The keys of `decision:` must be those of outcomes.
fn check_thresholds(file: &PipelineFile, outcomes: &DeclaredOutcomes, diagnostics: &mut Diagnostics) {
    let (Some(section), Some(severe)) = (&file.decision, outcomes.severe()) else {
        return;
    };
    // The most severe first, as thresholds are evaluated.
    let severe: Vec<&str> = severe.rev().map(|(_, word)| word).collect();
    let known = Thresholds::keys_of(&severe);
    let mildest = outcomes.outcomes.word(Outcome::MILDEST);
    for key in section.value.unknown(&severe) {
        let known = || known.iter().map(String::as_str);
        let diagnostic = match key.name == mildest {
            true => Diagnostic::new(format!("`{mildest}` has no threshold"), key.span.clone())
                .label("the mildest outcome")
                .help(format!(
                    "it is the outcome if nothing else holds; a rule with `then: {mildest}` sets the thresholds aside"
                )),
            false => Diagnostic::new(format!("unknown key `{}`", key.name), key.span.clone())
                .label("not a key of this section")
                .nearest(&key.name, known())
                .help(format!("the keys here are {}", enumerate(known()))),
        };
        diagnostics.add(diagnostic);
    }
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

/// The outcome without a score, unless the file says otherwise.
const WITHOUT_SCORE: &str = "review";

/// The mildest outcome of a decision without a score.
pub fn without_score(file: &PipelineFile, outcomes: &DeclaredOutcomes, diagnostics: &mut Diagnostics) -> Outcome {
    let section = file.decision.as_ref();
    if let Some(given) = section.and_then(|section| section.value.without_score.as_ref()) {
        return outcomes.find(given, diagnostics);
    }
    let default = outcomes.outcomes.find(WITHOUT_SCORE);
    let model = file.model.as_ref().map(|model| &model.span);
    let scores = model.or(file.rollout.as_ref().map(|rollout| &rollout.span));
    if let (None, Some(scores)) = (default, scores) {
        diagnostics.add(
            Diagnostic::new(
                "`decision.without_score` is missing: no outcome is called `review`, its default",
                scores.clone(),
            )
            .label("this may give no score")
            .help(format!(
                "add `decision: {{without_score: …}}` with one of {}",
                enumerate(outcomes.outcomes.words())
            )),
        );
    }
    default.unwrap_or(Outcome::MILDEST)
}
