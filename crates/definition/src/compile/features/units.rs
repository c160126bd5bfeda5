//! Checks with made-up events whether an aggregated expression is in the unit of its sums.

use crate::compile::names::Names;
use riskstream_events::{Row, Slot, Value, ValueType};
use riskstream_expressions::Expression;
use riskstream_features::Precision;

/// Rounding that changes a value by a smaller share is what a precision is for.
const NOTICEABLE: f64 = 1e-3;
/// Amounts of made-up events, in units of 1 or of a thousand times the precision.
const AMOUNTS: [f64; 7] = [7.53, 42.17, 123.45, 0.25, 999.99, 1.0, 68.4];
const INTS: [i64; 5] = [3, 1, 12, 7, 250];
/// 2026-03-14T09:26:53Z in microseconds.
const TIME: i64 = 1_773_480_413_000_000;

/// A value of an expression that its precision changes.
pub struct Rounded {
    /// The event: names and values.
    pub event: String,
    /// The value.
    pub value: f64,
    /// What is summed instead.
    pub summed: f64,
    /// A precision with which its first digits are kept.
    pub precision: Precision,
}

/// A made-up event whose value is not a multiple of the precision, if there is one. Fields are taken to be multiples of it;
/// slots that `is_field` does not accept are not.
pub fn find_rounded(
    expression: &Expression,
    names: &Names<'_>,
    precision: Precision,
    is_field: impl Fn(Slot) -> bool,
) -> Option<Rounded> {
    let unit = precision.unit();
    (0..AMOUNTS.len()).find_map(|event| {
        let row = made_up_row(expression, names, unit, event, &is_field);
        let value = expression
            .evaluate(&row)
            .as_number()
            .filter(|value| value.is_finite())?;
        let summed = (value / unit).round() * unit;
        let is_changed = (summed - value).abs() > NOTICEABLE * value.abs();
        is_changed.then(|| Rounded {
            event: describe(expression, names, &row),
            value: short(value),
            summed: short(summed),
            precision: six_digits(value),
        })
    })
}

/// The values of the slots that the expression reads.
fn made_up_row(
    expression: &Expression,
    names: &Names<'_>,
    unit: f64,
    event: usize,
    is_field: &impl Fn(Slot) -> bool,
) -> Row {
    let mut row = vec![Value::Null; names.slots().len()];
    for (at, &slot) in expression.slots().iter().enumerate() {
        let turn = event + 2 * at;
        let amount = AMOUNTS[turn % AMOUNTS.len()] * if unit > 1.0 { 1_000.0 * unit } else { 1.0 };
        row[slot] = match names.slots()[slot].value_type {
            ValueType::Bool => Value::Bool(turn.is_multiple_of(2)),
            ValueType::Int => Value::Int(INTS[turn % INTS.len()]),
            ValueType::Float if is_field(slot) => Value::Float((amount / unit).round() * unit),
            ValueType::Float => Value::Float(amount / 3.0),
            ValueType::Timestamp => Value::Timestamp(TIME + turn as i64 * 1_000_000),
            ValueType::Text | ValueType::List => Value::Null,
        };
    }
    row
}

fn describe(expression: &Expression, names: &Names<'_>, row: &Row) -> String {
    let described = expression.slots().iter().filter_map(|&slot| {
        let name = &names.slots()[slot].name;
        Some(match &row[slot] {
            Value::Float(number) => format!("{name} = {}", short(*number)),
            Value::Int(number) => format!("{name} = {number}"),
            _ => return None,
        })
    });
    described.collect::<Vec<_>>().join(", ")
}

/// The precision that keeps six digits of a value, or else the finest.
fn six_digits(value: f64) -> Precision {
    const FINEST: f64 = 1e-12;
    let unit = 10f64.powi(value.abs().log10().floor() as i32 - 5);
    Precision::new(unit.max(FINEST)).unwrap_or(Precision::MILLIONTH)
}

/// The number in three digits.
fn short(number: f64) -> f64 {
    format!("{number:.2e}").parse().unwrap_or(number)
}
