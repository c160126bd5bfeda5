//! Random Avro schemas, fields of them, and records written by apache-avro.

use crate::support::{Random, fields};
use apache_avro::schema::{InnerDecimalSchema, NamesRef, ResolvedSchema};
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Days, Duration, Millis, Months, Schema, Uuid};
use riskstream_events::{Field, InputFields, ValueType};
use serde_json::{Value as Json, json};

const KEYS: [&str; 3] = ["k0", "k1", "other"];

/// Makes schemas. Named types are numbered.
struct Schemas<'r> {
    random: &'r mut Random,
    names: usize,
    /// Names of finished types, that may be referred to.
    done: Vec<String>,
    /// Names of records around this place, that may be referred to where recursion can end.
    around: Vec<String>,
}

impl Schemas<'_> {
    fn record(random: &mut Random) -> Json {
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
fn value_of(schema: &Schema, names: &NamesRef<'_>, random: &mut Random, depth: usize) -> Avro {
    let too_deep = depth > 6;
    match schema {
        Schema::Array(array) => {
            let count = if too_deep { 0 } else { random.below(3) };
            let items = (0..count).map(|_| value_of(&array.items, names, random, depth + 1));
            Avro::Array(items.collect())
        }
        Schema::Map(map) => {
            let count = if too_deep { 0 } else { random.below(3) };
            let entry = |random: &mut Random| {
                let key = (*random.pick(&KEYS)).to_owned();
                (key, value_of(&map.types, names, random, depth + 1))
            };
            Avro::Map((0..count).map(|_| entry(random)).collect())
        }
        Schema::Union(union) => {
            let variants = union.variants();
            let null = variants.iter().position(|variant| matches!(variant, Schema::Null));
            let index = match null {
                Some(index) if too_deep => index,
                _ => random.below(variants.len()),
            };
            let value = value_of(&variants[index], names, random, depth + 1);
            Avro::Union(index as u32, Box::new(value))
        }
        Schema::Record(record) => {
            let fields = record.fields.iter();
            let fields = fields.map(|field| (field.name.clone(), value_of(&field.schema, names, random, depth + 1)));
            Avro::Record(fields.collect())
        }
        Schema::Ref { name } => value_of(names[name], names, random, depth),
        schema => scalar_of(schema, random),
    }
}

/// A value of a schema that contains no others.
fn scalar_of(schema: &Schema, random: &mut Random) -> Avro {
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
        Schema::Duration(_) => {
            let millis = Millis::new(random.next() as u32);
            Avro::Duration(Duration::new(Months::new(1), Days::new(2), millis))
        }
        Schema::Date => Avro::Date(random.integer() as i32),
        Schema::TimeMillis => Avro::TimeMillis(random.integer() as i32),
        Schema::TimeMicros => Avro::TimeMicros(random.integer()),
        Schema::TimestampMillis => Avro::TimestampMillis(time(random)),
        Schema::TimestampMicros => Avro::TimestampMicros(time(random)),
        Schema::TimestampNanos => Avro::TimestampNanos(time(random)),
        Schema::LocalTimestampMillis => Avro::LocalTimestampMillis(time(random)),
        Schema::LocalTimestampMicros => Avro::LocalTimestampMicros(time(random)),
        other => panic!("the test makes no {other:?}"),
    }
}

fn decimal(random: &mut Random, size: usize) -> Avro {
    let number = i128::from(random.integer()) << random.below(60);
    let number = match size {
        8 => random.integer().to_be_bytes().to_vec(),
        _ => number.to_be_bytes().to_vec(),
    };
    Avro::Decimal(number.into())
}

/// Mostly within the years that rows can hold.
fn time(random: &mut Random) -> i64 {
    match random.once_in(10) {
        true => random.integer(),
        false => random.integer() >> 14,
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
