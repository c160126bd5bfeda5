//! `fields:` of an input: `amount: float`, or `{type: timestamp, path: payload.time, unit: millis}`.

use super::read::{Map, Read, Spanned, Word, section, word};
use crate::diagnostics::Diagnostics;
use crate::text::{Node, NodeValue};
use riskstream_events::{Derivation, TimestampUnit, ValueType};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

section! {
    /// A field in its long form.
    pub struct LongField {
        /// `bool`, `int`, `float`, `text` or `timestamp`. Required unless there is a schema file.
        #[schemars(default)]
        pub r#type: Option<Spanned<FieldType>>,
        /// Its path in the record: names from the outside in, separated by dots: `payload.time`. The field's name by
        /// default. With an envelope it is a path in the row; one that begins with `$.` is a path in the record:
        /// `$.source.ts_ms`.
        #[schemars(default)]
        pub path: Option<Spanned<String>>,
        /// The unit of a timestamp that is a number: `seconds`, `millis`, `micros` or `nanos`.
        #[schemars(default, extend("default" = "millis"))]
        pub unit: Option<Spanned<UnitWord>>,
        /// The time zone of a timestamp that is a local time, such as a text without an offset: `Europe/Berlin`. UTC by
        /// default. A time that occurs twice as clocks are set back is the first one.
        #[schemars(default)]
        pub zone: Option<Spanned<String>>,
        /// The scale of a number that Kafka Connect or Debezium writes as the base64 of its bytes in JSON.
        #[schemars(default)]
        pub decimal_scale: Option<Spanned<u32>>,
        /// Whether it is personal data, such as a card number: only its pseudonym is kept, logged or published. It must be
        /// text.
        #[schemars(default, extend("default" = false))]
        pub personal: Option<Spanned<bool>>,
        /// Fields that are derived from a personal one before it becomes a pseudonym, by name: `{card_bin: bin}`. They are
        /// kept, logged and published in clear. `bin`: the first six characters; `bin_8`: the first eight; `last_4`: the last
        /// four; `luhn`: whether it is digits with a right check digit; `length`: how many characters. Blanks and hyphens do
        /// not count. Of a text of fewer than 12 characters (16 for `bin_8`) the parts are null.
        #[schemars(default)]
        pub derive: Map<DerivationWord>,
        /// Whether a record without it is a dead letter. By default true for id, event time and entity keys, false for
        /// others.
        #[schemars(default)]
        pub required: Option<Spanned<bool>>,
    }
}

/// A field, in its short or long form.
#[derive(Clone, Debug)]
pub struct FieldDeclaration(pub LongField);

impl Read for FieldDeclaration {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        match node.value {
            NodeValue::Map(_) | NodeValue::Null => LongField::read(node, diagnostics).map(FieldDeclaration),
            _ => {
                let value_type = Spanned::<FieldType>::read(node, diagnostics)?;
                Some(FieldDeclaration(LongField {
                    r#type: Some(value_type),
                    path: None,
                    unit: None,
                    zone: None,
                    decimal_scale: None,
                    personal: None,
                    derive: Map::default(),
                    required: None,
                    is_flawed: false,
                }))
            }
        }
    }
}

impl JsonSchema for FieldDeclaration {
    fn schema_name() -> Cow<'static, str> {
        "Field".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A field: its type, or a mapping.",
            "anyOf": [generator.subschema_for::<FieldType>(), generator.subschema_for::<LongField>()],
        })
    }
}

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldType(pub ValueType);

impl Word for FieldType {
    const WHAT: &'static str = "a type";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("bool", FieldType(ValueType::Bool)),
        ("int", FieldType(ValueType::Int)),
        ("float", FieldType(ValueType::Float)),
        ("text", FieldType(ValueType::Text)),
        ("timestamp", FieldType(ValueType::Timestamp)),
    ];
}
word!(FieldType);

/// The unit of a timestamp that is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitWord(pub TimestampUnit);

impl Word for UnitWord {
    const WHAT: &'static str = "a unit";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("seconds", UnitWord(TimestampUnit::Seconds)),
        ("millis", UnitWord(TimestampUnit::Millis)),
        ("micros", UnitWord(TimestampUnit::Micros)),
        ("nanos", UnitWord(TimestampUnit::Nanos)),
    ];
}
word!(UnitWord);

/// What is derived from a personal field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DerivationWord(pub Derivation);

impl Word for DerivationWord {
    const WHAT: &'static str = "a derivation";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("bin", DerivationWord(Derivation::Bin)),
        ("bin_8", DerivationWord(Derivation::Bin8)),
        ("last_4", DerivationWord(Derivation::LastFour)),
        ("luhn", DerivationWord(Derivation::Luhn)),
        ("length", DerivationWord(Derivation::Length)),
    ];
}
word!(DerivationWord);
