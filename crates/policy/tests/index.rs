//! Of many rules those fire whose conditions are true, whatever the index leaves out: against evaluating each condition.

use proptest::prelude::*;
use riskstream_events::{Outcome, Value, ValueType};
use riskstream_expressions::Scope;
use riskstream_policy::{Policy, PolicyResult, PolicySpec, RuleMode, RuleSpec};

const BIG: i64 = 9_007_199_254_740_993; // 2^53 + 1: its nearest float is 2^53

fn scope() -> Scope {
    let mut scope = Scope::new();
    scope.add("i", 0, ValueType::Int);
    scope.add("f", 1, ValueType::Float);
    scope.add("t", 2, ValueType::Text);
    scope.add("b", 3, ValueType::Bool);
    scope.add("at", 4, ValueType::Timestamp);
    let words = |count: usize| -> Vec<Value> { (0..count).map(|n| Value::Text(format!("w{n}").into())).collect() };
    scope.add_constants("listed", &words(300)).expect("a valid list");
    scope
}

fn policy(conditions: impl IntoIterator<Item = String>) -> Policy {
    let rule = |(index, when): (usize, String)| RuleSpec {
        name: format!("r{index}"),
        when,
        then: Outcome::REVIEW,
        reason: "R".to_owned(),
        description: None,
        mode: RuleMode::Active,
        share: None,
        set: Vec::new(),
    };
    let rules = conditions.into_iter().enumerate().map(rule).collect();
    let spec = PolicySpec {
        rules,
        ..PolicySpec::default()
    };
    Policy::compile(&spec, &scope()).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn fired(policy: &Policy, row: &[Value]) -> Vec<usize> {
    let mut result = PolicyResult::default();
    policy.decide(row, &mut result);
    result.fired
}

fn true_ones(policy: &Policy, row: &[Value]) -> Vec<usize> {
    let conditions = policy.conditions().enumerate();
    conditions
        .filter(|(_, condition)| condition.is_true(row))
        .map(|(index, _)| index)
        .collect()
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (-4_i64..5).prop_map(|n| n.to_string()),
        4 => (-8_i64..9).prop_map(|n| format!("{:?}", n as f64 / 2.0)),
        1 => prop::sample::select(vec![BIG - 2, BIG - 1, BIG, BIG + 1, i64::MAX, i64::MIN + 1]).prop_map(|n| n.to_string()),
        1 => prop::sample::select(vec!["9007199254740992.0", "-0.0", "1e300", "(1.0 / 0.0)", "(-1.0 / 0.0)", "(0.0 / 0.0)"]).prop_map(str::to_owned),
    ]
}

fn word() -> impl Strategy<Value = String> {
    (0..6_u8).prop_map(|n| format!("'w{n}'"))
}

fn term() -> BoxedStrategy<String> {
    let symbol = || prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
    let name = || {
        prop::sample::select(vec![
            "i",
            "f",
            "coalesce(i, 1)",
            "coalesce(f, 0)",
            "coalesce(i, 0.5)",
            "coalesce(f, i)",
        ])
    };
    let any_name = prop::sample::select(vec!["i", "f", "t", "b", "at"]);
    prop_oneof![
        4 => (name(), symbol(), number()).prop_map(|(name, symbol, number)| format!("{name} {symbol} {number}")),
        2 => (number(), symbol(), name()).prop_map(|(number, symbol, name)| format!("{number} {symbol} {name}")),
        1 => (name(), prop::collection::vec(number(), 0..12)).prop_map(|(name, numbers)| {
            let numbers: Vec<String> = numbers.into_iter().filter(|n| !n.starts_with('(')).collect();
            format!("{name} in [{}]", numbers.join(", "))
        }),
        2 => (symbol(), word()).prop_map(|(symbol, word)| format!("t {symbol} {word}")),
        1 => prop::collection::vec(word(), 0..12).prop_map(|words| format!("coalesce(t, 'w1') in [{}]", words.join(", "))),
        1 => prop::sample::select(vec!["t in listed", "t.startsWith('w')", "coalesce(b, false)", "b == true", "f > i", "i % 2 == 1"]).prop_map(str::to_owned),
        1 => Just("b".to_owned()),
        1 => (any_name, prop::sample::select(vec!["== null", "!= null"])).prop_map(|(name, test)| format!("{name} {test}")),
    ]
    .boxed()
}

fn condition() -> impl Strategy<Value = String> {
    term().prop_recursive(2, 8, 3, |part| {
        prop_oneof![
            3 => prop::collection::vec(part.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" && "))),
            1 => prop::collection::vec(part.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" || "))),
            1 => part.clone().prop_map(|part| format!("!({part})")),
            1 => (part.clone(), part.clone(), part).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

fn value() -> impl Strategy<Value = Value> {
    let floats = vec![
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        1e300,
        0.25,
        9_007_199_254_740_992.0,
    ];
    prop_oneof![
        2 => Just(Value::Null),
        4 => (-5_i64..6).prop_map(Value::Int),
        1 => prop::sample::select(vec![BIG - 2, BIG - 1, BIG, BIG + 1, i64::MAX, i64::MIN]).prop_map(Value::Int),
        4 => (-9_i64..10).prop_map(|n| Value::Float(n as f64 / 2.0)),
        1 => prop::sample::select(floats).prop_map(Value::Float),
        4 => (0..8_u8).prop_map(|n| Value::Text(format!("w{n}").into())),
        1 => Just(Value::Text("w299".into())),
        3 => any::<bool>().prop_map(Value::Bool),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Values of any type in any slot: one of another type than declared counts as null.
    #[test]
    fn the_index_leaves_out_no_rule_that_holds(
        conditions in prop::collection::vec(condition(), 30..90),
        rows in prop::collection::vec(prop::collection::vec(value(), 0..5), 60),
    ) {
        let policy = policy(conditions);
        for row in rows {
            prop_assert_eq!(fired(&policy, &row), true_ones(&policy, &row), "{:?}", row);
        }
    }
}

/// More rules than one block of the index holds, and more constants than it divides values at.
#[test]
fn thousands_of_rules_fire_in_order() {
    let policy = policy((0..5_000).map(|n| match n % 3 {
        0 => format!("i > {n}"),
        1 => format!("t == 'w{}'", n % 1_000),
        _ => format!("f <= {n}.5 && i != {n}"),
    }));
    for n in [-1, 0, 2, 500, 2_047, 2_048, 2_051, 4_999, 9_999] {
        let row = [
            Value::Int(n),
            Value::Float(n as f64 + 0.5),
            Value::Text(format!("w{}", n % 1_000).into()),
        ];
        let fired = fired(&policy, &row);
        assert_eq!(fired, true_ones(&policy, &row), "{n}");
        assert!(!fired.is_empty(), "{n}");
    }
}
