//! Which topics tasks read and write: the checks of [`identity`] over a topology.

use crate::identity::{self, Keying};
use crate::log::{LogTopic, TopicIdentity};
use crate::stop_reason::StopReason;
use crate::topology::Topology;

/// Looks up a topic as it is now.
pub type LookUp<'a, E> = &'a mut dyn FnMut(&str) -> Result<LogTopic, E>;

/// Which topic of this name is read or written.
///
/// # Errors
/// It cannot be looked up, or was read as another one before: why, and what to do.
pub fn identify<E: From<StopReason>>(
    topology: &Topology,
    name: &str,
    keying: Keying,
    look_up: LookUp<'_, E>,
) -> Result<TopicIdentity, E> {
    let topic = look_up(name)?;
    Ok(identity::identify(name, &topic, keying, &topology.chain())?)
}

/// The topic that a stage reads, with the topics that are written to it if it is a repartition topic.
///
/// # Errors
/// As for [`identify`].
pub fn identify_stage<E: From<StopReason>>(
    topology: &Topology,
    stage: usize,
    look_up: LookUp<'_, E>,
) -> Result<TopicIdentity, E> {
    let name = topology.topic_of_stage(stage);
    let topic = identify(topology, name, Keying::ByState, look_up)?;
    if topology.repartition_topics[stage].is_none() {
        return Ok(topic);
    }
    let keying = if stage == 0 { Keying::Free } else { Keying::ByState };
    let names = topology.topics_before_stage(stage);
    let mut sources = Vec::with_capacity(names.len());
    for name in &names {
        let source = identify(topology, name, keying, look_up)?;
        sources.push((source.id, source.epoch));
    }
    identity::check_sources(&names, &sources, &look_up(name)?.committed)?;
    Ok(TopicIdentity { sources, ..topic })
}
