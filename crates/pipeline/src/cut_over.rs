//! The cut-over from files to topics: states that hold what files held, and positions of the group, so that tasks go on with the
//! first records behind the files (docs/adr/0036-states-from-files.md).
//!
//! A stage that reads an input itself goes on at the cut-over. Any other stage goes on at the beginning of its repartition topic,
//! to which nothing has been written. The state of the first one knows up to which number it has the rows of each source, so rows
//! of records before the cut-over are dropped as read before, whatever the group's positions are.

use crate::identity::{self, Keying};
use crate::log::{Committed, TopicIdentity, TopicPartition};
use crate::partitioner::murmur2;
use crate::progress::{SourceMark, SourceProgress};
use crate::sources::{SourceId, Sources};
use crate::stage_topics::{LookUp, identify, identify_stage};
use crate::stop_reason::StopReason;
use crate::topology::Topology;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// The largest event time that files held of a partition of an input, in microseconds, where it is known.
pub type Watermarks = BTreeMap<SourceId, i64>;

/// See the module.
#[derive(Clone, Debug)]
pub struct CutOver {
    /// Of each input: its topic, and the first offset behind the files of each partition.
    inputs: Vec<(Arc<str>, TopicIdentity, Vec<i64>)>,
    /// Of each stage: the topic that it reads.
    stages: Vec<(Arc<str>, TopicIdentity)>,
    reads_input: bool,
    word: Arc<str>,
}

impl CutOver {
    /// The cut-over at these `offsets` of the inputs in the plan's order, partition by partition.
    ///
    /// # Errors
    /// A topic cannot be looked up, or was read as another one before: why, and what to do.
    pub fn new<E: From<StopReason>>(
        topology: &Topology,
        offsets: Vec<Vec<i64>>,
        look_up: LookUp<'_, E>,
    ) -> Result<CutOver, E> {
        let names: Vec<Arc<str>> = topology.inputs.iter().map(|input| Arc::clone(&input.topic)).collect();
        let word = word(&names, &offsets);
        let reads_input = topology.repartition_topics[0].is_none();
        let keying = if reads_input { Keying::ByState } else { Keying::Free };
        let named = |identity: TopicIdentity| TopicIdentity {
            cut_over: Some(Arc::clone(&word)),
            ..identity
        };
        let mut inputs = Vec::with_capacity(names.len());
        for (name, offsets) in names.into_iter().zip(offsets) {
            let identity = named(identify(topology, &name, keying, look_up)?);
            inputs.push((name, identity, offsets));
        }
        let mut stages = Vec::with_capacity(topology.plan.stages.len());
        for stage in 0..topology.plan.stages.len() {
            let identity = named(identify_stage(topology, stage, look_up)?);
            stages.push((topology.topic_of_stage(stage).into(), identity));
        }
        Ok(CutOver {
            inputs,
            stages,
            reads_input,
            word,
        })
    }

    /// Tells this cut-over from others: 8 hexadecimal digits, which the group keeps with its positions.
    pub fn word(&self) -> &str {
        &self.word
    }

    /// The topic that a stage reads.
    pub fn topic_of_stage(&self, stage: usize) -> &TopicIdentity {
        &self.stages[stage].1
    }

    /// How far the task of a stage on a partition has read, and the offset of the next record.
    pub fn progress(&self, stage: usize, partition: i32, watermarks: &Watermarks) -> (SourceProgress, i64) {
        if stage > 0 || !self.reads_input {
            let sources = if stage == 0 { self.marks() } else { Sources::default() };
            let progress = SourceProgress {
                sources,
                ..SourceProgress::default()
            };
            return (progress, 0);
        }
        let (_, topic, offsets) = &self.inputs[0];
        let offset = offsets[partition as usize];
        let watermark = watermarks.get(&SourceId::new(0, partition)).copied();
        let progress = SourceProgress {
            watermark: watermark.unwrap_or(i64::MIN),
            sequence: number_before(topic, offset),
            ..SourceProgress::default()
        };
        (progress, offset)
    }

    /// What the first stage knows of the inputs' partitions: nothing but the numbers of the rows that it has.
    fn marks(&self) -> Sources<SourceMark> {
        let counts: Vec<u32> = self.inputs.iter().map(|(.., offsets)| offsets.len() as u32).collect();
        let offsets = self.inputs.iter();
        let offsets = offsets.flat_map(|(_, topic, offsets)| offsets.iter().map(move |offset| (topic, *offset)));
        let marks = offsets.map(|(topic, offset)| SourceMark {
            sequence: number_before(topic, offset),
            ..SourceMark::NEW
        });
        Sources::from_values(&counts, marks).expect("there is a mark for each partition")
    }

    /// The group's positions: of the inputs at the cut-over, of repartition topics at their beginning.
    pub fn positions(&self, watermarks: &Watermarks) -> Vec<(TopicPartition, Committed)> {
        let mut positions = Vec::new();
        for (input, (name, topic, offsets)) in self.inputs.iter().enumerate() {
            for (partition, offset) in (0..).zip(offsets) {
                let watermark = watermarks.get(&SourceId::new(input as u8, partition)).copied();
                positions.push(position(name, topic, partition, *offset, watermark));
            }
        }
        for (name, topic) in self.stages.iter().skip(usize::from(self.reads_input)) {
            positions.extend((0..topic.partitions).map(|partition| position(name, topic, partition, 0, None)));
        }
        positions
    }
}

fn position(
    name: &Arc<str>,
    topic: &TopicIdentity,
    partition: i32,
    offset: i64,
    watermark: Option<i64>,
) -> (TopicPartition, Committed) {
    let at = TopicPartition {
        topic: Arc::clone(name),
        partition,
    };
    let committed = Committed {
        watermark,
        topic: topic.clone(),
        ..Committed::from(offset)
    };
    (at, committed)
}

/// The number of the event in front of `offset`.
fn number_before(topic: &TopicIdentity, offset: i64) -> i64 {
    identity::sequence(topic.epoch, offset) - 1
}

fn word(names: &[Arc<str>], offsets: &[Vec<i64>]) -> Arc<str> {
    let mut text = String::new();
    for (name, offsets) in names.iter().zip(offsets) {
        for (partition, offset) in offsets.iter().enumerate() {
            write!(text, "{name}[{partition}]@{offset} ").expect("writing to a String succeeds");
        }
    }
    format!("{:08x}", murmur2(text.as_bytes())).into()
}
