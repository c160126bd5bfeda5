//! The fields of the manifest besides files.

use super::ends::{Recorded, RecordedSpans};
use crate::commands::error::CommandError;
use crate::required_topics::TopicRole;
use crate::secret::{fingerprint, secret};
use anyhow::anyhow;
use riskstream_definition::Compiled;
use riskstream_offline::recording::{Manifest, Model, Partition, Pipeline, RecordedTopic, Stage, TopicEpoch, sha256};
use riskstream_pipeline::topology::chain;

/// The pipeline as it is now.
///
/// # Errors
/// It needs a secret, and there is none.
pub(in crate::commands) fn head(compiled: &Compiled) -> Result<Pipeline, CommandError> {
    let stages = compiled.plan.stages.iter().map(|stage| Stage {
        entity: stage.entity.clone(),
        fingerprint: stage.fingerprint.clone(),
    });
    let models = compiled.decision.lineup.models.iter().map(|model| Model {
        name: model.name.clone(),
        version: model.version.clone(),
        sha256: model.model.sha256().to_owned(),
    });
    Ok(Pipeline {
        name: compiled.plan.name.clone(),
        version: compiled.plan.version.clone(),
        file: compiled.file.to_string(),
        sha256: sha256(compiled.source.as_bytes()),
        chain: chain(&compiled.plan, &compiled.repartition_topics).to_string(),
        stages: stages.collect(),
        models: models.collect(),
        riskstream: env!("CARGO_PKG_VERSION").to_owned(),
        secret: secret(&compiled.settings)?.as_deref().map(fingerprint),
    })
}

/// Leaves out inputs that hold personal data in clear, unless they are asked for.
///
/// # Errors
/// The deciding stage reads such an input itself: nothing could be replayed.
pub(super) fn leave_out(compiled: &Compiled, topics: &mut [Recorded], personal_data: bool) -> Result<(), CommandError> {
    if !compiled.settings.personal || personal_data {
        return Ok(());
    }
    if compiled.repartition_topics.last().is_none_or(Option::is_none) {
        return Err(CommandError::configuration(anyhow!(
            "{} holds personal data in clear, and decisions are made from it without a topic in between: --personal-data records it, \
             in files that only you may read",
            compiled.inputs[0].topic
        )));
    }
    for topic in topics
        .iter_mut()
        .filter(|topic| matches!(topic.role, TopicRole::Input(_) | TopicRole::Rows(_)))
    {
        topic.left_out = Some("it holds personal data in clear; --personal-data would record it".to_owned());
    }
    Ok(())
}

/// Prepares the manifest for what is going to be recorded.
pub(super) fn begin(manifest: &mut Manifest, head: Pipeline, topics: &[Recorded], ends: &RecordedSpans) {
    manifest.is_complete = false;
    if manifest.pipelines.last() != Some(&head) {
        manifest.pipelines.push(head);
    }
    for recorded in topics {
        if manifest.topic(&recorded.name).is_none() {
            manifest.topics.push(RecordedTopic {
                name: recorded.name.clone(),
                role: recorded.role.to_string(),
                id: recorded.topic.id.as_deref().map(str::to_owned),
                committed: Vec::new(),
                left_out: recorded.left_out.clone(),
                partitions: Vec::new(),
            });
        }
        let known = manifest.topics.iter_mut().find(|topic| topic.name == recorded.name);
        let topic = known.expect("it was added if it was not there");
        topic.committed = recorded.topic.committed.iter().map(TopicEpoch::of).collect();
        for span in ends.of(&recorded.name).iter().skip(topic.partitions.len()) {
            topic.partitions.push(Partition {
                begin: span.begin,
                is_cut: span.begin > 0,
                ..Partition::default()
            });
        }
    }
}

/// Says that all was recorded.
pub(super) fn complete(manifest: &mut Manifest, ends: &RecordedSpans) {
    manifest.is_complete = true;
    let (deciding, committed) = &ends.decided;
    for topic in &mut manifest.topics {
        for (partition, all) in topic.partitions.iter_mut().zip(ends.all_of(&topic.name)) {
            partition.goes_on = partition.end() < all.end;
        }
        if topic.name == *deciding {
            for (partition, committed) in topic.partitions.iter_mut().zip(committed) {
                partition.committed = *committed;
            }
        }
    }
}
