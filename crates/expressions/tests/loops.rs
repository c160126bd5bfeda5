//! `exists` and `all`: cases, and against the interpreter of the `cel` crate over lists without null.
mod common;

use cel::{Context, Program};
use common::{compile, row};
use proptest::prelude::*;
use riskstream_events::{Value, ValueType};
use riskstream_expressions::{Expression, Scope};

#[test]
#[rustfmt::skip]
fn loops_over_lists() {
    let row = row();
    for (source, expected) in [
        ("amounts.exists(a, a > 7.0)", Some(true)), ("amounts.exists(a, a > three)", Some(true)), ("amounts.exists(a, a > 8.0)", Some(false)),
        ("amounts.all(a, a >= 2)", Some(true)), ("amounts.all(a, a > 2)", Some(false)), ("amounts.exists(a, a == half * 4.0)", Some(true)),
        ("empty.exists(a, a > 0)", Some(false)), ("empty.all(a, a > 0)", Some(true)), ("no_list.exists(a, true)", None), ("no_list.all(a, true)", None),
        ("countries.exists(c, c == 'FR')", Some(true)), ("countries.exists(c, c == 'IT')", None), ("countries.all(c, c != 'IT')", None), ("countries.all(c, c == 'DE')", Some(false)), ("countries.exists(c, c == null)", Some(true)), ("countries.all(c, c == null || c.size() == 2)", Some(true)),
        ("['Zo', 'An'].exists(p, name.startsWith(p))", Some(true)), ("['x', 'y'].exists(p, name.startsWith(p))", Some(false)), ("[1, 2.5].all(x, x < half)", Some(false)), ("[1, 2].exists(x, x == three - 1)", Some(true)), ("[].exists(x, x == name)", Some(false)),
        ("blocked.exists(c, merchant.country == c)", Some(true)), ("few.all(c, c != merchant.country)", Some(true)), ("numbers.exists(n, n > 3)", Some(true)), ("numbers.all(n, n >= 0.5)", Some(true)), ("nothing.exists(n, n == name)", Some(false)),
        ("'a,b,,c'.split(',').exists(part, part == '')", Some(true)), ("merchant.country.split('').all(c, c >= 'G')", Some(true)),
        ("amounts.exists(a, countries.exists(c, c == 'DE' && a == 8.0))", Some(true)), ("amounts.all(a, amounts.exists(b, b == 10.0 - a))", Some(true)), ("amounts.all(a, amounts.exists(b, b == 9.0 - a))", Some(false)),
        ("amounts.exists(a, a > 7) && yes", Some(true)), ("!amounts.exists(a, a > 9)", Some(true)), ("amounts.exists(a, no_bool)", None), ("amounts.exists(a, 10 in amounts || a > 6)", Some(true)),
        ("amounts.exists(a, amounts[int(a) - 2] == a)", Some(true)),
    ] {
        assert_eq!(compile(source).evaluate(&row), expected.map_or(Value::Null, Value::Bool), "{source}");
    }
}

/// The slots of an expression are those of the row alone.
#[test]
fn variables_of_loops_have_no_slots() {
    assert_eq!(compile("amounts.exists(a, a > half)").slots(), [5, 17]);
    assert!(compile("[1, 2].exists(x, x > 1)").is_constant());
}

fn condition() -> BoxedStrategy<String> {
    let part = prop::sample::select(vec![
        "x > i",
        "x == j",
        "x % i == 0",
        "x + j > 2",
        "p",
        "x in [1, 2, 3]",
        "x == 9223372036854775807",
        "x * x < j",
        "l.exists(y, y == x + 1)",
        "l.all(y, y % j != x)",
    ]);
    (
        part.clone(),
        part,
        prop::sample::select(vec!["&&", "||"]),
        any::<bool>(),
    )
        .prop_map(|(a, b, symbol, negate)| format!("{}({a}) {symbol} {b}", if negate { "!" } else { "" }))
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_interpreter(
        condition in condition(),
        kind in prop::sample::select(vec!["exists", "all"]),
        list in prop::collection::vec(prop_oneof![5 => -3_i64..4, 1 => Just(i64::MAX)], 0..5),
        (i, j, p) in (-1_i64..3, -1_i64..3, any::<bool>()),
    ) {
        let source = format!("l.{kind}(x, {condition})");
        let mut scope = Scope::new();
        scope.add_list("l", 0, ValueType::Int);
        scope.add("i", 1, ValueType::Int);
        scope.add("j", 2, ValueType::Int);
        scope.add("p", 3, ValueType::Bool);
        let values = list.iter().map(|x| Value::Int(*x)).collect();
        let row = [Value::List(values), Value::Int(i), Value::Int(j), Value::Bool(p)];
        let mut context = Context::default();
        context.add_variable_from_value("l", list);
        context.add_variable_from_value("i", i);
        context.add_variable_from_value("j", j);
        context.add_variable_from_value("p", p);

        let ours = Expression::compile(&source, &scope).expect("a valid expression").evaluate(&row);
        let theirs = Program::compile(&source).expect("a valid program").execute(&context);
        match theirs {
            Ok(cel::Value::Bool(theirs)) => prop_assert_eq!(ours, Value::Bool(theirs), "{}", source),
            Ok(other) => prop_assert!(false, "{source} gives {other:?}"),
            Err(_) => prop_assert_eq!(ours, Value::Null, "{}", source),
        }
    }
}
