//! Phase `examples`: the examples, whose inputs, features and outcomes must exist.

use super::lists;
use super::outcomes::DeclaredOutcomes;
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::example_lists::text_of;
use crate::syntax::read::List;
use crate::syntax::{Example, ExampleEvent, Input, Kind, PipelineFile, TableSection};
use crate::text::Key;
use riskstream_events::Slot;

/// What examples may name.
#[derive(Clone, Debug, Default)]
pub struct Known {
    inputs: Vec<String>,
    /// The inputs of `kind: table`.
    tables_of_rows: Vec<String>,
    outputs: Vec<String>,
    features: Vec<String>,
    /// Whether columns of tables are missing among the features because something was reported as broken.
    may_lack_columns: bool,
    /// The lists that have entries.
    entry_lists: Vec<String>,
    /// The lists of constants.
    constants: Vec<String>,
    /// The tables that are from topics.
    topic_tables: Vec<String>,
    /// The tables that are from files.
    file_tables: Vec<String>,
}

impl Known {
    /// What the file has.
    pub fn of(file: &PipelineFile) -> Known {
        let owned = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect();
        let mut outputs = file.outputs.0.iter().flat_map(|outputs| outputs.value.further.names());
        let entry_lists: Vec<String> = owned(&mut lists::sections(file).map(|(name, _)| name));
        let constants = file
            .lists
            .names()
            .filter(|name| !entry_lists.iter().any(|list| list == name));
        let (in_topics, in_files): (Vec<_>, Vec<_>) = file.tables.iter().partition(|(_, table)| table.topic.is_some());
        let names = |tables: Vec<(&Key, &TableSection)>| tables.iter().map(|(name, _)| name.name.clone()).collect();
        let is_table = |input: &Input| matches!(&input.kind, Some(kind) if kind.value == Kind::Table);
        let of_rows = file.inputs.iter().filter(|(_, input)| is_table(input));
        Known {
            tables_of_rows: of_rows.map(|(name, _)| name.name.clone()).collect(),
            topic_tables: names(in_topics),
            file_tables: names(in_files),
            inputs: owned(&mut file.inputs.names()),
            outputs: owned(&mut outputs),
            features: owned(&mut file.features.names()),
            may_lack_columns: false,
            constants: constants.map(str::to_owned).collect(),
            entry_lists,
        }
    }

    /// The same, and these features.
    pub fn with_features<'n>(&self, features: impl Iterator<Item = &'n str>) -> Known {
        let mut known = self.clone();
        known.features.extend(features.map(str::to_owned));
        known
    }
}

fn texts(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().map(String::as_str)
}

/// The examples of a pipeline file, whose decisions list these features.
pub fn of_file(
    file: &PipelineFile,
    listed: &[(String, Slot)],
    outcomes: &DeclaredOutcomes,
    diagnostics: &mut Diagnostics,
) -> Vec<Example> {
    let listed = listed.iter().map(|(name, _)| name.as_str());
    compile(
        &file.examples,
        &Known::of(file).with_features(listed),
        outcomes,
        diagnostics,
    )
}

/// The examples of a file.
pub fn compile(
    examples: &List<Example>,
    known: &Known,
    outcomes: &DeclaredOutcomes,
    diagnostics: &mut Diagnostics,
) -> Vec<Example> {
    let known = &Known {
        may_lack_columns: !diagnostics.is_empty(),
        ..known.clone()
    };
    let examples: Vec<Example> = examples.0.iter().map(|example| example.value.clone()).collect();
    for event in examples.iter().flat_map(|example| &example.events.0) {
        check_event(known, outcomes, &event.value, diagnostics);
    }
    examples
        .iter()
        .for_each(|example| check_lists(known, example, diagnostics));
    examples
        .iter()
        .for_each(|example| check_tables(known, example, diagnostics));
    examples
}

/// An example gives entries of lists that have some.
fn check_lists(known: &Known, example: &Example, diagnostics: &mut Diagnostics) {
    for (name, entries) in &example.lists.0 {
        if !known.entry_lists.contains(&name.name) {
            let what = match known.constants.contains(&name.name) {
                true => format!("the list `{}` has constants, no entries", name.name),
                false => format!("unknown list `{}`", name.name),
            };
            diagnostics.add(
                Diagnostic::new(what, name.span.clone())
                    .nearest(&name.name, texts(&known.entry_lists))
                    .help("an example gives the entries of a list that has a `topic:`"),
            );
        }
        for entry in entries.iter().flat_map(|entries| &entries.0) {
            if let Some(key) = entry.value.key.0.as_ref().filter(|key| text_of(&key.value).is_none()) {
                diagnostics.add(Diagnostic::new("a key is a text or a number", key.span.clone()));
            }
        }
    }
}

/// An example gives rows of tables that are from topics. The rows themselves are read when it runs.
fn check_tables(known: &Known, example: &Example, diagnostics: &mut Diagnostics) {
    for (name, _) in &example.tables.0 {
        if !known.topic_tables.contains(&name.name) {
            let what = match known.file_tables.contains(&name.name) {
                true => format!("the table `{}` has the rows of its file", name.name),
                false => format!("unknown table `{}`", name.name),
            };
            diagnostics.add(
                Diagnostic::new(what, name.span.clone())
                    .nearest(&name.name, texts(&known.topic_tables))
                    .help("an example gives the rows of a table that has a `topic:`"),
            );
        }
    }
}

fn check_event(known: &Known, outcomes: &DeclaredOutcomes, event: &ExampleEvent, diagnostics: &mut Diagnostics) {
    let input = &event.input;
    if !known.inputs.contains(&input.name) {
        // A missing input `transactions` was reported as such.
        if input.name != "transactions" {
            diagnostics.add(
                Diagnostic::new(format!("unknown input `{}`", input.name), input.span.clone())
                    .nearest(&input.name, texts(&known.inputs))
                    .help(format!("the inputs are {}", enumerate(texts(&known.inputs)))),
            );
        }
        return;
    }
    if let Some(key) = event
        .key
        .as_ref()
        .filter(|_| !known.tables_of_rows.contains(&input.name))
    {
        diagnostics.add(
            Diagnostic::new(
                format!("`{}` is no table: its records are given without `key:`", input.name),
                key.span.clone(),
            )
            .help("remove `key:` and give the record's fields"),
        );
    }
    let Some(expect) = &event.expect else {
        return;
    };
    if input.name != "transactions" {
        diagnostics.add(
            Diagnostic::new("only a transaction gets a decision", input.span.clone())
                .help("move `expect:` to a transaction"),
        );
    }
    if let Some(outcome) = &expect.outcome {
        outcomes.find(outcome, diagnostics);
    }
    for name in expect.outputs.iter().flat_map(|outputs| &outputs.value.0) {
        if !known.outputs.contains(&name.value) {
            diagnostics.add(
                Diagnostic::new(format!("unknown output `{}`", name.value), name.span.clone())
                    .nearest(&name.value, texts(&known.outputs))
                    .help(format!("the further outputs are {}", enumerate(texts(&known.outputs)))),
            );
        }
    }
    for name in expect.features.0.iter().map(|(key, _)| key) {
        let table = name.name.split_once('.').map(|(table, _)| table);
        let is_column = table.is_some_and(|table| known.inputs.iter().any(|input| input == table));
        if known.features.contains(&name.name) || (is_column && known.may_lack_columns) {
            continue;
        }
        let diagnostic = Diagnostic::new(format!("unknown feature `{}`", name.name), name.span.clone())
            .nearest(&name.name, texts(&known.features));
        diagnostics.add(match is_column {
            true => diagnostic.help("decisions list those columns of a table that an expression of the file uses"),
            false => diagnostic,
        });
    }
}
