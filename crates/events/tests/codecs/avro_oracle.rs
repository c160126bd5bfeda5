//! Random schemas and values, written by apache-avro: our projection reads what apache-avro reads.

use crate::support::{Random, fields, text};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{InnerDecimalSchema, NamesRef, ResolvedSchema, UuidSchema};
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Days, Duration, Millis, Months, Schema, Uuid};
use riskstream_events::{AvroProjection, Field, InputFields, ReasonCode, Row, Value, ValueType};
use serde_json::{Value as Json, json};

const KEYS: [&str; 3] = ["k0", "k1", "other"];

/// Makes schemas. Named types are numbered.
pub struct Schemas<'r> {
    pub random: &'r mut Random,
    names: usize,
    /// Names of finished types, that may be referred to.
    done: Vec<String>,
    /// Names of records around this place, that may be referred to where recursion can end.
    around: Vec<String>,
}

impl Schemas<'_> {
    pub fn record(random: &mut Random) -> Json {
        let mut schemas = Schemas {
            random,
            names: 0,
            done: vec![],
            around: vec![],
        };
        schemas.new_record(0)
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("{}T{}", if self.random.once_in(3) { "space." } else { "" }, self.names)
    }

    /// A named type, and its full name (a name without a dot is in the namespace around it).
    fn named(&mut self, mut schema: Json) -> Json {
        let name = format!("all.{}", self.name());
        schema["name"] = json!(name);
        self.done.push(name);
        schema
    }

    fn new_record(&mut self, depth: usize) -> Json {
        let name = format!("all.{}", self.name());
        self.around.push(name.clone());
        let count = self.random.below(if depth == 0 { 10 } else { 4 }) + usize::from(depth == 0);
        let fields: Vec<_> = (0..count)
            .map(|index| json!({"name": format!("f{index}"), "type": self.schema(depth + 1)}))
            .collect();
        self.around.pop();
        self.done.push(name.clone());
        json!({"type": "record", "name": name, "fields": fields})
    }

    fn schema(&mut self, depth: usize) -> Json {
        let logical = |base: &str, name: &str| json!({"type": base, "logicalType": name});
        let nested = if depth > 4 { 24 } else { 31 };
        match self.random.below(nested) {
            0 => json!("null"),
            1 => json!("boolean"),
            2 => json!("int"),
            3 => json!("long"),
            4 => json!("float"),
            5 => json!("double"),
            6 => json!("bytes"),
            7 => json!("string"),
            8 => logical("int", "date"),
            9 => logical("int", "time-millis"),
            10 => logical("long", "time-micros"),
            11 => logical("long", "timestamp-millis"),
            12 => logical("long", "timestamp-micros"),
            13 => logical("long", "timestamp-nanos"),
            14 => logical("long", "local-timestamp-millis"),
            15 => logical("long", "local-timestamp-micros"),
            16 => logical("string", "uuid"),
            17 => {
                json!({"type": "bytes", "logicalType": "decimal", "precision": 36, "scale": self.random.below(20)})
            }
            18 => {
                let scale = self.random.below(9);
                let inner =
                    json!({"type": "fixed", "size": 8, "logicalType": "decimal", "precision": 18, "scale": scale});
                self.named(inner)
            }
            19 => self.named(json!({"type": "fixed", "size": 16, "logicalType": "uuid"})),
            20 => self.named(json!({"type": "fixed", "size": 12, "logicalType": "duration"})),
            21 => {
                let size = self.random.below(5);
                self.named(json!({"type": "fixed", "size": size}))
            }
            22 => self.named(json!({"type": "enum", "symbols": ["chip", "online", "contactless"]})),
            23 if !self.done.is_empty() => json!(self.random.pick(&self.done.clone())),
            23 => json!("string"),
            24 => json!({"type": "array", "items": self.schema(depth + 1)}),
            25 => json!({"type": "map", "values": self.schema(depth + 1)}),
            26 => {
                let around = self.random.pick(&self.around.clone()).clone();
                match self.random.below(3) {
                    0 => json!({"type": "array", "items": around}),
                    1 => json!(["null", around]),
                    _ => json!({"type": "map", "values": around}),
                }
            }
            27 | 28 => self.new_record(depth),
            _ => self.union(depth),
        }
    }

    /// A union: of one type and null, or of several that may stand beside each other.
    fn union(&mut self, depth: usize) -> Json {
        let mut branches = vec![json!("null")];
        if self.random.once_in(2) {
            for candidate in ["boolean", "int", "double", "string"] {
                if self.random.once_in(2) {
                    branches.push(json!(candidate));
                }
            }
            if self.random.once_in(2) {
                branches.push(self.new_record(depth));
            }
        } else {
            let schema = self.schema(depth + 1);
            if schema.is_array() {
                return schema;
            }
            if schema != "null" {
                branches.push(schema);
            }
        }
        let at = self.random.below(branches.len());
        branches.swap(0, at);
        Json::Array(branches)
    }
}

/// A value of a schema.
pub fn value_of(schema: &Schema, names: &NamesRef<'_>, random: &mut Random, depth: usize) -> Avro {
    let decimal = |random: &mut Random, size: usize| {
        let number = i128::from(random.integer()) << random.below(60);
        let bytes = number.to_be_bytes();
        let number = if size == 8 {
            random.integer().to_be_bytes().to_vec()
        } else {
            bytes.to_vec()
        };
        Avro::Decimal(number.into())
    };
    let time = |random: &mut Random| {
        if random.once_in(10) {
            random.integer()
        } else {
            random.integer() >> 14
        }
    };
    match schema {
        Schema::Null => Avro::Null,
        Schema::Boolean => Avro::Boolean(random.once_in(2)),
        Schema::Int => Avro::Int(random.integer() as i32),
        Schema::Long => Avro::Long(random.integer()),
        Schema::Float => Avro::Float(f32::from_bits(random.next() as u32)),
        Schema::Double => Avro::Double(f64::from_bits(random.next())),
        Schema::Bytes if random.once_in(2) => Avro::Bytes(random.text().into_bytes()),
        Schema::Bytes => Avro::Bytes(random.bytes(20)),
        Schema::String => Avro::String(random.text()),
        Schema::Fixed(fixed) => Avro::Fixed(fixed.size, (0..fixed.size).map(|_| random.next() as u8).collect()),
        Schema::Enum(symbols) => {
            let index = random.below(symbols.symbols.len());
            Avro::Enum(index as u32, symbols.symbols[index].clone())
        }
        Schema::Decimal(schema) => match &schema.inner {
            InnerDecimalSchema::Bytes => decimal(random, 16),
            InnerDecimalSchema::Fixed(fixed) => decimal(random, fixed.size),
        },
        Schema::Uuid(_) => Avro::Uuid(Uuid::from_u64_pair(random.next(), random.next())),
        Schema::Duration(_) => Avro::Duration(Duration::new(
            Months::new(1),
            Days::new(2),
            Millis::new(random.next() as u32),
        )),
        Schema::Date => Avro::Date(random.integer() as i32),
        Schema::TimeMillis => Avro::TimeMillis(random.integer() as i32),
        Schema::TimeMicros => Avro::TimeMicros(random.integer()),
        Schema::TimestampMillis => Avro::TimestampMillis(time(random)),
        Schema::TimestampMicros => Avro::TimestampMicros(time(random)),
        Schema::TimestampNanos => Avro::TimestampNanos(time(random)),
        Schema::LocalTimestampMillis => Avro::LocalTimestampMillis(time(random)),
        Schema::LocalTimestampMicros => Avro::LocalTimestampMicros(time(random)),
        Schema::Array(array) => {
            let count = if depth > 6 { 0 } else { random.below(3) };
            Avro::Array(
                (0..count)
                    .map(|_| value_of(&array.items, names, random, depth + 1))
                    .collect(),
            )
        }
        Schema::Map(map) => {
            let count = if depth > 6 { 0 } else { random.below(3) };
            let entry = |random: &mut Random| {
                (
                    (*random.pick(&KEYS)).to_owned(),
                    value_of(&map.types, names, random, depth + 1),
                )
            };
            Avro::Map((0..count).map(|_| entry(random)).collect())
        }
        Schema::Union(union) => {
            let variants = union.variants();
            let null = variants.iter().position(|variant| matches!(variant, Schema::Null));
            let index = match null {
                Some(index) if depth > 6 => index,
                _ => random.below(variants.len()),
            };
            Avro::Union(
                index as u32,
                Box::new(value_of(&variants[index], names, random, depth + 1)),
            )
        }
        Schema::Record(record) => Avro::Record(
            record
                .fields
                .iter()
                .map(|field| (field.name.clone(), value_of(&field.schema, names, random, depth + 1)))
                .collect(),
        ),
        Schema::Ref { name } => value_of(names[name], names, random, depth),
        other => panic!("the test makes no {other:?}"),
    }
}

/// Paths to what can be read, each with a type it can be read as.
fn candidates(
    schema: &Schema,
    names: &NamesRef<'_>,
    path: &str,
    random: &mut Random,
    found: &mut Vec<(String, ValueType)>,
) {
    use ValueType::{Bool, Float, Int, Text, Timestamp};
    let within = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    if path.split('.').count() > 3 {
        return;
    }
    let types: &[ValueType] = match schema {
        Schema::Record(record) => {
            for field in &record.fields {
                candidates(&field.schema, names, &within(&field.name), random, found);
            }
            return;
        }
        Schema::Map(map) => {
            for key in &KEYS[..2] {
                candidates(&map.types, names, &within(key), random, found);
            }
            return;
        }
        Schema::Union(union) => {
            for variant in union.variants() {
                candidates(variant, names, path, random, found);
            }
            return;
        }
        Schema::Ref { name } => return candidates(names[name], names, path, random, found),
        Schema::Boolean => &[Bool],
        Schema::Int | Schema::Long => &[Int, Float, Text, Timestamp],
        Schema::Float | Schema::Double => &[Float, Float, Int],
        Schema::String | Schema::Bytes => &[Text],
        Schema::Uuid(_) | Schema::Enum(_) => &[Text],
        Schema::Decimal(_) => &[Float],
        Schema::Date
        | Schema::TimestampMillis
        | Schema::TimestampMicros
        | Schema::TimestampNanos
        | Schema::LocalTimestampMillis
        | Schema::LocalTimestampMicros => &[Timestamp, Int],
        Schema::TimeMillis | Schema::TimeMicros => &[Int, Float],
        _ => return,
    };
    found.push((path.to_owned(), *random.pick(types)));
}

/// What lies at a path: none where something on the way is null or absent, an error where it is no record.
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

/// What a slot should hold, reckoned as plainly as can be.
fn expected(value: &Avro, schema: &Schema, value_type: ValueType) -> Result<Value, ()> {
    use ValueType::{Bool, Float, Int, Text, Timestamp};
    let years = -62_135_596_800_000_000_i128..=253_402_300_799_999_999;
    let time = |micros: i128| {
        if years.contains(&micros) {
            Ok(Value::Timestamp(micros as i64))
        } else {
            Err(())
        }
    };
    let finite = |float: f64| {
        if float.is_finite() {
            Ok(Value::Float(float))
        } else {
            Err(())
        }
    };
    let integral = |float: f64| {
        if float.trunc() == float && float.abs() <= 2_f64.powi(53) {
            Ok(Value::Int(float as i64))
        } else {
            Err(())
        }
    };
    match (value, value_type) {
        (Avro::Boolean(bool), Bool) => Ok(Value::Bool(*bool)),
        (Avro::Int(i), _) => expected(&Avro::Long(i64::from(*i)), schema, value_type),
        (Avro::Long(i), Int) => Ok(Value::Int(*i)),
        (Avro::Long(i), Float) => Ok(Value::Float(*i as f64)),
        (Avro::Long(i), Text) => Ok(text(&i.to_string())),
        (Avro::Long(i), Timestamp) => time(i128::from(*i) * 1_000),
        (Avro::Float(f), _) => expected(&Avro::Double(f64::from(*f)), schema, value_type),
        (Avro::Double(f), Float) => finite(*f),
        (Avro::Double(f), Int) => integral(*f),
        (Avro::Double(f), Timestamp) if f.is_finite() => time((f * 1_000.0).round() as i128),
        (Avro::String(s), Text) => Ok(text(s)),
        (Avro::String(s), Float) => s.parse().map_err(drop).and_then(finite),
        (Avro::String(s), Int) => match s.parse() {
            Ok(int) => Ok(Value::Int(int)),
            Err(_) => s.parse().map_err(drop).and_then(integral),
        },
        // No text that the test makes is a time, but digits are milliseconds.
        (Avro::String(s), Timestamp) => time(i128::from(s.parse::<i64>().map_err(drop)?) * 1_000),
        (Avro::Bytes(bytes), _) => expected(
            &Avro::String(String::from_utf8(bytes.clone()).map_err(drop)?),
            schema,
            value_type,
        ),
        (Avro::Enum(_, symbol), Text) => Ok(text(symbol)),
        (Avro::Uuid(uuid), Text) => Ok(text(&uuid.hyphenated().to_string())),
        (Avro::Decimal(decimal), Float) => {
            let Schema::Decimal(schema) = schema else {
                panic!("a decimal without its schema")
            };
            let bytes = <Vec<u8>>::try_from(decimal).unwrap();
            let sign = if bytes[0] < 128 { 0 } else { -1 };
            let number = bytes.iter().fold(sign, |sum: i128, byte| sum << 8 | i128::from(*byte));
            Ok(Value::Float(format!("{number}e-{}", schema.scale).parse().unwrap()))
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

fn numeric(value_type: ValueType) -> Result<ValueType, ()> {
    if matches!(value_type, ValueType::Int | ValueType::Float) {
        Ok(value_type)
    } else {
        Err(())
    }
}

/// A schema, fields of it, and a record.
pub struct Case {
    pub schema_json: String,
    pub schema: Schema,
    pub fields: InputFields,
    pub bytes: Vec<u8>,
}

pub fn case(random: &mut Random) -> Case {
    let schema_json = Schemas::record(random).to_string();
    let schema = Schema::parse_str(&schema_json).unwrap_or_else(|error| panic!("{error}\n{schema_json}"));
    let resolved = ResolvedSchema::new(&schema).unwrap();
    let names = resolved.get_names();
    let mut found = Vec::new();
    candidates(&schema, names, "", random, &mut found);
    let mut list: Vec<Field> = Vec::new();
    for (path, value_type) in found {
        let inside = |a: &str, b: &str| a == b || a.starts_with(b) && a.as_bytes()[b.len()] == b'.';
        let overlaps = list
            .iter()
            .any(|field| inside(&field.name, &path) || inside(&path, &field.name));
        if !overlaps && !random.once_in(3) {
            list.push(crate::support::field(&path, value_type));
        }
    }
    let value = value_of(&schema, names, random, 0);
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    let bytes = writer
        .write_value_to_vec(value)
        .unwrap_or_else(|error| panic!("{error}\n{schema_json}"));
    Case {
        schema_json,
        schema: schema.clone(),
        fields: fields(list),
        bytes,
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
