//! Random schemas and values, written by apache-avro: the projection reads what apache-avro reads.

use crate::avro_random::case;
use crate::support::{Random, text};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{NamesRef, ResolvedSchema, UuidSchema};
use apache_avro::types::Value as Avro;
use riskstream_events::{AvroProjection, ReasonCode, Row, Value, ValueType};

/// The value at a path: `None` if a part of the path is null or absent, an error if one is no record.
fn at_path<'v>(
    value: &'v Avro,
    schema: &'v Schema,
    names: &NamesRef<'v>,
    path: &[String],
) -> Result<Option<(&'v Avro, &'v Schema)>, ()> {
    match (value, schema) {
        (value, Schema::Ref { name }) => at_path(value, names[name], names, path),
        (Avro::Union(index, value), Schema::Union(union)) => {
            at_path(value, &union.variants()[*index as usize], names, path)
        }
        (Avro::Null, _) => Ok(None),
        (value, schema) => {
            let Some((first, rest)) = path.split_first() else {
                return Ok(Some((value, schema)));
            };
            match (value, schema) {
                (Avro::Record(values), Schema::Record(record)) => {
                    match record.fields.iter().position(|field| field.name == *first) {
                        Some(index) => at_path(&values[index].1, &record.fields[index].schema, names, rest),
                        None => Ok(None),
                    }
                }
                (Avro::Map(values), Schema::Map(map)) => match values.get(first) {
                    Some(value) => at_path(value, &map.types, names, rest),
                    None => Ok(None),
                },
                _ => Err(()),
            }
        }
    }
}

/// A time, in the years 1 to 9999.
fn time(micros: i128) -> Result<Value, ()> {
    if (-62_135_596_800_000_000..=253_402_300_799_999_999).contains(&micros) {
        Ok(Value::Timestamp(micros as i64))
    } else {
        Err(())
    }
}

/// The value that a slot should hold.
fn expected(value: &Avro, schema: &Schema, value_type: ValueType) -> Result<Value, ()> {
    use ValueType::{Bool, Float, Int, Text, Timestamp};
    let finite = |float: f64| {
        if float.is_finite() {
            Ok(Value::Float(float))
        } else {
            Err(())
        }
    };
    let integral = |float: f64| {
        if float.trunc() == float && float.abs() < 2_f64.powi(53) {
            Ok(float as i64)
        } else {
            Err(())
        }
    };
    let truth = |int: i64| match int {
        0 | 1 => Ok(Value::Bool(int == 1)),
        _ => Err(()),
    };
    match (value, value_type) {
        (Avro::Boolean(bool), Bool) => Ok(Value::Bool(*bool)),
        (Avro::Boolean(bool), Int) => Ok(Value::Int(i64::from(*bool))),
        (Avro::Boolean(bool), Float) => Ok(Value::Float(if *bool { 1.0 } else { 0.0 })),
        (Avro::Int(i), _) => expected(&Avro::Long(i64::from(*i)), schema, value_type),
        (Avro::Long(i), Int) => Ok(Value::Int(*i)),
        (Avro::Long(i), Float) => Ok(Value::Float(*i as f64)),
        (Avro::Long(i), Text) => Ok(text(&i.to_string())),
        (Avro::Long(i), Bool) => truth(*i),
        (Avro::Long(i), Timestamp) => time(i128::from(*i) * 1_000),
        (Avro::Float(f), _) => expected(&Avro::Double(f64::from(*f)), schema, value_type),
        (Avro::Double(f), _) if f.is_nan() => Ok(Value::Null),
        (Avro::Double(f), Float) => finite(*f),
        (Avro::Double(f), Int) => integral(*f).map(Value::Int),
        (Avro::Double(f), Text) => integral(*f).map(|int| text(&int.to_string())),
        (Avro::Double(f), Bool) => integral(*f).and_then(truth),
        (Avro::Double(f), Timestamp) if f.is_finite() => time((f * 1_000.0).round() as i128),
        (Avro::String(s), Text) => Ok(text(s)),
        (Avro::String(s), _) if s.is_empty() => Ok(Value::Null),
        (Avro::String(s), Float) => s.parse().map_err(drop).and_then(finite),
        (Avro::String(s), Int) => match s.parse() {
            Ok(int) => Ok(Value::Int(int)),
            Err(_) => s.parse().map_err(drop).and_then(integral).map(Value::Int),
        },
        (Avro::String(s), Bool) => s.parse().map_err(drop).and_then(truth),
        // No text that the test makes is a time, but digits are milliseconds.
        (Avro::String(s), Timestamp) => time(i128::from(s.parse::<i64>().map_err(drop)?) * 1_000),
        (Avro::Bytes(bytes), _) => expected(
            &Avro::String(String::from_utf8(bytes.clone()).map_err(drop)?),
            schema,
            value_type,
        ),
        (Avro::Enum(_, symbol), Text) => Ok(text(symbol)),
        (Avro::Uuid(uuid), Text) => Ok(text(&uuid.hyphenated().to_string())),
        (Avro::Decimal(decimal), _) => {
            let Schema::Decimal(schema) = schema else {
                panic!("a decimal without its schema")
            };
            let bytes = <Vec<u8>>::try_from(decimal).unwrap();
            let sign = if bytes[0] < 128 { 0 } else { -1 };
            let number = bytes.iter().fold(sign, |sum: i128, byte| sum << 8 | i128::from(*byte));
            decimal_value(number, schema.scale, value_type)
        }
        (Avro::Date(days), Timestamp) => time(i128::from(*days) * 86_400_000_000),
        (Avro::TimestampMillis(i) | Avro::LocalTimestampMillis(i), Timestamp) => time(i128::from(*i) * 1_000),
        (Avro::TimestampMicros(i) | Avro::LocalTimestampMicros(i), Timestamp) => time(i128::from(*i)),
        (Avro::TimestampNanos(i), Timestamp) => time(i128::from(*i).div_euclid(1_000)),
        (Avro::Date(i) | Avro::TimeMillis(i), _) => expected(&Avro::Int(*i), schema, numeric(value_type)?),
        (
            Avro::TimeMicros(i)
            | Avro::TimestampMillis(i)
            | Avro::TimestampMicros(i)
            | Avro::TimestampNanos(i)
            | Avro::LocalTimestampMillis(i)
            | Avro::LocalTimestampMicros(i),
            _,
        ) => expected(&Avro::Long(*i), schema, numeric(value_type)?),
        _ => Err(()),
    }
}

/// `number` / 10^`scale` as a value of this type, by integers of 128 bits.
fn decimal_value(number: i128, scale: usize, value_type: ValueType) -> Result<Value, ()> {
    use ValueType::{Bool, Float, Int, Text, Timestamp};
    let power = 10_i128.pow(scale as u32);
    let whole = if number % power == 0 {
        Ok(number / power)
    } else {
        Err(())
    };
    match value_type {
        Float => Ok(Value::Float(format!("{number}e-{scale}").parse().unwrap())),
        Int => whole.and_then(|int| int.try_into().map_err(drop)).map(Value::Int),
        Text => whole.map(|int| text(&int.to_string())),
        Bool => match whole? {
            0 => Ok(Value::Bool(false)),
            1 => Ok(Value::Bool(true)),
            _ => Err(()),
        },
        Timestamp => {
            let micros = number.checked_mul(1_000).ok_or(())?;
            let half = power / 2 * micros.signum();
            time((micros + half) / power)
        }
        ValueType::List => Err(()),
    }
}

fn numeric(value_type: ValueType) -> Result<ValueType, ()> {
    if matches!(value_type, ValueType::Int | ValueType::Float) {
        Ok(value_type)
    } else {
        Err(())
    }
}

#[test]
fn projections_agree_with_apache_avro() {
    let (mut accepted, mut rejected, mut present) = (0, 0, 0);
    for seed in 0..4_000 {
        let case = case(&mut Random(seed));
        let context = || {
            format!(
                "seed {seed}\n{}\n{:?}\n{:?}",
                case.schema_json, case.fields.fields, case.bytes
            )
        };
        let resolved = ResolvedSchema::new(&case.schema).unwrap();
        let oracle = GenericDatumReader::builder(&case.schema).build().unwrap();
        let value = oracle
            .read_value(&mut &case.bytes[..])
            .unwrap_or_else(|error| panic!("{error}\n{}", context()));
        let wanted: Result<Vec<Value>, ()> = case
            .fields
            .fields
            .iter()
            .map(
                |field| match at_path(&value, &case.schema, resolved.get_names(), &field.path)? {
                    None => Ok(Value::Null),
                    Some((value, schema)) => expected(value, schema, field.value_type),
                },
            )
            .collect();
        let projection = AvroProjection::compile(&case.schema_json, None, &case.fields)
            .unwrap_or_else(|error| panic!("{error}\n{}", context()));
        let mut row = Row::new();
        match (projection.decode(&case.bytes, &mut row), wanted) {
            (Ok(()), Ok(wanted)) => {
                assert_eq!(row, wanted, "{}", context());
                accepted += 1;
                present += row.iter().filter(|value| !value.is_null()).count();
            }
            (Err(_), Err(())) => rejected += 1,
            (found, wanted) => panic!("{found:?} instead of {wanted:?}\n{}", context()),
        }
        for end in 0..case.bytes.len().min(300) {
            let result = projection.decode(&case.bytes[..end], &mut row);
            assert!(result.is_err(), "cut off at {end}: {}", context());
        }
        let longer = [&case.bytes[..], &[0]].concat();
        let code = projection.decode(&longer, &mut row).unwrap_err().code();
        assert!(
            code == Some(ReasonCode::AvroTrailingBytes) || rejected > 0,
            "{}",
            context()
        );
    }
    // The comparison is not empty.
    assert!(
        accepted > 2_000 && rejected > 50 && present > 4_000,
        "{accepted} {rejected} {present}"
    );
}

#[test]
fn the_test_makes_uuids_of_all_kinds() {
    let uuid = r#"{"type":"record","name":"R","fields":[{"name":"u","type":{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}}]}"#;
    let Schema::Record(record) = Schema::parse_str(uuid).unwrap() else {
        panic!("not a record")
    };
    assert!(matches!(record.fields[0].schema, Schema::Uuid(UuidSchema::Fixed(_))));
}
