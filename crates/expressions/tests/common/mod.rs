//! A row for the tests, and the names of its slots.
#![allow(dead_code, reason = "each test file uses another part")]

use riskstream_events::{Value, ValueType};
use riskstream_expressions::{Expression, Scope};
use std::sync::Arc;

/// Name, type and value of each slot, in order.
pub fn fields() -> Vec<(&'static str, ValueType, Value)> {
    let floats = |values: &[f64]| Value::List(values.iter().map(|v| Value::Float(*v)).collect::<Arc<[Value]>>());
    vec![
        ("three", ValueType::Int, Value::Int(3)),
        ("zero", ValueType::Int, Value::Int(0)),
        ("biggest", ValueType::Int, Value::Int(i64::MAX)),
        ("smallest", ValueType::Int, Value::Int(i64::MIN)),
        ("no_int", ValueType::Int, Value::Null),
        ("half", ValueType::Float, Value::Float(0.5)),
        ("widened", ValueType::Float, Value::Int(4)),
        ("nan", ValueType::Float, Value::Float(f64::NAN)),
        ("no_float", ValueType::Float, Value::Null),
        ("yes", ValueType::Bool, Value::Bool(true)),
        ("no", ValueType::Bool, Value::Bool(false)),
        ("no_bool", ValueType::Bool, Value::Null),
        ("name", ValueType::Text, Value::Text("Zoë".into())),
        ("merchant.country", ValueType::Text, Value::Text("NG".into())),
        ("no_text", ValueType::Text, Value::Null),
        // Saturday, 2026-02-28T23:59:58.765432Z
        ("at", ValueType::Timestamp, Value::Timestamp(1_772_323_198_765_432)),
        ("no_time", ValueType::Timestamp, Value::Null),
        ("amounts", ValueType::List, floats(&[2.0, 8.0, 5.0])),
        ("empty", ValueType::List, floats(&[])),
        ("no_list", ValueType::List, Value::Null),
        ("mistyped", ValueType::Int, Value::Text("3".into())),
        ("missing", ValueType::Int, Value::Null), // the row ends before it
    ]
}

/// The scope of [`fields`], the text list `countries` (as `texts`) and the constant lists.
pub fn scope() -> Scope {
    let mut scope = Scope::new();
    for (slot, (name, value_type, _)) in fields().into_iter().enumerate() {
        scope.add(name, slot, value_type);
    }
    scope.add_list("countries", COUNTRIES, ValueType::Text);
    let codes: Vec<Value> = ["NG", "RU", "KP", "IR", "SY", "CU", "BY", "VE", "MM", "AF"]
        .map(|c| Value::Text(c.into()))
        .into();
    scope.add_constants("blocked", &codes).unwrap();
    scope.add_constants("few", &codes[1..3]).unwrap();
    scope.add_constants("nothing", &[]).unwrap();
    scope
        .add_constants("numbers", &[Value::Int(3), Value::Float(0.5), Value::Float(4.0)])
        .unwrap();
    scope.add_constants("merchant.lists", &codes[..1]).unwrap();
    scope
}

/// Beyond the fields, so that the field `missing` would have to be in a longer row.
const COUNTRIES: usize = 40;

/// A row in which every slot but that of `missing` has a value.
pub fn row() -> Vec<Value> {
    let mut row: Vec<Value> = fields().into_iter().map(|(_, _, value)| value).collect();
    row.resize(COUNTRIES, Value::Null);
    row.push(Value::List(
        [Value::Text("DE".into()), Value::Null, Value::Text("FR".into())]
            .into_iter()
            .collect(),
    ));
    row
}

/// Compiles what must compile.
pub fn compile(source: &str) -> Expression {
    Expression::compile(source, &scope()).unwrap_or_else(|errors| panic!("{source}: {errors:?}"))
}
