//! How rules and thresholds make an outcome, and the errors of a policy that is wrong.

use proptest::prelude::*;
use riskstream_events::{Outcome, Outcome::*, Value, ValueType};
use riskstream_expressions::Scope;
use riskstream_policy::{Place, Policy, PolicyProblem, PolicyResult, PolicySpec, RuleMode, RuleSpec};

fn rule(name: &str, when: &str, then: Outcome) -> RuleSpec {
    RuleSpec {
        name: name.to_owned(),
        when: when.to_owned(),
        then,
        reason: format!("R_{name}"),
        description: None,
        mode: RuleMode::Active,
        set: Vec::new(),
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
            rule("allow", "listed", Approve),
            rule("velocity", "fast", Review),
            rule("stolen", "stolen || country in blocked_countries", Decline),
        ],
        decline: Some("score >= 0.95".to_owned()),
        review: Some("score >= 0.7".to_owned()),
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
        (Some(0.10), F, F, F, Approve, &[][..]),
        (Some(0.70), F, F, F, Review,  &[4]),
        (Some(0.95), F, F, F, Decline, &[3]),
        (Some(0.10), F, T, F, Review,  &[1]),
        (Some(0.70), F, T, F, Review,  &[1, 4]),
        (Some(0.95), F, T, F, Decline, &[1, 3]),
        (Some(0.10), F, F, T, Decline, &[2]),
        (Some(0.99), F, T, T, Decline, &[1, 2, 3]),
        (Some(0.10), T, F, F, Approve, &[0]),
        (Some(0.70), T, F, F, Approve, &[0]),       // an approve rule sets the thresholds aside
        (Some(0.99), T, F, F, Approve, &[0]),
        (Some(0.99), T, T, F, Review,  &[0, 1]),    // but no other rule
        (Some(0.99), T, F, T, Decline, &[0, 2]),
        (None,       F, F, F, Approve, &[]),        // null is not beyond a threshold
        (Some(f64::NAN), F, F, F, Approve, &[]),
    ] {
        policy.decide(&row(score, listed, fast, stolen), &mut result);
        assert_eq!((result.outcome, result.fired.as_slice()), (outcome, fired), "{score:?} {listed} {fast} {stolen}");
    }
}

#[test]
fn lists_and_null() {
    let policy = Policy::compile(&spec(), &scope()).expect("a valid policy");
    let mut result = PolicyResult::default();
    let mut row = row(Some(0.1), false, false, false);
    row[3] = Value::Null;
    policy.decide(&row, &mut result);
    assert_eq!(result.outcome, Approve);
    row[4] = Value::Text("XX".into());
    policy.decide(&row, &mut result);
    assert_eq!((result.outcome, result.fired.as_slice()), (Decline, &[2][..]));
    policy.decide(&[], &mut result);
    assert_eq!(result, PolicyResult::default());
}

#[test]
fn reasons() {
    let mut spec = spec();
    spec.decline = None;
    spec.review_reason = "M-1.2".to_owned();
    spec.rules[0].description = Some("trusted".to_owned());
    let policy = Policy::compile(&spec, &scope()).expect("a valid policy");
    let reasons: Vec<_> = policy
        .reasons()
        .map(|r| (r.name.as_str(), r.code.as_str(), r.outcome, r.description.as_deref()))
        .collect();
    assert_eq!(
        reasons,
        [
            ("allow", "R_allow", Approve, Some("trusted")),
            ("velocity", "R_velocity", Review, None),
            ("stolen", "R_stolen", Decline, None),
            ("review", "M-1.2", Review, None),
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
            shadow("allow", "listed", Approve),
            shadow("stolen", "stolen", Decline),
            rule("velocity", "fast", Review),
        ],
        ..spec()
    };
    let policy = Policy::compile(&spec, &scope()).expect("a valid policy");
    let mut result = PolicyResult::default();
    for (row, outcome, fired, shadows) in [
        (row(Some(0.1), true, false, true), Approve, &[][..], &[0, 1][..]),
        (row(Some(0.99), true, false, true), Decline, &[3], &[0, 1]),
        (row(Some(0.1), false, true, true), Review, &[2], &[1]),
        (row(Some(0.1), false, true, false), Review, &[2], &[]),
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
            setting("a", "listed", Review, &[("queue", "a"), ("limit", "1")]),
            setting("b", "fast", Decline, &[("queue", "b")]),
            setting("c", "stolen", Decline, &[("queue", "c"), ("sms", "yes")]),
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
        outcome: Decline,
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
    spec.rules.push(rule("velocity", "fasst", Review));
    spec.rules.push(RuleSpec {
        name: " ".to_owned(),
        ..rule("unnamed", "score", Decline)
    });
    spec.rules[0].reason = "no spaces".to_owned();
    spec.decline = Some("scor > 1 && country > 2".to_owned());
    spec.review_reason = String::new();
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
            "decline: unknown name scor",
            "decline: > does not take text and int",
            "review reason: a reason code is made of letters, digits, _, - and . (at most 64): \"\"",
        ]
    );
}

#[test]
fn problems_have_places_and_help() {
    let mut spec = spec();
    spec.review = Some("score >= 0.7 || contry == 'XX'".to_owned());
    let errors = Policy::compile(&spec, &scope()).expect_err("a broken policy");
    let [error] = errors.as_slice() else {
        panic!("{errors:?}")
    };
    let PolicyProblem::Expression(expression) = &error.problem else {
        panic!("{error:?}")
    };
    assert_eq!((error.place, expression.span.clone()), (Place::Review, 16..22));
    assert_eq!(expression.help.as_deref(), Some("did you mean country?"));
}

proptest! {
    /// Over any rules: the most severe that fired, and thresholds only where no approve rule fired.
    #[test]
    fn the_most_severe_wins(
        rules in prop::collection::vec((any::<bool>(), prop::sample::select(&Outcome::ALL[..])), 0..8),
        score in 0.0..1.0,
    ) {
        let mut scope = Scope::new();
        scope.add("score", 0, ValueType::Float);
        let mut spec = PolicySpec { decline: Some("score > 0.9".into()), review: Some("score > 0.5".into()), ..PolicySpec::default() };
        let mut row = vec![Value::Float(score)];
        for (index, (fires, then)) in rules.iter().enumerate() {
            scope.add(format!("f{index}"), index + 1, ValueType::Bool);
            spec.rules.push(rule(&format!("r{index}"), &format!("f{index}"), *then));
            row.push(Value::Bool(*fires));
        }
        let mut result = PolicyResult::default();
        Policy::compile(&spec, &scope).expect("a valid policy").decide(&row, &mut result);

        let fired: Vec<Outcome> = rules.iter().filter(|(fires, _)| *fires).map(|(_, then)| *then).collect();
        let by_score = if score > 0.9 { Decline } else if score > 0.5 { Review } else { Approve };
        let by_rules = fired.iter().copied().max().unwrap_or(Approve);
        let expected = if fired.contains(&Approve) { by_rules } else { by_rules.max(by_score) };
        prop_assert_eq!(result.outcome, expected);
        prop_assert_eq!(result.fired.iter().filter(|index| **index < rules.len()).count(), fired.len());
    }
}
