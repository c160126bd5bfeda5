//! Phase `topics`: the topics that are read and written.

use super::entities::PlannedEntity;
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
    Some(Topics {
        repartition: repartition_topics(&file.name.0.as_ref()?.value, usage, entities, file.rollout.is_some()),
        decisions: outputs.decisions.0.as_ref()?.value.as_str().into(),
        dead_letters: outputs.dead_letters.0.as_ref()?.value.as_str().into(),
        decision_format: outputs.format.as_ref().map_or(Format::Json, |format| format.value),
    })
}

/// Every stage has a repartition topic. The first has none if it can read the transactions' topic itself: they are the
/// only input and keyed by its entity. A first stage that also decides has one if there are roll-outs, because roll-out
/// notices are written into the log that it reads.
fn repartition_topics(
    name: &str,
    usage: &Usage<'_>,
    entities: &[PlannedEntity],
    has_rollouts: bool,
) -> Vec<Option<Arc<str>>> {
    let takes_notices = has_rollouts && entities.len() == 1;
    let is_keyed = |entity: &PlannedEntity| match usage.inputs.as_slice() {
        [transactions] => transactions.key.as_ref() == Some(&entity.key.0),
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

fn check_outputs(file: &PipelineFile, outputs: &Outputs, diagnostics: &mut Diagnostics) {
    let (decisions, dead_letters) = (outputs.decisions.0.as_ref(), outputs.dead_letters.0.as_ref());
    for topic in [decisions, dead_letters].into_iter().flatten() {
        check_topic_name(topic, diagnostics);
        check_not_read(file, topic, diagnostics);
    }
    if let (Some(decisions), Some(dead_letters)) = (decisions, dead_letters)
        && decisions.value == dead_letters.value
    {
        diagnostics.add(
            Diagnostic::new(
                "decisions and dead letters must have different topics",
                dead_letters.span.clone(),
            )
            .also(decisions.span.clone(), "the same topic"),
        );
    }
    let format = outputs.format.as_ref().filter(|format| format.value == Format::Avro);
    if let (Some(format), None) = (format, &file.registry) {
        diagnostics.add(
            Diagnostic::new("`avro` needs a schema registry", format.span.clone())
                .help("add `registry: {url: http://localhost:8081}`, or write `format: avro_plain`"),
        );
    }
}

fn check_not_read(file: &PipelineFile, topic: &Spanned<String>, diagnostics: &mut Diagnostics) {
    let mut inputs = file.inputs.iter().filter_map(|(_, input)| input.topic.0.as_ref());
    if let Some(read) = inputs.find(|read| read.value == topic.value) {
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
