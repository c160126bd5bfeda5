//! Phase `examples`: the examples, whose inputs, features and outcomes must exist.

use super::lists;
use super::outcomes::DeclaredOutcomes;
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::example_lists::text_of;
use crate::syntax::{Example, ExampleEvent, PipelineFile};

/// The examples of the file.
pub fn compile(file: &PipelineFile, outcomes: &DeclaredOutcomes, diagnostics: &mut Diagnostics) -> Vec<Example> {
    let examples: Vec<Example> = file.examples.0.iter().map(|example| example.value.clone()).collect();
    for event in examples.iter().flat_map(|example| &example.events.0) {
        check_event(file, outcomes, &event.value, diagnostics);
    }
    examples
        .iter()
        .for_each(|example| check_lists(file, example, diagnostics));
    examples
}

/// An example gives entries of lists that have some.
fn check_lists(file: &PipelineFile, example: &Example, diagnostics: &mut Diagnostics) {
    let known: Vec<&str> = lists::sections(file).map(|(name, _)| name).collect();
    for (name, entries) in &example.lists.0 {
        if !known.contains(&name.name.as_str()) {
            let what = match file.lists.get(&name.name) {
                Some(_) => format!("the list `{}` has constants, no entries", name.name),
                None => format!("unknown list `{}`", name.name),
            };
            diagnostics.add(
                Diagnostic::new(what, name.span.clone())
                    .nearest(&name.name, known.iter().copied())
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

fn check_event(file: &PipelineFile, outcomes: &DeclaredOutcomes, event: &ExampleEvent, diagnostics: &mut Diagnostics) {
    let input = &event.input;
    if file.inputs.get(&input.name).is_none() {
        // A missing input `transactions` was reported as such.
        if input.name != "transactions" {
            diagnostics.add(
                Diagnostic::new(format!("unknown input `{}`", input.name), input.span.clone())
                    .nearest(&input.name, file.inputs.names())
                    .help(format!("the inputs are {}", enumerate(file.inputs.names()))),
            );
        }
        return;
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
    let known = file.outputs.0.iter().flat_map(|outputs| outputs.value.further.names());
    let known: Vec<&str> = known.collect();
    for name in expect.outputs.iter().flat_map(|outputs| &outputs.value.0) {
        if !known.contains(&name.value.as_str()) {
            diagnostics.add(
                Diagnostic::new(format!("unknown output `{}`", name.value), name.span.clone())
                    .nearest(&name.value, known.iter().copied())
                    .help(format!("the further outputs are {}", enumerate(known.iter().copied()))),
            );
        }
    }
    for name in expect.features.0.iter().map(|(key, _)| key) {
        if file.features.get(&name.name).is_none() {
            diagnostics.add(
                Diagnostic::new(format!("unknown feature `{}`", name.name), name.span.clone())
                    .nearest(&name.name, file.features.names()),
            );
        }
    }
}
