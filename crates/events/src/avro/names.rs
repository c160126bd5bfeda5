//! Names in schemas. Avro's specification limits them to letters, digits and `_`; Java's library does not check them by
//! default, so registries hold `com.acme.Outer$`, `acme-payments.v1`, `3DS` and `card-bin`. A name that nothing uses must
//! not make a record unreadable, and one that is used is found as it is written. So no name is refused.

use apache_avro::validator::{
    EnumSymbolNameValidator, RecordFieldNameValidator, SchemaNameValidator, SchemaNamespaceValidator,
    set_enum_symbol_name_validator, set_record_field_name_validator, set_schema_name_validator,
    set_schema_namespace_validator,
};
use apache_avro::{AvroResult, Schema};
use serde_json::Value as Json;
use std::sync::Once;

/// Parses a schema with any names.
pub(super) fn parse_schema(schema: &Json) -> AvroResult<Schema> {
    static ONCE: Once = Once::new();
    // The parser's validators are set for the whole process, before it parses the first schema. All schemas of inputs are
    // parsed here.
    ONCE.call_once(|| {
        let _ = set_schema_name_validator(Box::new(AnyName));
        let _ = set_schema_namespace_validator(Box::new(AnyName));
        let _ = set_enum_symbol_name_validator(Box::new(AnyName));
        let _ = set_record_field_name_validator(Box::new(AnyName));
    });
    Schema::parse(schema)
}

struct AnyName;

impl SchemaNameValidator for AnyName {
    /// The name begins after the last dot.
    fn validate(&self, name: &str) -> AvroResult<usize> {
        Ok(name.rfind('.').map_or(0, |dot| dot + 1))
    }
}

impl SchemaNamespaceValidator for AnyName {
    fn validate(&self, _: &str) -> AvroResult<()> {
        Ok(())
    }
}

impl EnumSymbolNameValidator for AnyName {
    fn validate(&self, _: &str) -> AvroResult<()> {
        Ok(())
    }
}

impl RecordFieldNameValidator for AnyName {
    fn validate(&self, _: &str) -> AvroResult<()> {
        Ok(())
    }
}

// These tests are here and not beside the others because those parse schemas with the library's own names first.
#[cfg(test)]
mod tests {
    use crate::avro::{AvroProjection, ReaderSchema};
    use crate::field::Field;
    use crate::input::InputFields;
    use crate::value::{Row, Value, ValueType};

    fn field(name: &str, path: &[&str], slot: usize) -> Field {
        Field {
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            required: true,
            ..Field::at(name, ValueType::Text, slot)
        }
    }

    /// A record of two unused fields, an enum and a nested text, encoded by hand.
    const BYTES: &[u8] = &[4, 2, 2, 6, b'4', b'1', b'1', 4, b'D', b'E'];

    fn schema(names: [&str; 7]) -> String {
        let [record, namespace, unused, inner, symbol, bin, country] = names;
        format!(
            r#"{{"type": "record", "name": "{record}", "namespace": "{namespace}", "fields": [
                {{"name": "{unused}", "type": "int"}},
                {{"name": "kind", "type": {{"type": "enum", "name": "{inner}", "symbols": ["A", "{symbol}"]}}}},
                {{"name": "kind2", "type": "{inner}"}},
                {{"name": "{bin}", "type": "string"}},
                {{"name": "place", "type": {{"type": "record", "name": "{inner}2", "fields": [
                    {{"name": "{country}", "type": "string"}}]}}}}
            ]}}"#
        )
    }

    fn read(schema: &str, reader: Option<&ReaderSchema>, paths: [&[&str]; 3]) -> Row {
        let fields = ["kind", "bin", "country"].iter().zip(paths).enumerate();
        let fields = fields.map(|(slot, (name, path))| field(name, path, slot)).collect();
        let fields = InputFields::new(fields, None).unwrap();
        let projection =
            AvroProjection::compile(schema, reader, &fields).unwrap_or_else(|error| panic!("{schema}: {error}"));
        let mut row = Row::new();
        projection.decode(BYTES, &mut row).unwrap();
        row
    }

    #[test]
    fn any_name_is_read() {
        for [namespace, name] in [
            ["com.acme.Outer$", "Inner"],
            ["acme-payments", "v1"],
            ["", "acme-payments.v1"],
            ["com.acme", "3DS"],
            ["1.2", "payment event"],
            [".", "Zahlung.Ä"],
            ["", "."],
            ["a..b", "c."],
        ] {
            for odd in ["3DS", "card-bin", "x$y", "a.b", "ä", "", " "] {
                let schema = schema([name, namespace, "unused-$1", "Inner$Kind-1", odd, odd, odd]);
                let row = read(&schema, None, [&["kind"], &[odd], &["place", odd]]);
                let expected = [odd, "411", "DE"].map(|text| Value::Text(text.into()));
                assert_eq!(row, expected, "{namespace} {name} {odd}");
            }
        }
    }

    #[test]
    fn odd_names_find_their_reader() {
        let writer = schema(["v1", "acme-payments", "u", "K$", "3DS", "card-bin", "ISO-code"]);
        let reader = schema(["v1", "acme-payments", "u", "K$", "3DS", "card-bin", "country"])
            .replace(r#""country","#, r#""country", "aliases": ["ISO-code"],"#);
        let reader = ReaderSchema::parse(&reader).unwrap();
        let row = read(
            &writer,
            Some(&reader),
            [&["kind"], &["card-bin"], &["place", "country"]],
        );
        assert_eq!(row, ["3DS", "411", "DE"].map(|text| Value::Text(text.into())));
    }

    #[test]
    fn errors_are_records() {
        let schema =
            schema(["R", "n", "u", "K", "B", "b", "c"]).replace(r#""record", "name": "R""#, r#""error", "name": "R""#);
        read(&schema, None, [&["kind"], &["b"], &["place", "c"]]);
    }
}
