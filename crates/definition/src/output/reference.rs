//! The references of the keys of pipeline files and roll-outs: the doc comments of `syntax` as Markdown.

use crate::syntax::read::VARIABLE;
use crate::syntax::{
    ChallengerSection, Checkpoints, Entity, EntryList, Example, ExampleEntry, Expectation, Explain, Feature, Headers,
    Http, Input, Kafka, LongField, ModelSection, Output, Outputs, PersonalData, PipelineFile, Registry, Rollout,
    RolloutFile, Rule, State, TableSection, Thresholds,
};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value as Json;
use std::fmt::{self, Write};

/// The place of a section in the file, its name in the schema, and its keys.
type Section = (&'static str, &'static str, &'static [&'static str]);

/// The sections of a pipeline file in the order of the reference.
const SECTIONS: [Section; 24] = [
    ("The file", "PipelineFile", PipelineFile::KEYS),
    ("inputs: {name: …}", "Input", Input::KEYS),
    ("inputs: {name: {fields: {name: …}}}", "LongField", LongField::KEYS),
    ("entities: {name: …}", "Entity", Entity::KEYS),
    ("features: {name: …}", "Feature", Feature::KEYS),
    ("lists: {name: …}", "EntryList", EntryList::KEYS),
    ("tables: {name: …}", "TableSection", TableSection::KEYS),
    ("model:", "ModelSection", ModelSection::KEYS),
    ("rollout:", "Rollout", Rollout::KEYS),
    ("explain:", "Explain", Explain::KEYS),
    ("rules: [ … ]", "Rule", Rule::KEYS),
    ("decision:", "Thresholds", Thresholds::KEYS),
    ("outputs:", "Outputs", Outputs::KEYS),
    ("outputs: {name: …}", "Output", Output::KEYS),
    ("headers:", "Headers", Headers::KEYS),
    ("kafka:", "Kafka", Kafka::KEYS),
    ("registry:", "Registry", Registry::KEYS),
    ("state:", "State", State::KEYS),
    ("state: {checkpoints: …}", "Checkpoints", Checkpoints::KEYS),
    ("http:", "Http", Http::KEYS),
    ("personal_data:", "PersonalData", PersonalData::KEYS),
    ("examples: [ … ]", "Example", Example::KEYS),
    ("examples: [{lists: {name: [ … ]}}]", "ExampleEntry", ExampleEntry::KEYS),
    ("examples: [{events: [{expect: … }]}]", "Expectation", Expectation::KEYS),
];

/// The sections of a roll-out. The keys of a model are in the pipeline file's reference.
const ROLLOUT_SECTIONS: [Section; 2] = [
    ("The file", "RolloutFile", RolloutFile::KEYS),
    ("challengers: [ … ]", "ChallengerSection", ChallengerSection::KEYS),
];

/// The reference of pipeline files as Markdown.
pub fn reference() -> String {
    reference_of::<PipelineFile>(&SECTIONS)
}

/// The reference of roll-outs as Markdown.
pub fn rollout_reference() -> String {
    reference_of::<RolloutFile>(&ROLLOUT_SECTIONS)
}

fn schema_of<File: JsonSchema>() -> Json {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<File>().into()
}

/// The first section must be the file as a whole, whose schema is the root.
fn reference_of<File: JsonSchema>(sections: &[Section]) -> String {
    let root = &schema_of::<File>();
    let mut text = String::new();
    for (place, name, keys) in sections {
        let section = root["$defs"].get(name).unwrap_or(root);
        write_section(&mut text, place, section, keys, root).expect("writing to a string");
    }
    text
}

fn write_section(out: &mut String, place: &str, section: &Json, keys: &[&str], root: &Json) -> fmt::Result {
    match place {
        "The file" => writeln!(out, "### {place}\n")?,
        _ => writeln!(out, "### `{place}`\n")?,
    }
    if let Some(description) = section["description"].as_str() {
        writeln!(out, "{}\n", one_line(description))?;
    }
    let required: Vec<&str> = section["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    writeln!(out, "| key | value | meaning |\n| --- | --- | --- |")?;
    for key in keys {
        let property = &section["properties"][*key];
        let mut meaning = property["description"].as_str().map(one_line).unwrap_or_default();
        if let Some(default) = property.get("default").filter(|default| !default.is_null()) {
            write!(
                meaning,
                " Default: `{}`.",
                default.as_str().map_or_else(|| default.to_string(), str::to_owned)
            )?;
        }
        if required.contains(key) {
            meaning.insert_str(0, "**Required.** ");
        }
        writeln!(
            out,
            "| `{key}` | {} | {} |",
            kind(property, root).replace('|', "\\|"),
            meaning.replace('|', "\\|")
        )?;
    }
    writeln!(out)
}

/// The kind of a value in a few words.
fn kind(schema: &Json, root: &Json) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return match section_of(name) {
            Some(_) => "mapping".to_owned(),
            None => kind(&root["$defs"][name], root),
        };
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words
            .iter()
            .filter_map(Json::as_str)
            .map(|word| format!("`{word}`"))
            .collect();
        return words.join(", ");
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let mut kinds: Vec<String> = Vec::new();
        for kind in choices
            .iter()
            .filter(|choice| choice["type"] != "null" && choice["pattern"] != VARIABLE)
            .map(|choice| kind(choice, root))
        {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        return kinds.join(" or ");
    }
    let types: Vec<&str> = match &schema["type"] {
        Json::String(one) => vec![one],
        Json::Array(several) => several
            .iter()
            .filter_map(Json::as_str)
            .filter(|kind| *kind != "null")
            .collect(),
        _ => return "any value".to_owned(),
    };
    if let Some(pattern) = schema["pattern"].as_str() {
        return if pattern.contains("unlimited") {
            "duration or `unlimited`".to_owned()
        } else if pattern.contains("MiB") {
            "size".to_owned()
        } else {
            "duration".to_owned()
        };
    }
    match types.as_slice() {
        ["string", "number", "boolean"] => "expression".to_owned(),
        ["string", "boolean", "number"] => "text".to_owned(),
        ["array"] => format!("list of {}", kind(&schema["items"], root)),
        ["object"] if schema.get("additionalProperties").is_some_and(Json::is_object) => {
            format!("names: {}", kind(&schema["additionalProperties"], root))
        }
        ["object"] => "mapping".to_owned(),
        ["string"] => "text".to_owned(),
        ["boolean"] => "`true`, `false`".to_owned(),
        ["integer"] => "whole number".to_owned(),
        ["number"] => "number".to_owned(),
        other => other.join(" or "),
    }
}

fn section_of(name: &str) -> Option<&'static str> {
    SECTIONS
        .iter()
        .chain(&ROLLOUT_SECTIONS)
        .find(|(_, section, _)| *section == name)
        .map(|(place, ..)| *place)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_has_a_table() {
        for schema in [schema_of::<PipelineFile>(), schema_of::<RolloutFile>()] {
            let definitions = schema["$defs"].as_object().unwrap();
            // The keys of an example's event are the names of inputs.
            let others = definitions.iter().filter(|(name, _)| *name != "ExampleEvent");
            for (name, _) in others.filter(|(_, schema)| schema.get("properties").is_some()) {
                assert!(section_of(name).is_some(), "{name} is not in SECTIONS");
            }
        }
    }
}
