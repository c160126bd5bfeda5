//! The fields of an input: checked together, and stored in a row.

use crate::convert::Problem;
use crate::decimal::Decimal;
use crate::derive::DerivedField;
use crate::field::Field;
use crate::pseudonym::Pseudonymizer;
use crate::reason::{DecodeError, ReasonCode, Rejection};
use crate::value::{Row, Slot, Value, ValueType};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Why fields cannot be decoded together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// No path.
    #[error("field {0} has no path")]
    EmptyPath(String),
    /// Both lie at the same place of the record, or one lies within the other.
    #[error("fields {0} and {1} lie at the same place of the record, or one within the other")]
    Overlap(String, String),
    /// Both go to the same slot.
    #[error("fields {0} and {1} go to the same slot")]
    SameSlot(String, String),
    /// Lists are not read from inputs.
    #[error("field {0}: a list cannot be read from an input")]
    List(String),
    /// Pseudonyms are text.
    #[error("field {0} is personal, so it must be declared as text")]
    PersonalNotText(String),
    /// Personal fields need a secret.
    #[error("field {0} is personal, but there is no secret to make pseudonyms with")]
    NoSecret(String),
}

/// The fields of one input. Cheap to clone.
#[derive(Clone, Debug)]
pub struct InputFields {
    /// The fields, in the order given.
    pub fields: Arc<[Field]>,
    /// Fields that are derived from personal ones.
    derived: Arc<[DerivedField]>,
    /// The slots of personal fields that hold clear texts until the row is finished.
    masked: Arc<[Slot]>,
    pseudonymizer: Option<Arc<Pseudonymizer>>,
    width: usize,
    has_wrapper: bool,
}

impl InputFields {
    /// Checks that the fields can be decoded together.
    pub fn new(fields: Vec<Field>, pseudonymizer: Option<Pseudonymizer>) -> Result<Self, FieldError> {
        let mut slots = HashSet::new();
        for (index, field) in fields.iter().enumerate() {
            let name = || field.name.clone();
            if field.path.is_empty() {
                return Err(FieldError::EmptyPath(name()));
            }
            if field.value_type == ValueType::List {
                return Err(FieldError::List(name()));
            }
            if field.personal && field.value_type != ValueType::Text {
                return Err(FieldError::PersonalNotText(name()));
            }
            if field.personal && pseudonymizer.is_none() {
                return Err(FieldError::NoSecret(name()));
            }
            for other in &fields[..index] {
                let shared = field.path.len().min(other.path.len());
                if field.path[..shared] == other.path[..shared] {
                    return Err(FieldError::Overlap(other.name.clone(), name()));
                }
                if field.slot == other.slot {
                    return Err(FieldError::SameSlot(other.name.clone(), name()));
                }
            }
            slots.insert(field.slot);
        }
        let width = slots.into_iter().max().map_or(0, |slot| slot + 1);
        Ok(InputFields {
            fields: fields.into(),
            derived: Arc::new([]),
            masked: Arc::new([]),
            pseudonymizer: pseudonymizer.map(Arc::new),
            width,
            has_wrapper: false,
        })
    }

    /// The same fields, and others that are derived from the personal ones among them. Decoders store the texts of those as
    /// they are, until [`InputFields::finish`] has derived what may be kept.
    pub fn deriving(self, derived: Vec<DerivedField>) -> Self {
        let clear: BTreeSet<Slot> = derived.iter().map(|derived| derived.from).collect();
        let fields = self.fields.iter().map(|field| Field {
            personal: field.personal && !clear.contains(&field.slot),
            ..field.clone()
        });
        let width = derived.iter().map(|derived| derived.to + 1).max().unwrap_or(0);
        InputFields {
            fields: fields.collect(),
            width: self.width.max(width),
            derived: derived.into(),
            masked: clear.into_iter().collect(),
            ..self
        }
    }

    /// The same fields of JSON objects that may lie in the member `payload` of a wrapper, as Kafka Connect's converter writes
    /// them with a schema beside.
    pub fn in_wrapper(self) -> InputFields {
        InputFields {
            has_wrapper: true,
            ..self
        }
    }

    /// Whether JSON objects may lie in the member `payload`: see [`InputFields::in_wrapper`].
    pub fn has_wrapper(&self) -> bool {
        self.has_wrapper
    }

    /// Whether field `index` is personal data.
    pub fn is_personal(&self, index: usize) -> bool {
        let field = &self.fields[index];
        field.personal || self.masked.contains(&field.slot)
    }

    /// The same fields, except that the personal field `index` holds its clear text until [`InputFields::mask`] is called.
    pub fn in_clear(&self, index: usize) -> Self {
        let mut fields = self.fields.to_vec();
        fields[index].personal = false;
        let others = self.masked.iter().copied().filter(|slot| *slot != fields[index].slot);
        InputFields {
            masked: others.collect(),
            fields: fields.into(),
            ..self.clone()
        }
    }

    /// Replaces the clear text in a slot by its pseudonym.
    pub fn mask(&self, slot: Slot, row: &mut Row) {
        row[slot] = match (&row[slot], &self.pseudonymizer) {
            (Value::Text(clear), Some(pseudonymizer)) => Value::Text(pseudonymizer.pseudonym(clear.as_bytes())),
            _ => Value::Null,
        };
    }

    /// Sets every slot of the row to null and makes the row wide enough for the fields. Each decoder begins with it.
    pub fn reset(&self, row: &mut Row) {
        let width = row.len().max(self.width);
        row.clear();
        row.resize(width, Value::Null);
    }

    /// Stores a text in field `index`: parsed if the field is a number, a time or a boolean, as a pseudonym
    /// if it is personal. For readers of files.
    pub fn set_text(&self, index: usize, text: &str, row: &mut Row) -> Result<(), Rejection> {
        self.store(index, row, |field, pseudonymizer| field.text_value(text, pseudonymizer))
    }

    /// Stores an integer in field `index`.
    pub fn set_int(&self, index: usize, int: i64, row: &mut Row) -> Result<(), Rejection> {
        self.store(index, row, |field, pseudonymizer| field.int_value(int, pseudonymizer))
    }

    /// Stores `unscaled` / 10^`scale` in field `index`.
    pub fn set_decimal(&self, index: usize, unscaled: i128, scale: i64, row: &mut Row) -> Result<(), Rejection> {
        self.store(index, row, |field, pseudonymizer| {
            field.scaled_value(unscaled, scale, pseudonymizer)
        })
    }

    /// Stores a number in field `index` that is given by its `digits` and a sign, divided by 10^`scale`: for decimals of more
    /// than 128 bits.
    pub fn set_long_decimal(&self, index: usize, digits: &str, scale: i64, row: &mut Row) -> Result<(), Rejection> {
        self.store(index, row, |field, pseudonymizer| {
            let (negative, digits) = match digits.strip_prefix('-') {
                Some(digits) => (true, digits),
                None => (false, digits),
            };
            let decimal = Decimal::scaled(negative, digits.as_bytes(), scale).ok_or(Problem::NotANumber)?;
            field.decimal_value(decimal, pseudonymizer)
        })
    }

    /// Stores a float in field `index`. NaN is null.
    pub fn set_float(&self, index: usize, float: f64, row: &mut Row) -> Result<(), Rejection> {
        self.store(index, row, |field, pseudonymizer| {
            field.float_value(float, pseudonymizer)
        })
    }

    /// Stores a boolean in field `index`.
    pub fn set_bool(&self, index: usize, bool: bool, row: &mut Row) -> Result<(), Rejection> {
        self.store(index, row, |field, _| field.bool_value(bool))
    }

    /// Stores a point in time, in microseconds since the epoch, in field `index`.
    pub fn set_timestamp(&self, index: usize, micros: i64, row: &mut Row) -> Result<(), Rejection> {
        self.store(index, row, |field, _| field.timestamp_value(micros))
    }

    /// Stores a UUID in field `index`.
    pub fn set_uuid(&self, index: usize, bytes: &[u8; 16], row: &mut Row) -> Result<(), Rejection> {
        self.store(index, row, |field, pseudonymizer| {
            field.uuid_value(bytes, pseudonymizer)
        })
    }

    /// The rejection of bytes in field `index` that are no text.
    pub fn not_utf8(&self, index: usize) -> Rejection {
        self.rejection(index, Problem::NotUtf8)
    }

    /// Stores a local time, in microseconds as if it were UTC, in field `index`: a point in time in the field's zone.
    pub fn set_local_time(&self, index: usize, micros: i64, row: &mut Row) -> Result<(), Rejection> {
        self.store(index, row, |field, _| field.local_time_value(micros))
    }

    /// Completes a row whose fields are stored: derives fields from personal ones, and replaces these by their pseudonyms.
    ///
    /// # Errors
    /// A required field is null.
    pub fn finish(&self, row: &mut Row) -> Result<(), Rejection> {
        for derived in &*self.derived {
            row[derived.to] = derived.derivation.of(&row[derived.from]);
        }
        for &slot in &*self.masked {
            self.mask(slot, row);
        }
        match self
            .fields
            .iter()
            .find(|field| field.required && row[field.slot].is_null())
        {
            None => Ok(()),
            Some(field) => Err(Rejection::new(
                ReasonCode::MissingField,
                format!("field {} is absent or null", field.name),
            )),
        }
    }

    pub(crate) fn pseudonymizer(&self) -> Option<&Pseudonymizer> {
        self.pseudonymizer.as_deref()
    }

    fn store(
        &self,
        index: usize,
        row: &mut Row,
        value: impl FnOnce(&Field, Option<&Pseudonymizer>) -> Result<Value, Problem>,
    ) -> Result<(), Rejection> {
        let field = &self.fields[index];
        match value(field, self.pseudonymizer()) {
            Ok(value) => {
                row[field.slot] = value;
                Ok(())
            }
            Err(problem) => Err(self.rejection(index, problem)),
        }
    }

    fn rejection(&self, index: usize, problem: Problem) -> Rejection {
        let name = &self.fields[index].name;
        Rejection::new(problem.code(), format!("field {name}: {}", problem.text()))
    }

    /// The error of field `index` at `offset` of the record.
    pub(crate) fn problem_at(&self, index: usize, problem: Problem, offset: usize) -> DecodeError {
        let name = &self.fields[index].name;
        DecodeError::rejected(
            problem.code(),
            format!("field {name} at byte {offset}: {}", problem.text()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derive::Derivation;

    fn field(name: &str, path: &[&str], value_type: ValueType, slot: Slot) -> Field {
        Field {
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            ..Field::at(name, value_type, slot)
        }
    }

    fn text(name: &str, path: &[&str], slot: Slot) -> Field {
        field(name, path, ValueType::Text, slot)
    }

    #[test]
    fn fields_that_cannot_be_decoded_together() {
        let personal = |value_type| Field {
            personal: true,
            ..field("p", &["p"], value_type, 0)
        };
        for (fields, expected) in [
            (vec![text("a", &[], 0)], FieldError::EmptyPath("a".into())),
            (
                vec![text("a", &["x"], 0), text("b", &["x"], 1)],
                FieldError::Overlap("a".into(), "b".into()),
            ),
            (
                vec![text("a", &["x", "y"], 0), text("b", &["x"], 1)],
                FieldError::Overlap("a".into(), "b".into()),
            ),
            (
                vec![text("a", &["x"], 0), text("b", &["y"], 0)],
                FieldError::SameSlot("a".into(), "b".into()),
            ),
            (
                vec![field("a", &["x"], ValueType::List, 0)],
                FieldError::List("a".into()),
            ),
            (vec![personal(ValueType::Int)], FieldError::PersonalNotText("p".into())),
            (vec![personal(ValueType::Text)], FieldError::NoSecret("p".into())),
        ] {
            assert_eq!(InputFields::new(fields, None).unwrap_err(), expected);
        }
    }

    #[test]
    fn the_row_is_reset_and_widened() {
        let fields = InputFields::new(vec![text("a", &["a"], 3)], None).unwrap();
        let mut row = vec![Value::Int(1)];
        fields.reset(&mut row);
        assert_eq!(row, vec![Value::Null; 4]);
    }

    #[test]
    fn a_personal_text_is_a_pseudonym_once_fields_are_derived_from_it() {
        let personal = |name: &str, slot| Field {
            personal: true,
            ..text(name, &[name], slot)
        };
        let derived = |to, derivation| DerivedField {
            from: 0,
            to,
            derivation,
        };
        let secret = || Some(Pseudonymizer::new(b"secret"));
        let fields = InputFields::new(vec![personal("card", 0), personal("name", 1)], secret()).unwrap();
        let plain = fields.clone();
        let fields = fields.deriving(vec![derived(2, Derivation::Bin), derived(4, Derivation::Luhn)]);
        let filled = |fields: &InputFields, card: Option<&str>| {
            let mut row = Row::new();
            fields.reset(&mut row);
            if let Some(card) = card {
                fields.set_text(0, card, &mut row).unwrap();
            }
            fields.set_text(1, "Ann", &mut row).unwrap();
            fields.finish(&mut row).unwrap();
            row
        };
        let row = filled(&fields, Some("4111111111111111"));
        assert_eq!(
            row[..2],
            filled(&plain, Some("4111111111111111"))[..2],
            "the same pseudonyms"
        );
        assert_eq!(row[2..], [Value::Text("411111".into()), Value::Null, Value::Bool(true)]);
        assert!(!format!("{row:?}").contains("4111111111111111"));
        let masked = row;
        let row = filled(&fields, None);
        assert_eq!((&row[0], &row[2], &row[4]), (&Value::Null, &Value::Null, &Value::Null));
        for fields in [plain, fields] {
            assert!(fields.is_personal(0) && fields.is_personal(1));
            let mut row = filled(&fields.in_clear(0), Some("4111111111111111"));
            assert_eq!(row[0], Value::Text("4111111111111111".into()));
            assert_eq!(row[1], masked[1], "the other personal field");
            fields.mask(0, &mut row);
            assert_eq!(row[..2], masked[..2]);
        }
    }

    #[test]
    fn errors_name_the_field_and_not_the_value() {
        let fields = InputFields::new(vec![field("amount", &["a"], ValueType::Float, 0)], None).unwrap();
        let error = fields.set_text(0, "s3cret", &mut vec![Value::Null]).unwrap_err();
        assert_eq!(error.to_string(), "wrong_type: field amount: text that is not a number");
    }
}
