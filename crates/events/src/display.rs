//! Values as text for people, shortened, in reasons and tables. JSON and Avro have them in full.

use crate::time;
use crate::value::Value;

/// The text for an absent value.
pub const MISSING: &str = "missing";

/// A number with two decimals, or with two significant digits if it is below 1. Without trailing zeros: 2.5, 40, 0.064.
pub fn number(number: f64) -> String {
    if !number.is_finite() {
        return MISSING.to_owned();
    }
    let size = number.abs();
    if size >= 1e15 || (size < 1e-6 && size > 0.0) {
        return format!("{number:.1e}");
    }
    let decimals = match size < 1.0 && size > 0.0 {
        true => (1.0 - size.log10().floor()) as usize,
        false => 2,
    };
    let text = format!("{number:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// A value. Booleans are `yes` and `no`, times are RFC 3339 to the second, a list is its length.
pub fn value(value: &Value) -> String {
    match value {
        Value::Null => MISSING.to_owned(),
        Value::Bool(bool) => yes_or_no(*bool).to_owned(),
        Value::Int(int) => int.to_string(),
        Value::Float(float) => number(*float),
        Value::Text(text) => text.to_string(),
        Value::Timestamp(micros) => {
            let mut text = Vec::new();
            time::write(*micros, &mut text);
            let text = String::from_utf8_lossy(&text);
            let (seconds, _) = text.split_once('.').unwrap_or((&text, ""));
            format!("{seconds}Z")
        }
        Value::List(values) => list(values.len()),
    }
}

/// `yes` or `no`.
pub fn yes_or_no(bool: bool) -> &'static str {
    if bool { "yes" } else { "no" }
}

/// The text for a list of this many values.
pub fn list(length: usize) -> String {
    match length {
        1 => "1 value".to_owned(),
        length => format!("{length} values"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (given, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (40.0, "40"),
            (0.300_000_011_920_928_96, "0.3"),
            (249.99, "249.99"),
            (-16.123_456, "-16.12"),
            (0.999, "1"),
            (0.063_829_79, "0.064"),
            (-0.000_012_345, "-0.000012"),
            (1.2e-9, "1.2e-9"),
            (123_456_789.5, "123456789.5"),
            (1e300, "1.0e300"),
            (f64::NAN, "missing"),
            (f64::NEG_INFINITY, "missing"),
        ] {
            assert_eq!(number(given), expected);
        }
    }

    #[test]
    fn every_type_has_words() {
        for (given, expected) in [
            (Value::Null, "missing"),
            (Value::Bool(true), "yes"),
            (Value::Int(-12), "-12"),
            (Value::Float(2.50), "2.5"),
            (Value::Text("DE".into()), "DE"),
            (Value::Timestamp(1_767_614_400_123_456), "2026-01-05T12:00:00Z"),
        ] {
            assert_eq!(value(&given), expected);
        }
    }
}
