//! What is said to have a value always has one, and what analysts write in place of a missing value is recognised.

use riskstream_events::{Value, ValueType};
use riskstream_expressions::{Expression, Scope};

/// `amount` and `gift` are always there, `count` and `channel` may be missing.
fn expression(source: &str) -> Expression {
    let mut scope = Scope::new();
    scope.add("amount", 0, ValueType::Float);
    scope.add("gift", 1, ValueType::Bool);
    scope.add("count", 2, ValueType::Int);
    scope.add("channel", 3, ValueType::Text);
    Expression::compile(source, &scope).unwrap()
}

#[test]
fn presence_is_proved_or_denied() {
    for (source, expected) in [
        ("amount", true),
        ("amount / 0.0", true),
        ("max(amount, 1.5) * 2.0", true),
        ("gift && amount > 1.0", true),
        ("gift ? amount : 0.0", true),
        ("!gift", true),
        ("coalesce(count, 0)", true),
        ("coalesce(count, 0) > 3 ? 1.0 : amount", true),
        ("coalesce(channel == 'online', false)", true),
        ("coalesce(channel, '')", true),
        ("coalesce(channel, '') in ['a', 'b']", true),
        ("count == null", true),
        ("7", true),
        ("count", false),
        ("channel == 'online'", false),
        ("count > 3", false),
        ("gift ? amount : count", false),
        ("count > 3 ? 1.0 : 2.0", false),
        ("coalesce(count, int(channel))", false),
        // It may overflow.
        ("coalesce(count, 0) + 1", false),
    ] {
        let expression = expression(source);
        assert_eq!(expression.is_always_present(&|slot| slot < 2), expected, "{source}");
        if !expected {
            continue;
        }
        for amount in [0.0, -1.0, f64::MAX] {
            for gift in [false, true] {
                for (count, channel) in [(Value::Null, Value::Null), (Value::Int(9), Value::Text("b".into()))] {
                    let row = [Value::Float(amount), Value::Bool(gift), count, channel];
                    assert_ne!(expression.evaluate(&row), Value::Null, "{source} over {row:?}");
                }
            }
        }
    }
}
