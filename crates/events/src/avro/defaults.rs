//! Defaults of the reader's schema, for fields that the writer lacks.

use super::error::SchemaError;
use super::program::days_to_micros;
use super::schema::{field_called, is_local, resolve, unit_of};
use crate::convert::Problem;
use crate::input::InputFields;
use crate::tree::{FieldTree, Member};
use crate::twos_complement;
use crate::value::Value;
use apache_avro::Schema;
use apache_avro::schema::{NamesRef, RecordField};
use serde_json::Value as Json;

/// Evaluates defaults.
pub(super) struct Defaults<'s> {
    pub fields: &'s InputFields,
    pub tree: &'s FieldTree,
    pub names: &'s NamesRef<'s>,
}

impl<'s> Defaults<'s> {
    /// The values that `reader`, the field of the reader's schema, gives for the fields within `member`. Nulls are left out.
    pub fn of(&self, member: Member, reader: Option<&'s RecordField>) -> Result<Vec<(usize, Value)>, SchemaError> {
        let mut values = Vec::new();
        if let Some(RecordField {
            default: Some(default),
            schema,
            ..
        }) = reader
        {
            self.collect(member, schema, default, &mut values)?;
        }
        Ok(values)
    }

    fn collect(
        &self,
        member: Member,
        schema: &'s Schema,
        default: &Json,
        values: &mut Vec<(usize, Value)>,
    ) -> Result<(), SchemaError> {
        match member {
            Member::Field(field) => {
                let value = self.value(field, schema, default)?;
                if !value.is_null() {
                    values.push((field, value));
                }
                Ok(())
            }
            Member::Object(object) => {
                for (name, member) in &self.tree.objects[object].members {
                    if let Some((schema, default)) = self.within(schema, name, default)? {
                        self.collect(*member, schema, &default, values)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Type and default of the member `name` of a default of type `schema`.
    fn within(
        &self,
        schema: &'s Schema,
        name: &str,
        default: &Json,
    ) -> Result<Option<(&'s Schema, Json)>, SchemaError> {
        Ok(match resolve(schema, self.names)? {
            Schema::Union(union) => {
                for variant in union.variants() {
                    let found = self.within(variant, name, default)?;
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                None
            }
            Schema::Map(map) => default.get(name).map(|default| (&*map.types, default.clone())),
            Schema::Record(record) if default.is_object() => field_called(&record.fields, name).and_then(|field| {
                let default = default.get(&field.name).or(field.default.as_ref());
                default.map(|default| (&field.schema, default.clone()))
            }),
            _ => None,
        })
    }

    fn value(&self, field: usize, schema: &Schema, default: &Json) -> Result<Value, SchemaError> {
        let does_not_fit = || SchemaError::Default {
            field: self.fields.fields[field].name.clone(),
        };
        match resolve(schema, self.names)? {
            Schema::Union(union) => {
                let fits = |variant: &&Schema| takes(variant, default);
                let variant = union.variants().iter().find(fits).ok_or_else(does_not_fit)?;
                self.scalar(field, variant, default).map_err(|_| does_not_fit())
            }
            schema => self.scalar(field, schema, default).map_err(|_| does_not_fit()),
        }
    }

    fn scalar(&self, field: usize, schema: &Schema, default: &Json) -> Result<Value, Problem> {
        let pseudonymizer = self.fields.pseudonymizer();
        let field = &self.fields.fields[field];
        let wrong = Problem::WrongType {
            expected: field.value_type,
            found: "another default",
        };
        match (schema, default) {
            (_, Json::Null) => Ok(Value::Null),
            (_, Json::Bool(bool)) => field.bool_value(*bool),
            (Schema::Decimal(decimal), Json::String(text)) => {
                let bytes = latin_1(text).ok_or(wrong)?;
                let integer = twos_complement::integer(&bytes).ok_or(wrong)?;
                field.scaled_value(integer, decimal.scale as i64, pseudonymizer)
            }
            (Schema::Bytes, Json::String(text)) => {
                let bytes = latin_1(text).ok_or(wrong)?;
                field.text_value(std::str::from_utf8(&bytes).map_err(|_| wrong)?, pseudonymizer)
            }
            (Schema::String | Schema::Enum(_) | Schema::Uuid(_), Json::String(text)) => {
                field.text_value(text, pseudonymizer)
            }
            (Schema::Float | Schema::Double, Json::Number(number)) => {
                field.float_value(number.as_f64().ok_or(wrong)?, pseudonymizer)
            }
            (Schema::Date, Json::Number(number)) => {
                let days = number.as_i64().ok_or(wrong)?;
                field.local_time_value(days_to_micros(days))
            }
            (schema, Json::Number(number)) => {
                let int = number.as_i64().ok_or(wrong)?;
                match (unit_of(schema), is_local(schema)) {
                    (Some(unit), false) => field.timestamp_value(unit.to_micros(int)),
                    (Some(unit), true) => field.local_time_value(unit.to_micros(int)),
                    (None, _) => field.int_value(int, pseudonymizer),
                }
            }
            _ => Err(wrong),
        }
    }
}

/// Whether a JSON default is of the schema's type.
fn takes(schema: &Schema, default: &Json) -> bool {
    match default {
        Json::Null => matches!(schema, Schema::Null),
        Json::Bool(_) => matches!(schema, Schema::Boolean),
        Json::String(_) => matches!(
            schema,
            Schema::String | Schema::Bytes | Schema::Enum(_) | Schema::Uuid(_) | Schema::Decimal(_) | Schema::Fixed(_)
        ),
        Json::Number(_) => {
            matches!(
                schema,
                Schema::Int
                    | Schema::Long
                    | Schema::Float
                    | Schema::Double
                    | Schema::Date
                    | Schema::TimeMillis
                    | Schema::TimeMicros
            ) || unit_of(schema).is_some()
        }
        Json::Array(_) | Json::Object(_) => false,
    }
}

/// Defaults of bytes are text whose code points are the bytes.
fn latin_1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|char| u8::try_from(u32::from(char)).ok()).collect()
}
