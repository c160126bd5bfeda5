//! Decision records read back from Avro, for tools. The writer's schema may be any that resolves to schemas/decision.avsc with the
//! writer's outcomes.

use super::owned::OwnedDecisionRecord;
use super::schemas::decision_avro_schema;
use crate::outcome::Outcomes;
use crate::time;
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use serde_json::Value as Json;

/// Why bytes could not be read as a decision record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AvroDecisionError(String);

/// Reads decision records that were written with one schema.
pub struct AvroDecisionReader {
    writer: Schema,
    ours: Schema,
}

impl AvroDecisionReader {
    /// A reader of records that were written with the schema `writer` (JSON text).
    ///
    /// # Errors
    /// It is no Avro schema.
    pub fn new(writer: &str) -> Result<AvroDecisionReader, AvroDecisionError> {
        let parse = |text: &str| Schema::parse_str(text).map_err(|error| AvroDecisionError(error.to_string()));
        Ok(AvroDecisionReader {
            writer: parse(writer)?,
            ours: parse(&decision_avro_schema(&outcomes_of(writer)))?,
        })
    }

    /// Reads one decision record, without a prefix. Its maps are ordered by name, since Avro maps have no order.
    ///
    /// # Errors
    /// The bytes were not written with the schema, or the schema is not one of decision records.
    pub fn read(&self, mut bytes: &[u8]) -> Result<OwnedDecisionRecord, AvroDecisionError> {
        let error = |error: &dyn std::fmt::Display| AvroDecisionError(error.to_string());
        let reader = GenericDatumReader::builder(&self.writer)
            .reader_schema(&self.ours)
            .build()
            .map_err(|why| error(&why))?;
        let value = reader.read_value(&mut bytes).map_err(|why| error(&why))?;
        if !bytes.is_empty() {
            return Err(error(&"bytes follow the record"));
        }
        serde_json::from_value(to_json(value)).map_err(|why| error(&why))
    }
}

/// The outcomes in a writer's schema; the default ones if it is not a schema of decisions.
fn outcomes_of(writer: &str) -> Outcomes {
    let schema: Json = serde_json::from_str(writer).unwrap_or_default();
    let mut fields = schema["fields"].as_array().into_iter().flatten();
    let outcome = fields.find(|field| field["name"] == "outcome");
    let symbols = outcome.and_then(|field| field["type"]["symbols"].as_array());
    let words = symbols.map(|symbols| symbols.iter().filter_map(Json::as_str).map(str::to_owned).collect());
    words.and_then(|words| Outcomes::new(words).ok()).unwrap_or_default()
}

/// The JSON that [`encode_json`](crate::encode_json) writes for the value.
fn to_json(value: Avro) -> Json {
    match value {
        Avro::Union(_, value) => to_json(*value),
        Avro::Boolean(bool) => bool.into(),
        Avro::Int(int) => int.into(),
        Avro::Long(int) => int.into(),
        Avro::Float(float) => float.into(),
        Avro::Double(float) => float.into(),
        Avro::String(text) | Avro::Enum(_, text) => text.into(),
        Avro::TimestampMicros(micros) => {
            let mut text = Vec::new();
            time::write(micros, &mut text);
            String::from_utf8_lossy(&text).into()
        }
        Avro::Array(items) => items.into_iter().map(to_json).collect(),
        Avro::Map(entries) => entries
            .into_iter()
            .map(|(name, value)| (name, to_json(value)))
            .collect(),
        Avro::Record(fields) => fields.into_iter().map(|(name, value)| (name, to_json(value))).collect(),
        // The schema has no other types.
        _ => Json::Null,
    }
}
