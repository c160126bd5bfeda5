//! How rules and thresholds make an outcome, and the errors of a policy that is wrong.

use proptest::prelude::*;
use riskstream_events::{Outcome, Outcomes, Value, ValueType};
use riskstream_expressions::Scope;
use riskstream_policy::{Place, Policy, PolicyProblem, PolicyResult, PolicySpec, RuleMode, RuleSpec, ThresholdSpec};

const APPROVE: Outcome = Outcome::APPROVE;
const REVIEW: Outcome = Outcome::REVIEW;
const DECLINE: Outcome = Outcome::DECLINE;

fn rule(name: &str, when: &str, then: Outcome) -> RuleSpec {
    RuleSpec {
        name: name.to_owned(),
        when: when.to_owned(),
        then,
        reason: format!("R_{name}"),
        description: None,
        mode: RuleMode::Active,
        share: None,
        set: Vec::new(),
    }
}

fn threshold(outcome: Outcome, when: &str) -> ThresholdSpec {
    ThresholdSpec {
        outcome,
        when: when.to_owned(),
        reason: format!("T_{}", outcome.severity()),
    }
}

fn scope() -> Scope {
    let mut scope = Scope::new();
    scope.add("score", 0, ValueType::Float);
    scope.add("listed", 1, ValueType::Bool);
    scope.add("fast", 2, ValueType::Bool);
    scope.add("stolen", 3, ValueType::Bool);
    scope.add("country", 4, ValueType::Text);
    scope
        .add_constants("blocked_countries", &[Value::Text("XX".into())])
        .expect("a valid list");
    scope
}

/// Numbered 0 allow, 1 velocity, 2 stolen; thresholds 3 decline and 4 review.
fn spec() -> PolicySpec {
    PolicySpec {
        rules: vec![
            rule("allow", "listed", APPROVE),
            rule("velocity", "fast", REVIEW),
            rule("stolen", "stolen || country in blocked_countries", DECLINE),
        ],
        thresholds: vec![threshold(REVIEW, "score >= 0.7"), threshold(DECLINE, "score >= 0.95")],
        ..PolicySpec::default()
    }
}

fn row(score: Option<f64>, listed: bool, fast: bool, stolen: bool) -> Vec<Value> {
    let score = score.map_or(Value::Null, Value::Float);
    vec![
        score,
        Value::Bool(listed),
        Value::Bool(fast),
        Value::Bool(stolen),
        Value::Null,
    ]
}

#[test]
#[rustfmt::skip]
fn outcomes() {
    const F: bool = false;
    const T: bool = true;
    let policy = Policy::compile(&spec(), &scope()).expect("a valid policy");
    let mut result = PolicyResult::default();
    for (score, listed, fast, stolen, outcome, fired) in [
        (Some(0.10), F, F, F, APPROVE, &[][..]),
        (Some(0.70), F, F, F, REVIEW,  &[4]),
        (Some(0.95), F, F, F, DECLINE, &[3]),
        (Some(0.10), F, T, F, REVIEW,  &[1]),
        (Some(0.70), F, T, F, REVIEW,  &[1, 4]),
        (Some(0.95), F, T, F, DECLINE, &[1, 3]),
        (Some(0.10), F, F, T, DECLINE, &[2]),
        (Some(0.99), F, T, T, DECLINE, &[1, 2, 3]),
        (Some(0.10), T, F, F, APPROVE, &[0]),
        (Some(0.70), T, F, F, APPROVE, &[0]),       // an approve rule sets the thresholds aside
        (Some(0.99), T, F, F, APPROVE, &[0]),
        (Some(0.99), T, T, F, REVIEW,  &[0, 1]),    // but no other rule
        (Some(0.99), T, F, T, DECLINE, &[0, 2]),
        (None,       F, F, F, APPROVE, &[]),        // null is not beyond a threshold
        (Some(f64::NAN), F, F, F, APPROVE, &[]),
    ] {
        policy.decide(&row(score, listed, fast, stolen), &mut result);
        assert_eq!((result.outcome, result.fired.as_slice()), (outcome, fired), "{score:?} {listed} {fast} {stolen}");
    }
}

/// Numbered 0 trusted, 1 fast; thresholds 2 block, 3 wait and 4 challenge.
#[test]
fn outcomes_of_a_pipeline_are_as_severe_as_their_order() {
    let words = ["pass", "challenge", "wait", "block"];
    let outcomes = Outcomes::new(words.map(str::to_owned).to_vec()).expect("valid outcomes");
    let of = |word| outcomes.find(word).expect("one of them");
    let spec = PolicySpec {
        rules: vec![rule("trusted", "listed", of("pass")), rule("fast", "fast", of("wait"))],
        thresholds: vec![
            threshold(of("challenge"), "score >= 0.5"),
            threshold(of("block"), "score >= 0.9"),
            threshold(of("wait"), "score >= 0.7"),
        ],
        outcomes: outcomes.clone(),
    };
    let policy = Policy::compile(&spec, &scope()).expect("a valid policy");
    let mut result = PolicyResult::default();
    for (score, listed, fast, outcome, fired) in [
        (0.4, false, false, "pass", &[][..]),
        (0.5, false, false, "challenge", &[4]),
        (0.7, false, false, "wait", &[3]),
        (0.9, false, false, "block", &[2]),
        (0.5, false, true, "wait", &[1, 4]),
        (0.9, true, false, "pass", &[0]),
        (0.9, true, true, "wait", &[0, 1]),
    ] {
        policy.decide(&row(Some(score), listed, fast, false), &mut result);
        let found = (policy.outcomes().word(result.outcome), result.fired.as_slice());
        assert_eq!(found, (outcome, fired), "{score} {listed} {fast}");
    }
    let names: Vec<&str> = policy.reasons().map(|reason| reason.name.as_str()).collect();
    assert_eq!(names, ["trusted", "fast", "block", "wait", "challenge"]);
}

#[test]
fn lists_and_null() {
    let policy = Policy::compile(&spec(), &scope()).expect("a valid policy");
    let mut result = PolicyResult::default();
    let mut row = row(Some(0.1), false, false, false);
    row[3] = Value::Null;
    policy.decide(&row, &mut result);
    assert_eq!(result.outcome, APPROVE);
    row[4] = Value::Text("XX".into());
    policy.decide(&row, &mut result);
    assert_eq!((result.outcome, result.fired.as_slice()), (DECLINE, &[2][..]));
    policy.decide(&[], &mut result);
    assert_eq!(result, PolicyResult::default());
}

#[test]
fn reasons() {
    let mut spec = spec();
    spec.thresholds.truncate(1);
    spec.thresholds[0].reason = "M-1.2".to_owned();
    spec.rules[0].description = Some("trusted".to_owned());
    let policy = Policy::compile(&spec, &scope()).expect("a valid policy");
    let reasons: Vec<_> = policy
        .reasons()
        .map(|r| (r.name.as_str(), r.code.as_str(), r.outcome, r.description.as_deref()))
        .collect();
    assert_eq!(
        reasons,
        [
            ("allow", "R_allow", APPROVE, Some("trusted")),
            ("velocity", "R_velocity", REVIEW, None),
            ("stolen", "R_stolen", DECLINE, None),
            ("review", "M-1.2", REVIEW, None),
        ]
    );
    assert_eq!(policy.reason(3).map(|r| r.code.as_str()), Some("M-1.2"));
    assert_eq!(policy.reason(4), None);
    assert_eq!(policy.slots(), [0, 1, 2, 3, 4]);
}

/// Numbered 0 allow and 1 stolen, both shadows, 2 velocity.
#[test]
fn shadow_rules_are_listed_and_decide_nothing() {
    let shadow = |name, when, then| RuleSpec {
        mode: RuleMode::Shadow,
        set: vec![("queue".to_owned(), "shadow".to_owned())],
        ..rule(name, when, then)
    };
    let spec = PolicySpec {
        rules: vec![
            shadow("allow", "listed", APPROVE),
            shadow("stolen", "stolen", DECLINE),
            rule("velocity", "fast", REVIEW),
        ],
        ..spec()
    };
    let policy = Policy::compile(&spec, &scope()).expect("a valid policy");
    let mut result = PolicyResult::default();
    for (row, outcome, fired, shadows) in [
        (row(Some(0.1), true, false, true), APPROVE, &[][..], &[0, 1][..]),
        (row(Some(0.99), true, false, true), DECLINE, &[3], &[0, 1]),
        (row(Some(0.1), false, true, true), REVIEW, &[2], &[1]),
        (row(Some(0.1), false, true, false), REVIEW, &[2], &[]),
    ] {
        policy.decide(&row, &mut result);
        let found = (result.outcome, result.fired.as_slice(), result.shadows.as_slice());
        assert_eq!(found, (outcome, fired, shadows), "{row:?}");
        assert!(policy.attributes(&result).is_empty());
    }
    assert_eq!(policy.reason(1).map(|reason| reason.mode), Some(RuleMode::Shadow));
    assert_eq!(policy.reason(3).map(|reason| reason.mode), Some(RuleMode::Active));
}

#[test]
fn of_rules_that_set_the_same_the_most_severe_does_and_of_those_the_first() {
    let setting = |name, when, then, set: &[(&str, &str)]| RuleSpec {
        set: set
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..rule(name, when, then)
    };
    let spec = PolicySpec {
        rules: vec![
            setting("a", "listed", REVIEW, &[("queue", "a"), ("limit", "1")]),
            setting("b", "fast", DECLINE, &[("queue", "b")]),
            setting("c", "stolen", DECLINE, &[("queue", "c"), ("sms", "yes")]),
        ],
        ..spec()
    };
    let policy = Policy::compile(&spec, &scope()).expect("a valid policy");
    let mut result = PolicyResult::default();
    for (listed, fast, stolen, expected) in [
        (false, false, false, &[][..]),
        (true, false, false, &[("limit", "1"), ("queue", "a")]),
        (true, true, false, &[("limit", "1"), ("queue", "b")]),
        (true, true, true, &[("limit", "1"), ("queue", "b"), ("sms", "yes")]),
        (true, false, true, &[("limit", "1"), ("queue", "c"), ("sms", "yes")]),
    ] {
        policy.decide(&row(Some(0.99), listed, fast, stolen), &mut result);
        let attributes: Vec<(&str, &str)> = policy.attributes(&result).into_iter().collect();
        assert_eq!(attributes, expected);
    }
}

#[test]
fn a_policy_without_anything_approves() {
    let policy = Policy::compile(&PolicySpec::default(), &Scope::new()).expect("a valid policy");
    let mut result = PolicyResult {
        outcome: DECLINE,
        fired: vec![7],
        shadows: vec![8],
    };
    policy.decide(&[], &mut result);
    assert_eq!(result, PolicyResult::default());
    assert_eq!(policy.slots(), [0; 0]);
}

#[test]
fn all_problems_at_once() {
    let mut spec = spec();
    spec.rules.push(rule("velocity", "fasst", REVIEW));
    spec.rules.push(RuleSpec {
        name: " ".to_owned(),
        ..rule("unnamed", "score", DECLINE)
    });
    spec.rules[0].reason = "no spaces".to_owned();
    spec.thresholds[1].when = "scor > 1 && country > 2".to_owned();
    spec.thresholds[0].reason = String::new();
    let found: Vec<String> = Policy::compile(&spec, &scope())
        .expect_err("a broken policy")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        found,
        [
            "rules[0].reason: a reason code is made of letters, digits, _, - and . (at most 64): \"no spaces\"",
            "rules[3].name: rule 1 has this name already: velocity",
            "rules[3].when: unknown name fasst",
            "rules[4].name: the rule has no name",
            "rules[4].when: a condition must be a bool, not float",
            "thresholds[1]: unknown name scor",
            "thresholds[1]: > does not take text and int",
            "thresholds[0].reason: a reason code is made of letters, digits, _, - and . (at most 64): \"\"",
        ]
    );
}

#[test]
fn problems_have_places_and_help() {
    let mut spec = spec();
    spec.thresholds[0].when = "score >= 0.7 || contry == 'XX'".to_owned();
    let errors = Policy::compile(&spec, &scope()).expect_err("a broken policy");
    let [error] = errors.as_slice() else {
        panic!("{errors:?}")
    };
    let PolicyProblem::Expression(expression) = &error.problem else {
        panic!("{error:?}")
    };
    assert_eq!((error.place, expression.span.clone()), (Place::Threshold(0), 16..22));
    assert_eq!(expression.help.as_deref(), Some("did you mean country?"));
}

proptest! {
    /// Over any rules: the most severe that fired, and thresholds only where no approve rule fired.
    #[test]
    fn the_most_severe_wins(
        rules in prop::collection::vec((any::<bool>(), prop::sample::select(&[APPROVE, REVIEW, DECLINE][..])), 0..8),
        score in 0.0..1.0,
    ) {
        let mut scope = Scope::new();
        scope.add("score", 0, ValueType::Float);
        let thresholds = vec![threshold(DECLINE, "score > 0.9"), threshold(REVIEW, "score > 0.5")];
        let mut spec = PolicySpec { thresholds, ..PolicySpec::default() };
        let mut row = vec![Value::Float(score)];
        for (index, (fires, then)) in rules.iter().enumerate() {
            scope.add(format!("f{index}"), index + 1, ValueType::Bool);
            spec.rules.push(rule(&format!("r{index}"), &format!("f{index}"), *then));
            row.push(Value::Bool(*fires));
        }
        let mut result = PolicyResult::default();
        Policy::compile(&spec, &scope).expect("a valid policy").decide(&row, &mut result);

        let fired: Vec<Outcome> = rules.iter().filter(|(fires, _)| *fires).map(|(_, then)| *then).collect();
        let by_score = if score > 0.9 { DECLINE } else if score > 0.5 { REVIEW } else { APPROVE };
        let by_rules = fired.iter().copied().max().unwrap_or(APPROVE);
        let expected = if fired.contains(&APPROVE) { by_rules } else { by_rules.max(by_score) };
        prop_assert_eq!(result.outcome, expected);
        prop_assert_eq!(result.fired.iter().filter(|index| **index < rules.len()).count(), fired.len());
    }
}
