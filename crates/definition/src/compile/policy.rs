//! Phase `policy`: rules and thresholds.

use super::names::Names;
use super::outcomes::DeclaredOutcomes;
use super::share::{EXAMPLE_OF_KEYS, divided_entity, share_of};
use super::symbols::DecisionSlots;
use crate::diagnostics::{Diagnostic, Diagnostics, Span, enumerate};
use crate::syntax::read::{ExpressionText, List, Spanned};
use crate::syntax::{Rule, Thresholds};
use riskstream_events::{KeyShare, Outcome, Outcomes, Slot};
use riskstream_policy::{Place, Policy, PolicyProblem, PolicySpec, RuleMode, RuleSpec, ThresholdSpec};
use std::collections::HashMap;

/// What rules and thresholds are compiled from.
pub struct PolicySource<'a> {
    /// The rules; `None` for those of `inherited`.
    pub rules: Option<&'a List<Rule>>,
    /// The thresholds; `None` for those of `inherited`.
    pub thresholds: Option<&'a Spanned<Thresholds>>,
    /// Names of entities and the slots of their keys.
    pub entities: &'a [(String, Slot)],
    /// What a roll-out leaves as the pipeline file says, and the place in the roll-out that is to blame if it does not compile
    /// any more.
    pub inherited: (&'a PolicySpec, Span),
}

/// Compiles rules and thresholds. `None` if they are wrong or use a broken name.
pub fn compile(
    source: &PolicySource<'_>,
    names: &Names<'_>,
    decision: DecisionSlots,
    outcomes: &DeclaredOutcomes,
    diagnostics: &mut Diagnostics,
) -> Option<(PolicySpec, Policy)> {
    check_rule_names(source.rules, diagnostics);
    check_shares(source.rules, diagnostics);
    check_thresholds(source.thresholds, outcomes, diagnostics);
    let usable = Usable::find(source, names, outcomes, diagnostics);
    let spec = usable.spec(&outcomes.outcomes);
    match Policy::compile(&spec, &names.scope_of_rules(decision)) {
        Ok(policy) => usable.is_complete.then_some((spec, policy)),
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
    /// `None` for those of `inherited`.
    rules: Option<Vec<UsableRule<'f>>>,
    /// `None` for those of `inherited`.
    thresholds: Option<Vec<UsableThreshold<'f>>>,
    inherited: &'f (&'f PolicySpec, Span),
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
        source: &'f PolicySource<'f>,
        names: &Names<'_>,
        outcomes: &DeclaredOutcomes,
        diagnostics: &mut Diagnostics,
    ) -> Usable<'f> {
        let mut is_complete = true;
        let rules = source.rules.map(|rules| {
            let rules = rules.0.iter();
            let rules = rules.map(|rule| usable_rule(&rule.value, source.entities, names, outcomes, diagnostics));
            let rules: Vec<Option<UsableRule<'_>>> = rules.collect();
            is_complete &= rules.iter().all(Option::is_some);
            rules.into_iter().flatten().collect()
        });
        let thresholds = source.thresholds.map(|section| {
            let severe = outcomes.severe().into_iter().flatten();
            let thresholds = severe.filter_map(|(outcome, word)| usable_threshold(&section.value, outcome, word));
            let (thresholds, broken): (Vec<_>, Vec<_>) =
                thresholds.partition(|threshold| names.can_use(threshold.when, diagnostics));
            is_complete &= broken.is_empty();
            thresholds
        });
        Usable {
            rules,
            thresholds,
            inherited: &source.inherited,
            is_complete,
        }
    }

    fn spec(&self, outcomes: &Outcomes) -> PolicySpec {
        let (inherited, _) = self.inherited;
        let rules = self.rules.as_ref();
        let thresholds = self.thresholds.as_ref();
        PolicySpec {
            outcomes: outcomes.clone(),
            rules: rules.map_or_else(
                || inherited.rules.clone(),
                |rules| rules.iter().map(|rule| rule.spec.clone()).collect(),
            ),
            thresholds: thresholds.map_or_else(
                || inherited.thresholds.clone(),
                |thresholds| thresholds.iter().map(|threshold| threshold.spec.clone()).collect(),
            ),
        }
    }

    /// The diagnostic of a problem at its place in the file. `None` for names of rules, which are checked before.
    fn diagnostic(&self, place: Place, problem: PolicyProblem, names: &Names<'_>) -> Option<Diagnostic> {
        let rule = |index: usize| self.rules.as_ref().map(|rules| &rules[index]);
        let threshold = |index: usize| self.thresholds.as_ref().map(|thresholds| &thresholds[index]);
        let own = match place {
            Place::RuleName(_) => return None,
            Place::RuleWhen(index) => rule(index).map(|rule| (Some(rule.when), None)),
            Place::RuleReason(index) => rule(index).map(|rule| (None, Some(rule.reason))),
            Place::Threshold(index) => threshold(index).map(|threshold| (Some(threshold.when), None)),
            Place::ThresholdReason(index) => threshold(index).map(|threshold| (None, threshold.reason)),
        };
        let Some((expression, code)) = own else {
            return Some(self.of_inherited(place, &problem));
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

impl Usable<'_> {
    /// The diagnostic of what does not compile any more.
    fn of_inherited(&self, place: Place, problem: &PolicyProblem) -> Diagnostic {
        let (spec, blame) = self.inherited;
        let what = match place {
            Place::RuleName(index) | Place::RuleWhen(index) | Place::RuleReason(index) => {
                format!("the rule `{}`", spec.rules[index].name)
            }
            Place::Threshold(index) | Place::ThresholdReason(index) => {
                format!("the threshold `{}`", spec.thresholds[index].when)
            }
        };
        Diagnostic::new(
            format!("{what} of the pipeline file would not be valid any more: {problem}"),
            blame.clone(),
        )
    }
}

fn usable_rule<'f>(
    rule: &'f Rule,
    entities: &[(String, Slot)],
    names: &Names<'_>,
    outcomes: &DeclaredOutcomes,
    diagnostics: &mut Diagnostics,
) -> Option<UsableRule<'f>> {
    let then = rule.then.0.as_ref().map(|then| outcomes.find(then, diagnostics))?;
    let name = rule.name.0.as_ref()?;
    let when = rule.when.0.as_ref()?;
    if !names.can_use(when, diagnostics) {
        return None;
    }
    let share = match &rule.share {
        None => None,
        Some(share) => Some(keys_of_rule(share, rule, entities, diagnostics)?),
    };
    let reason = rule.reason.as_ref().unwrap_or(name);
    Some(UsableRule {
        spec: RuleSpec {
            name: name.value.clone(),
            when: when.value.0.clone(),
            then,
            reason: reason.value.clone(),
            description: rule.description.clone(),
            mode: rule.mode.map_or(RuleMode::Active, |mode| mode.0),
            share,
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

/// The keys to which a rule with a share applies.
fn keys_of_rule(
    share: &Spanned<f64>,
    rule: &Rule,
    entities: &[(String, Slot)],
    diagnostics: &mut Diagnostics,
) -> Option<KeyShare> {
    let entity = divided_entity(rule.entity.as_ref(), entities, diagnostics);
    let share = share_of(share, EXAMPLE_OF_KEYS, diagnostics);
    let ((entity, slot), share) = (entity?, share?);
    let places = 0.0..share;
    Some(KeyShare { entity, slot, places })
}

/// An entity divides nothing if there is no share.
fn check_shares(rules: Option<&List<Rule>>, diagnostics: &mut Diagnostics) {
    let rules = rules.into_iter().flat_map(|rules| &rules.0);
    let without_share = rules.filter(|rule| rule.value.share.is_none());
    for entity in without_share.filter_map(|rule| rule.value.entity.as_ref()) {
        diagnostics.add(
            Diagnostic::new(
                "`entity` says whose keys `share` divides, and there is no `share`",
                entity.span.clone(),
            )
            .help(EXAMPLE_OF_KEYS),
        );
    }
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
fn check_thresholds(section: Option<&Spanned<Thresholds>>, outcomes: &DeclaredOutcomes, diagnostics: &mut Diagnostics) {
    let (Some(section), Some(severe)) = (section, outcomes.severe()) else {
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

fn check_rule_names(rules: Option<&List<Rule>>, diagnostics: &mut Diagnostics) {
    let mut seen: HashMap<&str, &Spanned<String>> = HashMap::new();
    let rules = rules.into_iter().flat_map(|rules| &rules.0);
    let names = rules.filter_map(|rule| rule.value.name.0.as_ref());
    for name in names {
        match seen.get(name.value.as_str()) {
            Some(first) => diagnostics.add(
                Diagnostic::new(format!("two rules have the name `{}`", name.value), name.span.clone())
                    .label("the second rule")
                    .also(first.span.clone(), "the first rule")
                    .help("use another name for one of them: decisions list the rules that fired by name"),
            ),
            None => {
                seen.insert(&name.value, name);
            }
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
/// `scores` is the place of what may give no score.
pub fn without_score(
    section: Option<&Spanned<Thresholds>>,
    scores: Option<&Span>,
    outcomes: &DeclaredOutcomes,
    diagnostics: &mut Diagnostics,
) -> Outcome {
    if let Some(given) = section.and_then(|section| section.value.without_score.as_ref()) {
        return outcomes.find(given, diagnostics);
    }
    let default = outcomes.outcomes.find(WITHOUT_SCORE);
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
