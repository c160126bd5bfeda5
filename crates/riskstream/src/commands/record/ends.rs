//! The topics that are recorded, and the offsets at which they end.

use crate::commands::error::CommandError;
use crate::required_topics::{TopicRole, required_topics};
use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_kafka::{KafkaOptions, Span, TimeRange, committed_offsets, look_up, settled_spans, spans};
use riskstream_pipeline::log::{LogError, LogTopic};
use std::collections::BTreeMap;

/// A topic that is recorded.
pub(super) struct Recorded {
    pub(super) name: String,
    pub(super) role: TopicRole,
    /// The topic as it is now.
    pub(super) topic: LogTopic,
    /// Why its records are not recorded, if that is so.
    pub(super) left_out: Option<String>,
}

/// The topics in the order in which they are recorded: lists and roll-outs, then the others in the order of the data flow, so that
/// what something is made from is recorded before it. Dead letters and further outputs are not recorded: they follow from the others.
///
/// # Errors
/// A topic is missing, or Kafka cannot be reached or refuses.
pub(super) fn topics(compiled: &Compiled, kafka: &KafkaOptions) -> Result<Vec<Recorded>, CommandError> {
    let required = required_topics(compiled).into_iter();
    let mut required: Vec<_> = required
        .filter(|topic| !matches!(topic.role, TopicRole::DeadLetters | TopicRole::Output(_)))
        .collect();
    required.sort_by_key(|topic| {
        !matches!(
            topic.role,
            TopicRole::List(_) | TopicRole::Table(_) | TopicRole::Rollouts | TopicRole::Approvals
        )
    });
    let names: Vec<&str> = required.iter().map(|topic| topic.name.as_str()).collect();
    let found = look_up(kafka, &names).map_err(CommandError::failed)?;
    let topics = required.iter().zip(found).map(|(required, topic)| {
        Ok(Recorded {
            name: required.name.clone(),
            role: required.role.clone(),
            topic: topic.ok_or_else(|| anyhow!("there is no topic {} ({})", required.name, required.role))?,
            left_out: None,
        })
    });
    topics
        .collect::<anyhow::Result<_>>()
        .map_err(CommandError::configuration)
}

/// What there is to be recorded of each topic.
pub(super) struct RecordedSpans {
    spans: BTreeMap<String, Vec<Span>>,
    /// All that the topics hold, whenever it was written.
    all: BTreeMap<String, Vec<Span>>,
    /// The topic that the deciding stage reads, and the group's positions in it.
    pub(super) decided: (String, Vec<Option<i64>>),
}

impl RecordedSpans {
    /// Looks them up in the reverse order: what was decided, then decisions, then what they were made from. So each decision
    /// was made from records before the ends, and no notice names a version of a list beyond its end. `written` bounds inputs and
    /// what is made from them; decisions are written later, and lists and roll-outs are needed whole.
    ///
    /// # Errors
    /// Kafka cannot be reached or refuses.
    pub(super) fn look_up(
        compiled: &Compiled,
        kafka: &KafkaOptions,
        topics: &[Recorded],
        written: TimeRange,
    ) -> Result<RecordedSpans, CommandError> {
        let last = compiled.repartition_topics.last().and_then(Option::as_deref);
        let deciding = last.unwrap_or(&compiled.inputs[0].topic).to_owned();
        let committed = committed_offsets(kafka, &deciding).map_err(CommandError::failed)?;
        let mut ends = RecordedSpans {
            spans: BTreeMap::new(),
            all: BTreeMap::new(),
            decided: (deciding, committed),
        };
        for topic in topics.iter().rev() {
            ends.look_up_topic(kafka, topic, written)
                .map_err(CommandError::failed)?;
        }
        Ok(ends)
    }

    fn look_up_topic(&mut self, kafka: &KafkaOptions, topic: &Recorded, written: TimeRange) -> Result<(), LogError> {
        let name = topic.name.as_str();
        let all = match topic.role {
            TopicRole::Decisions => settled_spans(kafka, name)?,
            _ => spans(kafka, name, TimeRange::default())?,
        };
        let written = match topic.role {
            TopicRole::Input(_) | TopicRole::Rows(_) | TopicRole::Repartition(_) => written,
            TopicRole::Decisions => TimeRange { until: None, ..written },
            _ => TimeRange::default(),
        };
        let mut found = match written == TimeRange::default() {
            true => all.clone(),
            false => spans(kafka, name, written)?,
        };
        // What came in between belongs to the next recording.
        for (span, all) in found.iter_mut().zip(&all) {
            span.end = span.end.min(all.end);
            span.begin = span.begin.min(span.end);
        }
        self.spans.insert(topic.name.clone(), found);
        self.all.insert(topic.name.clone(), all);
        Ok(())
    }

    /// What is to be recorded of each partition.
    pub(super) fn of(&self, topic: &str) -> &[Span] {
        self.spans.get(topic).map_or(&[], Vec::as_slice)
    }

    /// What each partition holds.
    pub(super) fn all_of(&self, topic: &str) -> &[Span] {
        self.all.get(topic).map_or(&[], Vec::as_slice)
    }
}
