//! JSON to rows: one pass over the text that stores the plan's fields and skips everything else without building values.

use crate::convert::Problem;
use crate::input::InputFields;
use crate::reason::{DecodeError, ReasonCode};
use crate::tree::{FieldTree, Member, Object, ROOT};
use crate::value::{Row, Value};
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
        JsonDecoder {
            fields: fields.clone(),
            tree: FieldTree::new(&fields.fields),
        }
    }

    /// Resets `row` and stores the fields of the object in `bytes`.
    pub fn decode(&self, bytes: &[u8], row: &mut Row) -> Result<(), DecodeError> {
        self.fields.reset(row);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let offset = error.valid_up_to();
            DecodeError::rejected(ReasonCode::InvalidUtf8, format!("not UTF-8 at byte {offset}"))
        })?;
        let mut pass = Pass {
            decoder: self,
            row,
            field: None,
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
    row: &'a mut Row,
    /// The field whose value is being read.
    field: Option<usize>,
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
        if is_not_finite(text, offset) {
            return DecodeError::rejected(ReasonCode::NotFinite, format!("{place}: NaN or infinite"));
        }
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

/// Whether one of the usual tokens for NaN or infinity stands where the parser stopped.
fn is_not_finite(text: &str, offset: usize) -> bool {
    (offset.saturating_sub(2)..=offset).any(|start| {
        let rest = &text.as_bytes()[start..];
        ["NaN", "Infinity", "-Infinity", "nan", "inf", "-inf"]
            .iter()
            .any(|token| rest.starts_with(token.as_bytes()))
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
        while let Some(found) = map.next_key_seed(NameSeed { object, next })? {
            let Some(at) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            next = at + 1;
            match object.members[at].1 {
                Member::Field(field) => {
                    pass.field = Some(field);
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

/// Finds a name among an object's members: its index, or `None` if it is not read.
struct NameSeed<'a> {
    object: &'a Object,
    next: usize,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        let members = &self.object.members;
        let is_name = |(member, _): &(String, Member)| member == name;
        if members.get(self.next).is_some_and(is_name) {
            return Ok(Some(self.next));
        }
        Ok(members.iter().position(is_name))
    }
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
        let field = &self.pass.decoder.fields.fields[self.field];
        match i64::try_from(int) {
            Ok(int) => self.visit_i64(int),
            Err(_) => {
                let value = field.huge_int_value(int);
                self.store(value)
            }
        }
    }

    fn visit_f64<E: Error>(self, float: f64) -> Result<(), E> {
        let value = self.pass.decoder.fields.fields[self.field].float_value(float);
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
