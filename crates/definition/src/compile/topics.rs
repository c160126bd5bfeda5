//! Phase `topics`: the topics that are read and written.

use super::compiled::OutputTopic;
use super::entities::PlannedEntity;
use super::lists;
use super::usage::Usage;
use crate::diagnostics::{Diagnostic, Diagnostics, Span};
use crate::syntax::read::Spanned;
use crate::syntax::{Format, Outputs, PipelineFile};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The topics that the pipeline writes.
#[derive(Clone, Debug)]
pub struct Topics {
    /// The topic in front of each stage; `None` if the stage reads the transactions' own topic.
    pub repartition: Vec<Option<Arc<str>>>,
    /// The topic of the decisions.
    pub decisions: Arc<str>,
    /// The topic of the dead letters.
    pub dead_letters: Arc<str>,
    /// The topics of further outputs, in the order of the file.
    pub further: Vec<OutputTopic>,
    /// The encoding of decisions.
    pub decision_format: Format,
}

/// Checks all topics and names those that are written. `None` if a name is missing, which was reported.
pub fn compile(
    file: &PipelineFile,
    usage: &Usage<'_>,
    entities: &[PlannedEntity],
    diagnostics: &mut Diagnostics,
) -> Option<Topics> {
    check_inputs(file, diagnostics);
    if let Some(name) = &file.name.0 {
        check_topic_name(name, diagnostics);
    }
    let outputs = &file.outputs.0.as_ref()?.value;
    check_outputs(file, outputs, diagnostics);
    check_rollout(file, diagnostics);
    check_lists(file, diagnostics);
    let has_notices = file.rollout.is_some() || lists::followed_topics(file).next().is_some();
    let repartition = repartition_topics(&file.name.0.as_ref()?.value, usage, entities, has_notices);
    check_not_internal(outputs, &repartition, diagnostics);
    Some(Topics {
        repartition,
        further: further_topics(outputs)?,
        decisions: outputs.decisions.0.as_ref()?.value.as_str().into(),
        dead_letters: outputs.dead_letters.0.as_ref()?.value.as_str().into(),
        decision_format: outputs.format.as_ref().map_or(Format::Json, |format| format.value),
    })
}

/// Every stage has a repartition topic. The first has none if it can read the transactions' topic itself: they are the
/// only input and keyed by its entity. A first stage that also decides has one if there are roll-outs, lists or tables that change,
/// because notices of them are written into the log that it reads.
fn repartition_topics(
    name: &str,
    usage: &Usage<'_>,
    entities: &[PlannedEntity],
    has_notices: bool,
) -> Vec<Option<Arc<str>>> {
    let takes_notices = has_notices && entities.len() == 1;
    let is_keyed = |entity: &PlannedEntity| match usage.inputs.as_slice() {
        [transactions] => transactions.key.as_ref() == Some(&entity.key.name),
        _ => false,
    };
    let topic = |(at, entity): (usize, &PlannedEntity)| {
        let reads_transactions = at == 0 && is_keyed(entity) && !takes_notices;
        (!reads_transactions).then(|| format!("{name}-hop-{}", entity.name).into())
    };
    entities.iter().enumerate().map(topic).collect()
}

fn check_inputs(file: &PipelineFile, diagnostics: &mut Diagnostics) {
    let mut seen: BTreeMap<&str, &Span> = BTreeMap::new();
    for topic in file.inputs.iter().filter_map(|(_, input)| input.topic.0.as_ref()) {
        check_topic_name(topic, diagnostics);
        if let Some(first) = seen.insert(&topic.value, &topic.span) {
            diagnostics.add(
                Diagnostic::new(
                    format!("two inputs read the topic `{}`", topic.value),
                    topic.span.clone(),
                )
                .label("the second input")
                .also(first.clone(), "the first input"),
            );
        }
    }
}

/// The topics of roll-outs and approvals.
fn rollout_topics(file: &PipelineFile) -> impl Iterator<Item = &Spanned<String>> {
    let section = file.rollout.iter();
    section.flat_map(|section| section.value.topic.iter().chain(&section.value.approvals_topic))
}

/// Approvals need a topic; nobody approves a watched file.
fn check_rollout(file: &PipelineFile, diagnostics: &mut Diagnostics) {
    let Some(section) = file.rollout.as_ref().map(|section| &section.value) else {
        return;
    };
    for topic in rollout_topics(file) {
        check_topic_name(topic, diagnostics);
    }
    let required = section.approvals.as_ref().filter(|approvals| approvals.value > 0);
    if let (Some(required), None) = (required, &section.topic) {
        diagnostics.add(
            Diagnostic::new("`approvals` needs a topic", required.span.clone())
                .help("add `topic:`: proposals, approvals and what is applied are its records"),
        );
    }
    if let (Some(required), Some(watched)) = (required, &section.file) {
        diagnostics.add(
            Diagnostic::new("a watched file has no approvals", watched.span.clone())
                .label("whoever writes the file changes what decides")
                .also(required.span.clone(), "required here")
                .help("remove `file`, and use `riskstream rollout propose`"),
        );
    }
    if let (Some(topic), None) = (&section.approvals_topic, required) {
        diagnostics.add(
            Diagnostic::new(
                "`approvals_topic` has no effect without `approvals`",
                topic.span.clone(),
            )
            .help("add `approvals: 1`"),
        );
    }
    if let (Some(topic), Some(first)) = (&section.approvals_topic, &section.topic)
        && topic.value == first.value
    {
        diagnostics.add(
            Diagnostic::new(format!("the topic `{}` is used twice", topic.value), topic.span.clone())
                .also(first.span.clone(), "used here as well")
                .help("approvals are records of `topic` if `approvals_topic` is left out"),
        );
    }
}

/// A list or table has a topic of its own: its records are read as entries or rows.
fn check_lists(file: &PipelineFile, diagnostics: &mut Diagnostics) {
    let inputs = file.inputs.iter().filter_map(|(_, input)| input.topic.0.as_ref());
    let mut seen: BTreeMap<&str, &Span> = inputs
        .chain(rollout_topics(file))
        .map(|topic| (topic.value.as_str(), &topic.span))
        .collect();
    for topic in lists::followed_topics(file) {
        check_topic_name(topic, diagnostics);
        if let Some(other) = seen.insert(&topic.value, &topic.span) {
            diagnostics.add(
                Diagnostic::new(format!("the topic `{}` is used twice", topic.value), topic.span.clone())
                    .label("the topic of a list or table")
                    .also(other.clone(), "used here as well")
                    .help("give the list or table a topic of its own"),
            );
        }
    }
}

fn check_outputs(file: &PipelineFile, outputs: &Outputs, diagnostics: &mut Diagnostics) {
    let mut seen: BTreeMap<&str, (&str, &Span)> = BTreeMap::new();
    for (name, topic) in written(outputs) {
        check_topic_name(topic, diagnostics);
        check_not_read(file, topic, diagnostics);
        match seen.get(topic.value.as_str()) {
            Some((other, first)) => diagnostics.add(
                Diagnostic::new(
                    format!("the outputs `{other}` and `{name}` must have different topics"),
                    topic.span.clone(),
                )
                .also((*first).clone(), "the same topic")
                .help("use another topic: its consumers could not tell the records apart"),
            ),
            None => {
                seen.insert(&topic.value, (name, &topic.span));
            }
        }
    }
    let format = outputs.format.as_ref().filter(|format| format.value == Format::Avro);
    if let (Some(format), None) = (format, &file.registry) {
        diagnostics.add(
            Diagnostic::new("`avro` needs a schema registry", format.span.clone())
                .help("add `registry: {url: http://localhost:8081}`, or write `format: avro_plain`"),
        );
    }
}

/// The outputs and their topics.
fn written(outputs: &Outputs) -> impl Iterator<Item = (&str, &Spanned<String>)> {
    let fixed = [
        ("decisions", &outputs.decisions),
        ("dead_letters", &outputs.dead_letters),
    ];
    let further = outputs
        .further
        .iter()
        .map(|(key, output)| (key.name.as_str(), &output.topic));
    fixed
        .into_iter()
        .chain(further)
        .filter_map(|(name, topic)| Some((name, topic.0.as_ref()?)))
}

/// `None` if one is missing, which was reported.
fn further_topics(outputs: &Outputs) -> Option<Vec<OutputTopic>> {
    let further = outputs.further.0.iter().map(|(key, output)| {
        Some(OutputTopic {
            name: key.name.clone(),
            topic: output.as_ref()?.topic.0.as_ref()?.value.as_str().into(),
        })
    });
    further.collect()
}

fn check_not_internal(outputs: &Outputs, repartition: &[Option<Arc<str>>], diagnostics: &mut Diagnostics) {
    for (_, topic) in written(outputs) {
        if repartition.iter().flatten().any(|internal| **internal == topic.value) {
            diagnostics.add(
                Diagnostic::new(
                    format!("`{}` is a repartition topic of the pipeline", topic.value),
                    topic.span.clone(),
                )
                .help("use another topic: the pipeline would read its own results"),
            );
        }
    }
}

fn check_not_read(file: &PipelineFile, topic: &Spanned<String>, diagnostics: &mut Diagnostics) {
    let inputs = file.inputs.iter().filter_map(|(_, input)| input.topic.0.as_ref());
    if let Some(read) = inputs
        .chain(rollout_topics(file))
        .chain(lists::followed_topics(file))
        .find(|read| read.value == topic.value)
    {
        diagnostics.add(
            Diagnostic::new(
                format!("the topic `{}` is both an input and an output", topic.value),
                topic.span.clone(),
            )
            .label("written here")
            .also(read.span.clone(), "read here")
            .help("use another topic: the pipeline would read its own results"),
        );
    }
}

/// Kafka's rules for the name of a topic.
fn check_topic_name(topic: &Spanned<String>, diagnostics: &mut Diagnostics) {
    let name = topic.value.as_str();
    let legal = !name.is_empty()
        && name.len() <= 249
        && name != "."
        && name != ".."
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !legal {
        diagnostics.add(
            Diagnostic::new(format!("`{name}` is not a valid topic name"), topic.span.clone())
                .help("a topic name has 1 to 249 characters, each one of a-z, A-Z, 0-9, `.`, `_` and `-`"),
        );
    }
}
