//! The compiled policy.

use crate::index::Index;
use crate::spec::{Place, PolicyError, PolicyProblem, PolicySpec, RuleMode, ThresholdSpec};
use riskstream_events::{KeyShare, Outcome, Outcomes, Slot, Value};
use riskstream_expressions::{Expression, Scope};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A rule or threshold that can fire: its outcome, and the reason that decisions give for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyReason {
    /// The rule's name; the outcome's word for a threshold.
    pub name: String,
    /// The reason code.
    pub code: String,
    /// Its outcome.
    pub outcome: Outcome,
    /// Its description, which decisions contain.
    pub description: Option<String>,
    /// Whether it decides.
    pub mode: RuleMode,
    /// What it sets in the decision.
    pub set: Vec<(String, String)>,
}

/// The result of a policy for one transaction. Its memory is reused from one transaction to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyResult {
    /// The outcome.
    pub outcome: Outcome,
    /// What fired, ascending: the indices of rules, then of the threshold, for [`Policy::reason`].
    pub fired: Vec<usize>,
    /// The shadow rules that would have fired, ascending.
    pub shadows: Vec<usize>,
}

/// Compiled rules and thresholds. The crate's documentation says how they make an outcome.
#[derive(Clone, Debug)]
pub struct Policy {
    outcomes: Outcomes,
    /// Rules, then thresholds, the most severe first.
    conditions: Vec<Condition>,
    rules: usize,
    index: Index,
}

#[derive(Clone, Debug)]
struct Condition {
    expression: Expression,
    /// It applies to these keys only.
    share: Option<KeyShare>,
    reason: PolicyReason,
}

impl Condition {
    fn holds(&self, row: &[Value]) -> bool {
        let is_among = |share: &KeyShare| share.contains(row, &mut String::new());
        self.expression.is_true(row) && self.share.as_ref().is_none_or(is_among)
    }
}

impl Policy {
    /// Compiles the conditions over the names of `scope`.
    ///
    /// # Errors
    /// All problems at once, ordered by place: rules first, then thresholds.
    pub fn compile(spec: &PolicySpec, scope: &Scope) -> Result<Policy, Vec<PolicyError>> {
        let mut compiler = Compiler {
            scope,
            conditions: Vec::new(),
            errors: Vec::new(),
        };
        let mut names = HashMap::new();
        for (index, rule) in spec.rules.iter().enumerate() {
            compiler.check_name(index, &rule.name, &mut names);
            let reason = PolicyReason {
                name: rule.name.clone(),
                code: rule.reason.clone(),
                outcome: rule.then,
                description: rule.description.clone(),
                mode: rule.mode,
                set: rule.set.clone(),
            };
            let places = (Place::RuleWhen(index), Place::RuleReason(index));
            compiler.add(&rule.when, rule.share.clone(), reason, places);
        }
        let mut thresholds: Vec<(usize, &ThresholdSpec)> = spec.thresholds.iter().enumerate().collect();
        thresholds.sort_by_key(|(_, threshold)| std::cmp::Reverse(threshold.outcome));
        for (index, threshold) in thresholds {
            let reason = PolicyReason {
                name: spec.outcomes.word(threshold.outcome).to_owned(),
                code: threshold.reason.clone(),
                outcome: threshold.outcome,
                description: None,
                mode: RuleMode::Active,
                set: Vec::new(),
            };
            let places = (Place::Threshold(index), Place::ThresholdReason(index));
            compiler.add(&threshold.when, None, reason, places);
        }
        if !compiler.errors.is_empty() {
            return Err(compiler.errors);
        }
        let rules = spec.rules.len();
        Ok(Policy {
            outcomes: spec.outcomes.clone(),
            index: Index::new(compiler.conditions[..rules].iter().map(|rule| &rule.expression)),
            conditions: compiler.conditions,
            rules,
        })
    }

    /// The pipeline's outcomes.
    pub fn outcomes(&self) -> &Outcomes {
        &self.outcomes
    }

    /// The conditions of rules and thresholds.
    pub fn conditions(&self) -> impl Iterator<Item = &Expression> {
        self.conditions.iter().map(|condition| &condition.expression)
    }

    /// The slots that rules and thresholds read: sorted, each once.
    pub fn slots(&self) -> Vec<Slot> {
        let keys = self.conditions.iter().filter_map(|condition| condition.share.as_ref());
        let keys = keys.map(|share| share.slot);
        let slots: BTreeSet<Slot> = self
            .conditions()
            .flat_map(Expression::slots)
            .copied()
            .chain(keys)
            .collect();
        slots.into_iter().collect()
    }

    /// Applies the policy to a row and overwrites `result`.
    pub fn decide(&self, row: &[Value], result: &mut PolicyResult) {
        result.fired.clear();
        result.shadows.clear();
        let (rules, thresholds) = self.conditions.split_at(self.rules);
        self.index.candidates(row, |index| {
            let rule = &rules[index];
            if rule.holds(row) {
                match rule.reason.mode {
                    RuleMode::Active => result.fired.push(index),
                    RuleMode::Shadow => result.shadows.push(index),
                }
            }
        });
        let allowed = result
            .fired
            .iter()
            .any(|index| rules[*index].reason.outcome == Outcome::MILDEST);
        if !allowed
            && let Some(index) = thresholds
                .iter()
                .position(|threshold| threshold.expression.is_true(row))
        {
            result.fired.push(self.rules + index);
        }
        let outcomes = result.fired.iter().map(|index| self.conditions[*index].reason.outcome);
        result.outcome = outcomes.max().unwrap_or(Outcome::MILDEST);
    }

    /// What the rules that fired set, by name. If several set the same, the one with the most severe outcome does; of those the
    /// first.
    pub fn attributes(&self, result: &PolicyResult) -> BTreeMap<&str, &str> {
        let fired = result.fired.iter().filter_map(|index| self.reason(*index));
        let mut setting: Vec<&PolicyReason> = fired.filter(|reason| !reason.set.is_empty()).collect();
        setting.sort_by_key(|reason| std::cmp::Reverse(reason.outcome));
        let mut attributes = BTreeMap::new();
        for reason in setting {
            for (name, value) in &reason.set {
                attributes.entry(name.as_str()).or_insert(value.as_str());
            }
        }
        attributes
    }

    /// The rule or threshold of an index in [`PolicyResult::fired`]; `None` for an index that this policy never gives.
    pub fn reason(&self, index: usize) -> Option<&PolicyReason> {
        self.conditions.get(index).map(|condition| &condition.reason)
    }

    /// All rules and thresholds, in the order of their indices in [`PolicyResult::fired`].
    pub fn reasons(&self) -> impl ExactSizeIterator<Item = &PolicyReason> {
        self.conditions.iter().map(|condition| &condition.reason)
    }
}

struct Compiler<'a> {
    scope: &'a Scope,
    conditions: Vec<Condition>,
    errors: Vec<PolicyError>,
}

impl Compiler<'_> {
    fn check_name<'a>(&mut self, index: usize, name: &'a str, names: &mut HashMap<&'a str, usize>) {
        let problem = match names.get(name) {
            _ if name.trim().is_empty() => PolicyProblem::EmptyName,
            Some(&first) => PolicyProblem::DuplicateName {
                name: name.to_owned(),
                first,
            },
            None => {
                names.insert(name, index);
                return;
            }
        };
        self.errors.push(PolicyError {
            place: Place::RuleName(index),
            problem,
        });
    }

    fn add(
        &mut self,
        when: &str,
        share: Option<KeyShare>,
        reason: PolicyReason,
        (place, reason_place): (Place, Place),
    ) {
        match Expression::condition(when, self.scope) {
            Ok(expression) => self.conditions.push(Condition {
                expression,
                share,
                reason: reason.clone(),
            }),
            Err(errors) => {
                self.errors.extend(errors.into_iter().map(|error| PolicyError {
                    place,
                    problem: error.into(),
                }));
            }
        }
        if !is_reason_code(&reason.code) {
            self.errors.push(PolicyError {
                place: reason_place,
                problem: PolicyProblem::BadReason(reason.code),
            });
        }
    }
}

/// Whether a text is a reason code: 1 to 64 letters, digits, `_`, `-` and `.`.
pub fn is_reason_code(code: &str) -> bool {
    const LONGEST: usize = 64;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !code.is_empty() && code.len() <= LONGEST && code.bytes().all(allowed)
}
