//! The parts of timestamps against the calendar of `jiff`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use riskstream_events::{Value, ValueType};
use riskstream_expressions::{Expression, Scope};

fn parts(zone: &str, micros: i64) -> Vec<Value> {
    let mut scope = Scope::new();
    scope.add("at", 0, ValueType::Timestamp);
    [
        "getFullYear",
        "getMonth",
        "getDate",
        "getDayOfMonth",
        "getDayOfYear",
        "getDayOfWeek",
        "getHours",
        "getMinutes",
        "getSeconds",
        "getMilliseconds",
    ]
    .iter()
    .map(|part| {
        let expression = Expression::compile(&format!("at.{part}({zone})"), &scope).expect("a valid expression");
        expression.evaluate(&[Value::Timestamp(micros)])
    })
    .collect()
}

fn expected(zone: TimeZone, micros: i64) -> Vec<Value> {
    let at = Timestamp::from_microsecond(micros)
        .expect("within jiff's years")
        .to_zoned_datetime(zone);
    [
        i64::from(at.year()),
        i64::from(at.month()) - 1,
        i64::from(at.day()),
        i64::from(at.day()) - 1,
        i64::from(at.day_of_year()) - 1,
        i64::from(at.weekday().to_sunday_zero_offset()),
        i64::from(at.hour()),
        i64::from(at.minute()),
        i64::from(at.second()),
        i64::from(at.millisecond()),
    ]
    .map(Value::Int)
    .into()
}

proptest! {
    #[test]
    fn agrees_with_jiff(micros in prop_oneof![
        -377_000_000_000_000_000_i64..253_000_000_000_000_000,
        0_i64..4_000_000_000_000_000,
    ]) {
        prop_assert_eq!(parts("", micros), expected(TimeZone::UTC, micros));
        let new_york = TimeZone::get("America/New_York").expect("a known zone");
        prop_assert_eq!(parts("'America/New_York'", micros), expected(new_york, micros));
    }

    #[test]
    fn every_timestamp_has_parts(micros in any::<i64>()) {
        prop_assert!(!parts("", micros).contains(&Value::Null));
        parts("'Asia/Tokyo'", micros);
    }
}
