//! JSON to rows: one pass over the text that stores the plan's fields and skips everything else without building values.

use crate::convert::Problem;
use crate::decimal::Decimal;
use crate::input::InputFields;
use crate::reason::{DecodeError, ReasonCode};
use crate::tree::{FieldTree, Member, Object, ROOT};
use crate::value::{Row, Value, ValueType};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use std::fmt;

/// Decodes JSON objects. If a name occurs twice, the last one counts. The values that fields accept are listed in
/// [`convert`](crate::convert).
#[derive(Clone, Debug)]
pub struct JsonDecoder {
    fields: InputFields,
    tree: FieldTree,
}

impl JsonDecoder {
    /// A decoder for these fields.
    pub fn new(fields: &InputFields) -> Self {
        let mut tree = FieldTree::new(&fields.fields);
        if fields.has_wrapper() {
            let payload = ("payload".to_owned(), Member::Object(ROOT));
            tree.objects[ROOT].members.push(payload);
        }
        JsonDecoder {
            fields: fields.clone(),
            tree,
        }
    }

    /// Resets `row` and stores the fields of the object in `bytes`.
    pub fn decode(&self, bytes: &[u8], row: &mut Row) -> Result<(), DecodeError> {
        self.fields.reset(row);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let offset = error.valid_up_to();
            DecodeError::rejected(ReasonCode::InvalidUtf8, format!("not UTF-8 at byte {offset}"))
        })?;
        match self.decode_text(text, row) {
            Err(error) => match without_bare_words(text) {
                Some(text) => {
                    self.fields.reset(row);
                    self.decode_text(&text, row)
                }
                None => Err(error),
            },
            done => done,
        }
    }

    fn decode_text(&self, text: &str, row: &mut Row) -> Result<(), DecodeError> {
        let mut pass = Pass {
            decoder: self,
            text,
            row,
            field: None,
            name_end: None,
            failure: None,
        };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let result = ObjectSeed {
            pass: &mut pass,
            object: ROOT,
        }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
        if let Err(error) = result {
            return Err(pass.to_error(&error, text));
        }
        Ok(self.fields.finish(row)?)
    }
}

/// The state of one pass over a record.
struct Pass<'a> {
    decoder: &'a JsonDecoder,
    text: &'a str,
    row: &'a mut Row,
    /// The field whose value is being read.
    field: Option<usize>,
    /// The end of its name in the text, unless the name is written with escapes.
    name_end: Option<usize>,
    failure: Option<Refusal>,
}

/// Why a visitor refused a value. serde's errors are text, so the reason is stored here.
enum Refusal {
    Field(Problem),
    NotAnObject(usize),
}

impl Pass<'_> {
    fn to_error(&self, error: &serde_json::Error, text: &str) -> DecodeError {
        let offset = offset_of(error, text);
        match (&self.failure, self.field) {
            (Some(Refusal::Field(problem)), Some(field)) => {
                return self.decoder.fields.problem_at(field, *problem, offset);
            }
            (Some(Refusal::NotAnObject(object)), _) if *object != ROOT => {
                let path = &self.decoder.tree.objects[*object].path;
                let detail = format!("{path} at byte {offset}: not an object");
                return DecodeError::rejected(ReasonCode::WrongType, detail);
            }
            _ => {}
        }
        let place = match self.field {
            Some(field) => format!("field {} at byte {offset}", self.decoder.fields.fields[field].name),
            None => format!("at byte {offset}"),
        };
        // Texts of serde_json's syntax errors are fixed; those of its data errors would quote the record.
        match error.classify() {
            Category::Syntax | Category::Eof => {
                let message = error.to_string();
                let message = message.split(" at line ").next().unwrap_or_default();
                let code = match message {
                    "number out of range" => ReasonCode::OutOfRange,
                    _ => ReasonCode::NotJson,
                };
                DecodeError::rejected(code, format!("{place}: {message}"))
            }
            Category::Data | Category::Io => {
                DecodeError::rejected(ReasonCode::NotJson, format!("{place}: not a JSON object"))
            }
        }
    }
}

/// The byte at serde_json's line and column.
fn offset_of(error: &serde_json::Error, text: &str) -> usize {
    let lines_before = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let start: usize = lines_before.map(str::len).sum();
    (start + error.column().saturating_sub(1)).min(text.len())
}

/// The text with `null` for NaN and with texts for infinities, which Python writes although JSON lacks them; `None` if it has
/// none of them. Where a number is expected, the texts are refused as infinite.
fn without_bare_words(text: &str) -> Option<String> {
    const WORDS: [(&str, &str); 3] = [
        ("NaN", "null"),
        ("-Infinity", "\"-Infinity\""),
        ("Infinity", "\"Infinity\""),
    ];
    let mut replaced = String::new();
    let (mut copied, mut at, mut in_text) = (0, 0, false);
    while let Some(&byte) = text.as_bytes().get(at) {
        match byte {
            b'\\' if in_text => at += 1,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            _ => {
                let rest = &text.as_bytes()[at..];
                if let Some((word, value)) = WORDS.iter().find(|(word, _)| rest.starts_with(word.as_bytes())) {
                    replaced.push_str(&text[copied..at]);
                    replaced.push_str(value);
                    at += word.len();
                    copied = at;
                    continue;
                }
            }
        }
        at += 1;
    }
    (copied > 0).then(|| {
        replaced.push_str(&text[copied..]);
        replaced
    })
}

/// Reads one object of the tree of fields.
struct ObjectSeed<'s, 'a> {
    pass: &'s mut Pass<'a>,
    object: usize,
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl ObjectSeed<'_, '_> {
    fn refuse<E: Error>(self) -> Result<(), E> {
        self.pass.failure = Some(Refusal::NotAnObject(self.object));
        Err(E::custom("not an object"))
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let ObjectSeed { pass, object } = self;
        let decoder = pass.decoder;
        let object = &decoder.tree.objects[object];
        for &slot in &object.slots {
            pass.row[slot] = Value::Null;
        }
        // Producers write names in the same order every time: the next name is tried first.
        let mut next = 0;
        let text = pass.text;
        while let Some(found) = map.next_key_seed(NameSeed { object, next, text })? {
            let Some((at, name_end)) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            next = at + 1;
            match object.members[at].1 {
                Member::Field(field) => {
                    (pass.field, pass.name_end) = (Some(field), name_end);
                    map.next_value_seed(FieldSeed {
                        pass: &mut *pass,
                        field,
                    })?;
                    pass.field = None;
                }
                Member::Object(object) => map.next_value_seed(ObjectSeed {
                    pass: &mut *pass,
                    object,
                })?,
            }
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.object == ROOT {
            return self.refuse();
        }
        for &slot in &self.pass.decoder.tree.objects[self.object].slots {
            self.pass.row[slot] = Value::Null;
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.refuse()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.refuse()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.refuse()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.refuse()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.refuse()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.refuse()
    }
}

/// Finds a name among an object's members: its index and the name's end in the text, or `None` if it is not read.
struct NameSeed<'a> {
    object: &'a Object,
    next: usize,
    text: &'a str,
}

impl NameSeed<'_> {
    fn find(&self, name: &str) -> Option<usize> {
        let members = &self.object.members;
        let is_name = |(member, _): &(String, Member)| member == name;
        if members.get(self.next).is_some_and(is_name) {
            return Some(self.next);
        }
        members.iter().position(is_name)
    }
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<(usize, Option<usize>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed<'_> {
    type Value = Option<(usize, Option<usize>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    /// A name that is a part of the text.
    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
        let start = name.as_ptr().addr().checked_sub(self.text.as_ptr().addr());
        Ok(self.find(name).map(|at| (at, start.map(|start| start + name.len()))))
    }

    /// A name with escapes.
    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.find(name).map(|at| (at, None)))
    }
}

/// The number that is the value of the name that ends at `name_end`.
fn number_after(text: &str, name_end: usize) -> Option<Decimal<'_>> {
    let is_space = |char: char| char.is_ascii_whitespace();
    let value = text.get(name_end..)?.strip_prefix('"')?.trim_start_matches(is_space);
    let value = value.strip_prefix(':')?.trim_start_matches(is_space);
    let end = value.find(|char| !matches!(char, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
    Decimal::parse(&value[..end.unwrap_or(value.len())])
}

/// Reads one field.
struct FieldSeed<'s, 'a> {
    pass: &'s mut Pass<'a>,
    field: usize,
}

impl FieldSeed<'_, '_> {
    fn store<E: Error>(self, value: Result<Value, Problem>) -> Result<(), E> {
        match value {
            Ok(value) => {
                self.pass.row[self.pass.decoder.fields.fields[self.field].slot] = value;
                Ok(())
            }
            Err(problem) => {
                self.pass.failure = Some(Refusal::Field(problem));
                Err(E::custom("wrong value"))
            }
        }
    }

    fn wrong_type<E: Error>(self, found: &'static str) -> Result<(), E> {
        let expected = self.pass.decoder.fields.fields[self.field].value_type;
        self.store(Err(Problem::WrongType { expected, found }))
    }
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.store(Ok(Value::Null))
    }

    fn visit_bool<E: Error>(self, bool: bool) -> Result<(), E> {
        let value = self.pass.decoder.fields.fields[self.field].bool_value(bool);
        self.store(value)
    }

    fn visit_i64<E: Error>(self, int: i64) -> Result<(), E> {
        let fields = &self.pass.decoder.fields;
        let value = fields.fields[self.field].int_value(int, fields.pseudonymizer());
        self.store(value)
    }

    fn visit_u64<E: Error>(self, int: u64) -> Result<(), E> {
        let fields = &self.pass.decoder.fields;
        match i64::try_from(int) {
            Ok(int) => self.visit_i64(int),
            Err(_) => {
                let value = fields.fields[self.field].scaled_value(int.into(), 0, fields.pseudonymizer());
                self.store(value)
            }
        }
    }

    /// A number with a point or an exponent, or of more than 64 bits: its digits count, unless the field is a float.
    fn visit_f64<E: Error>(self, float: f64) -> Result<(), E> {
        let fields = &self.pass.decoder.fields;
        let (field, pseudonymizer) = (&fields.fields[self.field], fields.pseudonymizer());
        let digits = match field.value_type {
            ValueType::Float => None,
            _ => self.pass.name_end.and_then(|end| number_after(self.pass.text, end)),
        };
        let value = match digits {
            Some(decimal) => field.decimal_value(decimal, pseudonymizer),
            None => field.float_value(float, pseudonymizer),
        };
        self.store(value)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let fields = &self.pass.decoder.fields;
        let value = fields.fields[self.field].text_value(text, fields.pseudonymizer());
        self.store(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.wrong_type("an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.wrong_type("an object")
    }
}
