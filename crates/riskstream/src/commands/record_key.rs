//! `--key`: the field that is the Kafka key of the records of a file.

use super::error::CommandError;
use super::input_files::of_input;
use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_events::{Field, InputFields, ValueType};
use riskstream_offline::backfill::RecordKey;

/// The field that is the key of an input's records, by the arguments `keys` or by the pipeline file; none if neither says it.
///
/// # Errors
/// An argument names an input that the pipeline does not use.
pub(super) fn key_of(keys: &[String], compiled: &Compiled, input: usize) -> Result<Option<String>, CommandError> {
    for argument in keys {
        let (of, field) = of_input(argument, compiled)?;
        if of == input {
            return Ok(Some(field.to_owned()));
        }
    }
    Ok(compiled.inputs[input].key.clone())
}

/// Nothing says which field is the key.
pub(super) fn without_key(compiled: &Compiled, input: usize) -> CommandError {
    let name = &compiled.inputs[input].name;
    CommandError::configuration(anyhow!(
        "which field is the Kafka key of `{name}`? Its partitions depend on it: add --key {name}=FIELD, or `key: FIELD` to the \
         input in the pipeline file"
    ))
}

/// The fields to read of an input, and the key of its records: the field called `name`.
///
/// # Errors
/// The key is no text and no integer, or there is no secret for personal fields.
pub(super) fn keyed_fields(
    compiled: &Compiled,
    input: usize,
    secret: Option<&[u8]>,
    name: &str,
) -> Result<(InputFields, RecordKey), CommandError> {
    let fields = compiled.input_fields(input, secret);
    let fields = fields.map_err(CommandError::configuration)?;
    let required = input == 0 && compiled.repartition_topics[0].is_none();
    let Some(index) = fields.fields.iter().position(|field| field.name == name) else {
        let slot = compiled.plan.slots.len();
        let fields = compiled.input_fields_with(input, secret, Field::at(name, ValueType::Text, slot));
        let key = RecordKey {
            slot,
            personal: None,
            required,
        };
        return Ok((fields.map_err(CommandError::configuration)?, key));
    };
    let field = &fields.fields[index];
    if !matches!(field.value_type, ValueType::Text | ValueType::Int) {
        let input = &compiled.inputs[input].name;
        return Err(CommandError::configuration(anyhow!(
            "`{name}` cannot be the key of `{input}`: a key is a text or an int"
        )));
    }
    let key = RecordKey {
        slot: field.slot,
        personal: fields.is_personal(index).then(|| fields.clone()),
        required,
    };
    Ok((fields.in_clear(index), key))
}
