//! What concerns the file as a whole.

use super::topics::check_topic_name;
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::node::Span;
use crate::read::Spanned;
use crate::syntax::{Format, PipelineFile};

pub fn check_top(file: &PipelineFile, diagnostics: &mut Diagnostics) {
    if file.inputs.get("transactions").is_none() {
        let span: Span = file.inputs.0.first().map_or(0..0, |(key, _)| key.span.clone());
        diagnostics.add(
            Diagnostic::new("there is no input `transactions`", span)
                .nearest("transactions", file.inputs.names())
                .help("`inputs:` needs `transactions:`, the topic whose records are decided upon"),
        );
    }
    if file.entities.0.is_empty() {
        diagnostics.add(
            Diagnostic::new("there are no entities", 0..0)
                .help("add what features are kept per: `entities: {customer: {key: customer_id}}`"),
        );
    }
    if let Some(name) = &file.name.0 {
        check_topic_name(name, diagnostics);
    }
    let Some(outputs) = &file.outputs.0 else {
        return;
    };
    let topics: Vec<&Spanned<String>> = [&outputs.value.decisions, &outputs.value.dead_letters]
        .iter()
        .filter_map(|topic| topic.0.as_ref())
        .collect();
    for topic in &topics {
        check_topic_name(topic, diagnostics);
        let read = file
            .inputs
            .iter()
            .filter_map(|(_, input)| input.topic.0.as_ref())
            .find(|read| read.value == topic.value);
        if let Some(read) = read {
            diagnostics.add(
                Diagnostic::new(
                    format!("the topic `{}` is read and written", topic.value),
                    topic.span.clone(),
                )
                .label("written")
                .also(read.span.clone(), "read")
                .help("the pipeline would read its own results: use another topic"),
            );
        }
    }
    if let [decisions, dead_letters] = topics.as_slice()
        && decisions.value == dead_letters.value
    {
        diagnostics.add(
            Diagnostic::new(
                "decisions and dead letters need topics of their own",
                dead_letters.span.clone(),
            )
            .also(decisions.span.clone(), "the same topic"),
        );
    }
    if let Some(format) = outputs
        .value
        .format
        .as_ref()
        .filter(|format| format.value == Format::Avro)
        && file.registry.is_none()
    {
        diagnostics.add(
            Diagnostic::new("`avro` needs a schema registry", format.span.clone())
                .help("add `registry: {url: http://localhost:8081}`, or say `format: avro_plain`"),
        );
    }
}

pub fn check_examples(file: &PipelineFile, diagnostics: &mut Diagnostics) {
    let features: Vec<&str> = file.features.names().collect();
    for event in file.examples.0.iter().flat_map(|example| &example.value.events.0) {
        let event = &event.value;
        if file.inputs.get(&event.input.name).is_none() {
            if event.input.name == "transactions" {
                continue;
            }
            diagnostics.add(
                Diagnostic::new(
                    format!("unknown input `{}`", event.input.name),
                    event.input.span.clone(),
                )
                .nearest(&event.input.name, file.inputs.names())
                .help(format!("the inputs are {}", enumerate(file.inputs.names()))),
            );
            continue;
        }
        let Some(expect) = &event.expect else {
            continue;
        };
        if event.input.name != "transactions" {
            diagnostics.add(
                Diagnostic::new("only a transaction has a decision", event.input.span.clone())
                    .help("move `expect:` to a transaction"),
            );
        }
        for name in expect
            .features
            .0
            .iter()
            .map(|(key, _)| key)
            .filter(|key| !features.contains(&key.name.as_str()))
        {
            diagnostics.add(
                Diagnostic::new(format!("unknown feature `{}`", name.name), name.span.clone())
                    .nearest(&name.name, features.iter().copied()),
            );
        }
    }
}
