//! The topology: which stage reads and writes which topic.

use crate::key_rule::KeyRule;
use crate::partitioner::murmur2;
use riskstream_engine::plan::{Plan, SlotInfo, TRANSACTIONS};
use riskstream_events::InputDecoder;
use riskstream_scoring::DecisionSet;
use std::sync::Arc;

/// The pipeline as topics. Made from the pipeline file.
pub struct Topology {
    /// What is computed.
    pub plan: Arc<Plan>,
    /// The models of the pipeline file, which decide until a roll-out changes them.
    pub decision: Arc<DecisionSet>,
    /// The inputs' topics, in the plan's order of inputs.
    pub inputs: Vec<InputTopic>,
    /// The topic in front of each stage: `None` for a first stage that reads the transactions topic itself,
    /// because that topic is keyed by the first entity and there is no other input.
    pub repartition_topics: Vec<Option<Arc<str>>>,
    /// Where decisions go.
    pub decisions: Arc<str>,
    /// Where decisions go as well, in the order of the plan's outputs.
    pub further_outputs: Vec<Arc<str>>,
    /// The topics of the plan's lists, in its order.
    pub list_topics: Vec<Arc<str>>,
    /// Where records go that cannot be processed.
    pub dead_letters: Arc<str>,
    /// How decisions are written.
    pub decision_format: DecisionFormat,
    /// Whether a dead letter may hold the original bytes: not when the pipeline declares personal data.
    pub dead_letter_values: bool,
}

/// One input topic.
pub struct InputTopic {
    /// Its name.
    pub topic: Arc<str>,
    /// Makes decoders for it; each worker has its own.
    pub decoder: Arc<dyn Fn() -> InputDecoder + Send + Sync>,
    /// What its records must be keyed by, if the first stage reads it itself.
    pub key: Option<KeyRule>,
}

/// The encoding of decisions on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionFormat {
    /// JSON.
    Json,
    /// Avro in Confluent's wire format, with the decision schema's id in the registry.
    Avro {
        /// The registry's id of schemas/decision.avsc.
        schema_id: u32,
    },
    /// Avro without a prefix.
    AvroPlain,
}

/// The purpose for which the records of a topic are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Decoded and sent on to the first stage; the index of the input.
    Ingest(u8),
    /// Applied to a stage; its index.
    Stage(usize),
}

/// Which topics a worker reads. While the transaction of decisions commits, the stages before them go on in a worker of
/// their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerRole {
    /// All of them.
    All,
    /// Those before the last stage.
    Upstream,
    /// That of the last stage, which decides.
    Deciding,
}

impl WorkerRole {
    /// The roles that read all topics of a pipeline together. `repartition_topics`: as in [`Topology`].
    pub fn of(repartition_topics: &[Option<Arc<str>>]) -> &'static [WorkerRole] {
        match repartition_topics.last() {
            Some(Some(_)) => &[WorkerRole::Upstream, WorkerRole::Deciding],
            _ => &[WorkerRole::All],
        }
    }
}

/// The way of a transaction through the tasks, in text without blanks: `ingest>card:card_id/text>terminal:terminal_id/int>decisions`,
/// each stage with the field of its key and what that holds. Positions, state and rows between stages belong to one chain. `repartition_topics`: as
/// in [`Topology`].
pub fn chain(plan: &Plan, repartition_topics: &[Option<Arc<str>>]) -> Arc<str> {
    let ingest = repartition_topics[0].as_ref().map(|_| "ingest>".to_owned());
    let stages = plan.stages.iter().map(|stage| {
        let key = stage.keys[usize::from(TRANSACTIONS)].map(|slot| &plan.slots[slot]);
        let key = key.map_or_else(String::new, |key| format!("{}/{}", key.name, kind(key)));
        format!("{}:{key}>", stage.entity)
    });
    let chain: String = ingest
        .into_iter()
        .chain(stages)
        .chain(["decisions".to_owned()])
        .collect();
    shorten(&chain).into()
}

/// What a key holds: another pseudonym or type makes other entities of the same records.
fn kind(key: &SlotInfo) -> &'static str {
    match key.holds_pseudonyms {
        true => "pseudonym",
        false => key.value_type.name(),
    }
}

/// Bytes of a chain at most: a log keeps it with each position, and brokers limit what they keep.
const CHAIN_BYTES: usize = 400;

/// A chain of many long names ends with the hash of all of it.
fn shorten(chain: &str) -> String {
    if chain.len() <= CHAIN_BYTES {
        return chain.to_owned();
    }
    let head = &chain[..chain.floor_char_boundary(CHAIN_BYTES - 9)];
    format!("{head}#{:08x}", murmur2(chain.as_bytes()))
}

/// Indexes of the topics that are written, in the order of [`Topology::output_topics`].
#[derive(Clone, Debug)]
pub struct Routes {
    /// Decisions.
    pub decisions: usize,
    /// Dead letters.
    pub dead_letters: usize,
    /// The repartition topic in front of each stage, if it has one.
    pub repartition_topics: Vec<Option<usize>>,
    /// The first of the further outputs.
    pub further_outputs: usize,
}

impl Routes {
    pub(crate) fn priority_of_stage(&self, stage: usize) -> usize {
        self.repartition_topics.len() - 1 - stage
    }

    pub(crate) fn priority_of_ingest(&self) -> usize {
        self.repartition_topics.len()
    }
}

impl Topology {
    /// The topics to read: the inputs and the repartition topics.
    pub fn input_topics(&self) -> Vec<Arc<str>> {
        let inputs = self.inputs.iter().map(|input| Arc::clone(&input.topic));
        inputs
            .chain(self.repartition_topics.iter().flatten().cloned())
            .collect()
    }

    /// The topics that a worker of this role reads.
    pub fn input_topics_of(&self, role: WorkerRole) -> Vec<Arc<str>> {
        let last = self.repartition_topics.len() - 1;
        let decides = |topic: &Arc<str>| self.role(topic) == Role::Stage(last);
        let mut topics = self.input_topics();
        topics.retain(|topic| match role {
            WorkerRole::All => true,
            WorkerRole::Upstream => !decides(topic),
            WorkerRole::Deciding => decides(topic),
        });
        topics
    }

    /// The topics to write: decisions, dead letters, the repartition topics and further outputs.
    pub fn output_topics(&self) -> Vec<Arc<str>> {
        let fixed = [Arc::clone(&self.decisions), Arc::clone(&self.dead_letters)];
        fixed
            .into_iter()
            .chain(self.repartition_topics.iter().flatten().cloned())
            .chain(self.further_outputs.iter().cloned())
            .collect()
    }

    /// The names of the headers that a log has to read: decisions get them from their transactions.
    pub fn copied_headers(&self) -> Vec<String> {
        let copied = self.plan.decide.outputs.copied.iter();
        copied.map(|header| header.name.clone()).collect()
    }

    /// Where in [`Topology::output_topics`] each topic is.
    pub fn routes(&self) -> Routes {
        let mut next = 2;
        let repartition_topics = self.repartition_topics.iter().map(|repartition| {
            repartition.as_ref().map(|_| {
                next += 1;
                next - 1
            })
        });
        Routes {
            decisions: 0,
            dead_letters: 1,
            repartition_topics: repartition_topics.collect(),
            further_outputs: next,
        }
    }

    /// The topics that write to the repartition topic in front of `stage`.
    pub fn topics_before_stage(&self, stage: usize) -> Vec<&str> {
        match stage.checked_sub(1) {
            Some(before) => vec![self.topic_of_stage(before)],
            None => self.inputs.iter().map(|input| &*input.topic).collect(),
        }
    }

    /// Its chain of tasks: see [`chain`].
    pub fn chain(&self) -> Arc<str> {
        chain(&self.plan, &self.repartition_topics)
    }

    /// What a topic is read for.
    pub fn role(&self, topic: &str) -> Role {
        let repartition = self
            .repartition_topics
            .iter()
            .position(|repartition| repartition.as_deref() == Some(topic));
        match repartition {
            Some(stage) => Role::Stage(stage),
            None if self.repartition_topics[0].is_none() => Role::Stage(0),
            None => {
                let input = self.inputs.iter().position(|input| &*input.topic == topic);
                Role::Ingest(input.expect("only topics that were asked for are assigned") as u8)
            }
        }
    }

    /// The topic that a stage reads.
    pub fn topic_of_stage(&self, stage: usize) -> &str {
        self.repartition_topics[stage]
            .as_deref()
            .unwrap_or(&self.inputs[0].topic)
    }
}
