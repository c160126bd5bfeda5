use crate::support::{Random, field, fields, outcome, personal, required, text, time_in};
use riskstream_events::ReasonCode::{self, *};
use riskstream_events::zone::time_zone;
use riskstream_events::{DecodeError, Field, JsonDecoder, TimestampUnit, Value, ValueType};

fn decode(list: Vec<Field>, json: &[u8]) -> Result<Vec<Value>, ReasonCode> {
    let decoder = JsonDecoder::new(&fields(list));
    outcome(|row| decoder.decode(json, row))
}

/// Decodes `json` with one field `x`.
fn one(value_type: ValueType, json: &str) -> Result<Value, ReasonCode> {
    decode(vec![field("x", value_type)], json.as_bytes()).map(|row| row[0].clone())
}

const MAY_2018: i64 = 1_526_601_600_000_000;

/// Decodes each text as the one field `x`. Floats are compared bit by bit.
fn check(cases: &[(ValueType, &str, Result<Value, ReasonCode>)]) {
    let bits = |value: &Value| match value {
        Value::Float(float) => float.to_bits(),
        _ => 0,
    };
    for (value_type, json, expected) in cases {
        let found = one(*value_type, json);
        assert_eq!(found, *expected, "{json}");
        assert_eq!(found.as_ref().map(bits), expected.as_ref().map(bits), "{json}");
    }
}

#[test]
fn booleans_and_numbers() {
    use ValueType::{Bool, Float, Int};
    check(&[
        (Bool, r#"{"x":true}"#, Ok(Value::Bool(true))),
        (Bool, r#"{"x":1}"#, Ok(Value::Bool(true))),
        (Bool, r#"{"x":0.0}"#, Ok(Value::Bool(false))),
        (Bool, r#"{"x":2}"#, Err(WrongType)),
        (Bool, r#"{"x":0.5}"#, Err(WrongType)),
        (Bool, r#"{"x":"true"}"#, Ok(Value::Bool(true))),
        (Bool, r#"{"x":"perhaps"}"#, Err(WrongType)),
        (Bool, r#"{"x":18446744073709551615}"#, Err(OutOfRange)),
        (Int, r#"{"x":-12}"#, Ok(Value::Int(-12))),
        (Int, r#"{"x":9223372036854775807}"#, Ok(Value::Int(i64::MAX))),
        (Int, r#"{"x":-9223372036854775808}"#, Ok(Value::Int(i64::MIN))),
        (Int, r#"{"x":9223372036854775808}"#, Err(OutOfRange)),
        (Int, r#"{"x":-9223372036854775809}"#, Err(OutOfRange)),
        (Int, r#"{"x":99999999999999999999999}"#, Err(OutOfRange)),
        (Int, r#"{"x":"12"}"#, Ok(Value::Int(12))),
        (Int, r#"{"x":"9223372036854775807"}"#, Ok(Value::Int(i64::MAX))),
        (Int, r#"{"x":"9223372036854775808"}"#, Err(OutOfRange)),
        (Int, r#"{"x":12.0}"#, Ok(Value::Int(12))),
        (Int, r#"{"x":12.5}"#, Err(WrongType)),
        (Int, r#"{"x":true}"#, Ok(Value::Int(1))),
        (Int, r#"{"x":""}"#, Ok(Value::Null)),
        (Int, r#"{"x":"nan"}"#, Ok(Value::Null)),
        (
            Int,
            r#"{"x":9007199254740993.0}"#,
            Ok(Value::Int(9_007_199_254_740_993)),
        ),
        (
            Int,
            r#"{ "x" : 900719925474099300e-2 , "y":1}"#,
            Ok(Value::Int(9_007_199_254_740_993)),
        ),
        (Int, r#"{"x":9223372036854775807.0}"#, Ok(Value::Int(i64::MAX))),
        (Int, r#"{"x":9223372036854775808.0}"#, Err(OutOfRange)),
        // The place of a name with escapes is not known, so the number is that of a float.
        (Int, r#"{"\u0078":42.0}"#, Ok(Value::Int(42))),
        (Int, r#"{"\u0078":9007199254740993.0}"#, Err(OutOfRange)),
        (Float, r#"{"x":12}"#, Ok(Value::Float(12.0))),
        (Float, r#"{"x":-0.0}"#, Ok(Value::Float(-0.0))),
        (
            Float,
            r#"{"x":18446744073709551615}"#,
            Ok(Value::Float(18446744073709551615.0)),
        ),
        (Float, r#"{"x":57.16}"#, Ok(Value::Float(57.16))),
        (
            Float,
            r#"{"x":9007199254740993.0}"#,
            Ok(Value::Float(9007199254740992.0)),
        ),
        (Float, r#"{"x":"57.16"}"#, Ok(Value::Float(57.16))),
        (Float, r#"{"x":"1e-3"}"#, Ok(Value::Float(0.001))),
        (Float, r#"{"x":"57,16"}"#, Err(WrongType)),
        (Float, r#"{"x":" 57"}"#, Err(WrongType)),
        (Float, r#"{"x":5e-8}"#, Ok(Value::Float(5e-8))),
        (Float, r#"{"x":true}"#, Ok(Value::Float(1.0))),
        (Float, r#"{"x":"NaN"}"#, Ok(Value::Null)),
        (Float, r#"{"x":"-Infinity"}"#, Err(NotFinite)),
        (Float, r#"{"x":"1e999"}"#, Err(NotFinite)),
        (Float, r#"{"x":1e999}"#, Err(OutOfRange)),
        (Float, r#"{"x":NaN}"#, Ok(Value::Null)),
        (Float, r#"{"x":NaN,"y":"NaN \"NaN"}"#, Ok(Value::Null)),
        (
            Float,
            r#"{"y":[NaN,-Infinity,"Infinity\\"],"x":7}"#,
            Ok(Value::Float(7.0)),
        ),
        (Float, r#"{"x":NaNs}"#, Err(NotJson)),
        (Float, r#"{"x": Infinity}"#, Err(NotFinite)),
        (Float, r#"{"x":-Infinity}"#, Err(NotFinite)),
        (Float, r#"{"x":[1]}"#, Err(WrongType)),
        (Float, r#"{"x":{}}"#, Err(WrongType)),
    ]);
}

#[test]
fn texts_times_and_absent_values() {
    use ValueType::{Float, Text, Timestamp};
    check(&[
        (Text, r#"{"x":"a\u00e9\n\"b\""}"#, Ok(text("aé\n\"b\""))),
        (Text, r#"{"x":""}"#, Ok(text(""))),
        (Text, r#"{"x":12}"#, Ok(text("12"))),
        (Text, r#"{"x":12.5}"#, Err(WrongType)),
        (Text, r#"{"x":12.0}"#, Ok(text("12"))),
        (Text, r#"{"x":18446744073709551616}"#, Ok(text("18446744073709551616"))),
        (Text, r#"{"x":1e22}"#, Ok(text("10000000000000000000000"))),
        (Text, r#"{"x":true}"#, Err(WrongType)),
        (Text, r#"{"x":"NaN"}"#, Ok(text("NaN"))),
        (Text, r#"{"x":NaN}"#, Ok(Value::Null)),
        (Text, r#"{"x":"\ud800"}"#, Err(NotJson)),
        (
            Timestamp,
            r#"{"x":"2018-05-18T00:00:00Z"}"#,
            Ok(Value::Timestamp(MAY_2018)),
        ),
        (
            Timestamp,
            r#"{"x":"2018-05-18 02:00:00+02:00"}"#,
            Ok(Value::Timestamp(MAY_2018)),
        ),
        (
            Timestamp,
            r#"{"x":"2018-05-18 00:00:00"}"#,
            Ok(Value::Timestamp(MAY_2018)),
        ),
        (Timestamp, r#"{"x":1526601600000}"#, Ok(Value::Timestamp(MAY_2018))),
        (Timestamp, r#"{"x":"1526601600000"}"#, Ok(Value::Timestamp(MAY_2018))),
        (
            Timestamp,
            r#"{"x":1526601600000.5}"#,
            Ok(Value::Timestamp(MAY_2018 + 500)),
        ),
        (
            Timestamp,
            r#"{"x":"1526601600000.5"}"#,
            Ok(Value::Timestamp(MAY_2018 + 500)),
        ),
        (Timestamp, r#"{"x":"NaT"}"#, Ok(Value::Null)),
        (Timestamp, r#"{"x":"yesterday"}"#, Err(InvalidTimestamp)),
        (Timestamp, r#"{"x":"2018-02-30T00:00:00Z"}"#, Err(InvalidTimestamp)),
        (Timestamp, r#"{"x":9223372036854775807}"#, Err(OutOfRange)),
        (Timestamp, r#"{"x":1e300}"#, Err(OutOfRange)),
        (Timestamp, r#"{"x":253402300800000}"#, Err(OutOfRange)),
        (Timestamp, r#"{"x":true}"#, Err(WrongType)),
        (Float, r#"{"x":null}"#, Ok(Value::Null)),
        (Float, r#"{}"#, Ok(Value::Null)),
        (Float, r#"{"x":1,"x":2}"#, Ok(Value::Float(2.0))),
        (Float, r#"{"x":1,"x":null}"#, Ok(Value::Null)),
        (Float, r#"{"\u0078":1}"#, Ok(Value::Float(1.0))),
    ]);
}

#[test]
fn timestamps_in_declared_units() {
    use TimestampUnit::{Micros, Millis, Nanos, Seconds};
    for (unit, json, expected) in [
        (Seconds, r#"{"x":1526601600}"#, Ok(MAY_2018)),
        (Seconds, r#"{"x":1526601600.25}"#, Ok(MAY_2018 + 250_000)),
        (Seconds, r#"{"x":-1}"#, Ok(-1_000_000)),
        (Millis, r#"{"x":1526601600001}"#, Ok(MAY_2018 + 1_000)),
        (Micros, r#"{"x":1526601600000001}"#, Ok(MAY_2018 + 1)),
        (Micros, r#"{"x":"2018-05-18T00:00:00Z"}"#, Ok(MAY_2018)),
        (Seconds, r#"{"x":9223372036854775807}"#, Err(OutOfRange)),
        (Nanos, r#"{"x":1526601600000001999}"#, Ok(MAY_2018 + 1)),
        (Nanos, r#"{"x":-1}"#, Ok(-1)),
        (Nanos, r#"{"x":1500.0}"#, Ok(1)),
        (Nanos, r#"{"x":1500.5}"#, Ok(2)),
        // A text is the same number.
        (Seconds, r#"{"x":"1526601600"}"#, Ok(MAY_2018)),
        (Seconds, r#"{"x":"1526601600.25"}"#, Ok(MAY_2018 + 250_000)),
        (Seconds, r#"{"x":"1.5266016e9"}"#, Ok(MAY_2018)),
        (Millis, r#"{"x":"1526601600001"}"#, Ok(MAY_2018 + 1_000)),
        (Micros, r#"{"x":"1526601600000001"}"#, Ok(MAY_2018 + 1)),
        (Nanos, r#"{"x":"1526601600000001999"}"#, Ok(MAY_2018 + 1)),
        (Nanos, r#"{"x":"1e30"}"#, Err(OutOfRange)),
        (Millis, r#"{"x":"yesterday"}"#, Err(InvalidTimestamp)),
    ] {
        let found = decode(vec![time_in("x", unit)], json.as_bytes());
        assert_eq!(found, expected.map(|micros| vec![Value::Timestamp(micros)]), "{json}");
    }
}

#[test]
fn local_times_are_of_the_fields_zone() {
    let in_berlin = || Field {
        zone: time_zone("Europe/Berlin"),
        ..field("x", ValueType::Timestamp)
    };
    for (json, expected) in [
        (r#"{"x":"2018-05-18 02:00:00"}"#, MAY_2018),
        (r#"{"x":"2018-05-18"}"#, MAY_2018 - 7_200_000_000),
        (r#"{"x":"2018-05-18T00:00Z"}"#, MAY_2018),
        (r#"{"x":1526601600000}"#, MAY_2018),
    ] {
        let found = decode(vec![in_berlin()], json.as_bytes());
        assert_eq!(found, Ok(vec![Value::Timestamp(expected)]), "{json}");
    }
}

/// The texts are what Python's `base64.b64encode(n.to_bytes(length, "big", signed=True))` gives, as Kafka Connect's converter.
#[test]
fn decimals_in_base64() {
    let scaled = |value_type| Field {
        decimal_scale: Some(2),
        ..field("x", value_type)
    };
    for (json, float, int) in [
        (r#"{"x":"MDk="}"#, Ok(123.45), Err(WrongType)),
        (r#"{"x":"z8c="}"#, Ok(-123.45), Err(WrongType)),
        (r#"{"x":"AMgA"}"#, Ok(512.0), Ok(512)),
        (r#"{"x":"AA=="}"#, Ok(0.0), Ok(0)),
        // Digits are base64 too.
        (r#"{"x":"1234"}"#, Ok(-26_588.24), Err(WrongType)),
        (r#"{"x":12.5}"#, Ok(12.5), Err(WrongType)),
        (r#"{"x":"12.5"}"#, Err(WrongType), Err(WrongType)),
        (r#"{"x":"MDk"}"#, Err(WrongType), Err(WrongType)),
    ] {
        let floats = decode(vec![scaled(ValueType::Float)], json.as_bytes());
        assert_eq!(floats, float.map(|float| vec![Value::Float(float)]), "{json}");
        let ints = decode(vec![scaled(ValueType::Int)], json.as_bytes());
        assert_eq!(ints, int.map(|int| vec![Value::Int(int)]), "{json}");
    }
}

#[test]
fn records_that_are_not_objects_of_the_right_shape() {
    for (json, expected) in [
        (&b"{\"x\":1}"[..], Ok(Value::Float(1.0))),
        (b" \n{ \"x\" : 1 } \n", Ok(Value::Float(1.0))),
        (b"", Err(NotJson)),
        (b"   ", Err(NotJson)),
        (b"null", Err(NotJson)),
        (b"5", Err(NotJson)),
        (b"\"x\"", Err(NotJson)),
        (b"[{\"x\":1}]", Err(NotJson)),
        (b"{\"x\":1", Err(NotJson)),
        (b"{\"x\":1}}", Err(NotJson)),
        (b"{\"x\":1}{\"x\":2}", Err(NotJson)),
        (b"{\"x\":1,}", Err(NotJson)),
        (b"{'x':1}", Err(NotJson)),
        (b"{x:1}", Err(NotJson)),
        (b"{\"x\":01}", Err(NotJson)),
        (b"{\"y\":nope,\"x\":1}", Err(NotJson)),
        (b"{\"x\":1,\"y\":\"\xff\"}", Err(InvalidUtf8)),
        (b"{\"x\":1,\"y\":\"\xed\xa0\x80\"}", Err(InvalidUtf8)),
        (b"\xef\xbb\xbf{\"x\":1}", Err(NotJson)),
        (b"\x00\x00\x00\x00\x01{\"x\":1}", Err(NotJson)),
    ] {
        let found = decode(vec![field("x", ValueType::Float)], json).map(|row| row[0].clone());
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(json));
    }
}

#[test]
fn nested_fields() {
    let list = || {
        vec![
            field("a.b.c", ValueType::Int),
            field("a.b.d", ValueType::Int),
            field("a.e", ValueType::Int),
            field("f", ValueType::Int),
        ]
    };
    let n = Value::Null;
    let i = Value::Int;
    for (json, expected) in [
        (r#"{"a":{"b":{"c":1,"d":2},"e":3},"f":4}"#, Ok([i(1), i(2), i(3), i(4)])),
        (
            r#"{"f":4,"a":{"e":3,"b":{"d":2,"c":1,"x":[{"c":9}]}}}"#,
            Ok([i(1), i(2), i(3), i(4)]),
        ),
        (r#"{"a":null,"f":4}"#, Ok([n.clone(), n.clone(), n.clone(), i(4)])),
        (r#"{"a":{"b":null}}"#, Ok([n.clone(), n.clone(), n.clone(), n.clone()])),
        // The last of two objects of one name counts as a whole.
        (
            r#"{"a":{"e":3,"b":{"c":1}},"a":{"b":{"d":2}}}"#,
            Ok([n.clone(), i(2), n.clone(), n.clone()]),
        ),
        (
            r#"{"a":{"e":3},"a":null}"#,
            Ok([n.clone(), n.clone(), n.clone(), n.clone()]),
        ),
        (r#"{"a":5}"#, Err(WrongType)),
        (r#"{"a":{"b":[1]}}"#, Err(WrongType)),
        (
            r#"{"a.e":3,"b":{"c":1}}"#,
            Ok([n.clone(), n.clone(), n.clone(), n.clone()]),
        ),
    ] {
        assert_eq!(decode(list(), json.as_bytes()), expected.map(Vec::from), "{json}");
    }
}

#[test]
fn required_fields() {
    for (json, expected) in [
        (r#"{"x":1}"#, None),
        (r#"{"x":null}"#, Some(MissingField)),
        (r#"{"y":1}"#, Some(MissingField)),
        (r#"{}"#, Some(MissingField)),
    ] {
        assert_eq!(
            decode(vec![required("x", ValueType::Int)], json.as_bytes()).err(),
            expected,
            "{json}"
        );
    }
}

#[test]
fn personal_data_becomes_a_pseudonym() {
    let expected = riskstream_events::Pseudonymizer::new(b"secret").pseudonym(b"4111111111111111");
    for json in [r#"{"card":"4111111111111111"}"#, r#"{"card":4111111111111111}"#] {
        assert_eq!(
            decode(vec![personal("card")], json.as_bytes()),
            Ok(vec![Value::Text(expected.clone())])
        );
    }
}

#[test]
fn errors_name_field_and_place_but_no_value() {
    let list = vec![
        field("a.b", ValueType::Float),
        field("t", ValueType::Timestamp),
        personal("card"),
    ];
    let decoder = JsonDecoder::new(&fields(list));
    for (json, expected) in [
        (
            r#"{"a":{"b":"4111s3cret"}}"#,
            "wrong_type: field a.b at byte 21: text that is not a number",
        ),
        (
            r#"{"a":{"b":[]}}"#,
            "wrong_type: field a.b at byte 11: an array where float is expected",
        ),
        (r#"{"a":"4111s3cret"}"#, "wrong_type: a at byte 16: not an object"),
        (
            r#"{"a":{"b":Infinity}}"#,
            "not_finite: field a.b at byte 19: NaN or infinite",
        ),
        (
            r#"{"a":{"b":1e999}}"#,
            "out_of_range: field a.b at byte 14: number out of range",
        ),
        (
            "{\n\"t\":\"4111s3cret\"}",
            "invalid_timestamp: field t at byte 17: text that is not a time like 2026-01-31T23:59:59Z",
        ),
        (
            r#"{"card":4111.1111}"#,
            "wrong_type: field card at byte 16: a number with a fraction where text is expected",
        ),
        (r#""4111s3cret""#, "not_json: at byte 11: not a JSON object"),
        (
            r#"{"card":"4111s3cret"#,
            "not_json: field card at byte 18: EOF while parsing a string",
        ),
        (r#"{"card":4111s3cret}"#, "not_json: at byte 12: expected `,` or `}`"),
    ] {
        let error = decoder.decode(json.as_bytes(), &mut vec![]).unwrap_err();
        assert_eq!(error.to_string(), expected, "{json}");
        assert!(!error.to_string().contains("s3cret"));
    }
}

#[test]
fn depth_is_no_danger() {
    let deep = |open: &str, close: &str, depth: usize| {
        format!(r#"{{"y":{}1{},"x":7}}"#, open.repeat(depth), close.repeat(depth))
    };
    for (open, close) in [("[", "]"), (r#"{"x":"#, "}")] {
        assert_eq!(one(ValueType::Int, &deep(open, close, 200_000)), Ok(Value::Int(7)));
        assert_eq!(one(ValueType::Int, &deep(open, "", 200_000)), Err(NotJson));
    }
    let list = || vec![field("x.x", ValueType::Int)];
    let nested = format!("{}1{}", r#"{"x":"#.repeat(100_000), "}".repeat(100_000));
    assert_eq!(decode(list(), nested.as_bytes()), Err(WrongType));
}

#[test]
fn truncation_is_always_an_error() {
    let json = br#"{"a":{"b":12.5,"z":[1,{"q":null}]},"t":"2018-05-18T00:00:00Z","card":"x"}"#;
    let list = vec![
        field("a.b", ValueType::Float),
        field("t", ValueType::Timestamp),
        personal("card"),
    ];
    let decoder = JsonDecoder::new(&fields(list));
    assert_eq!(decoder.decode(json, &mut vec![]), Ok(()));
    for end in 0..json.len() {
        let error = decoder.decode(&json[..end], &mut vec![]).unwrap_err();
        assert!(
            matches!(error, DecodeError::Rejected(ref rejection) if rejection.code == NotJson),
            "{end}: {error}"
        );
    }
}

#[test]
fn long_numbers_are_read_to_the_nearest_float() {
    let mut random = Random(4);
    for _ in 0..20_000 {
        let digits: String = (0..=random.below(25))
            .map(|_| char::from(b'0' + random.below(10) as u8))
            .collect();
        let number = format!("{}.{digits}e{}", random.below(1000), random.integer() % 300);
        // The standard library's parser rounds correctly whatever the length.
        let expected: f64 = number.parse().unwrap();
        let found = one(ValueType::Float, &format!(r#"{{"x":{number}}}"#));
        assert_eq!(found, Ok(Value::Float(expected)), "{number}");
    }
}
