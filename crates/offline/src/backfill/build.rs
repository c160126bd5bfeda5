//! States for a service that goes on where files end.

use super::chain::Chain;
use super::passage::{Passage, Results};
use super::{BackfillError, GoOn, InputFile, Options, Summary};
use riskstream_engine::plan::Plan;
use riskstream_engine::{Engine, Event};
use riskstream_events::{Rejection, Row};
use riskstream_pipeline::log::TopicIdentity;
use riskstream_pipeline::{CutOver, Stores, Watermarks};

/// What is built.
pub struct Build<'a> {
    /// Where tasks go on.
    pub cut_over: &'a CutOver,
    /// The event time from which on the topics hold events as well, in microseconds: later ones in files are counted.
    pub time: i64,
    /// The stages.
    pub engine: &'a mut Engine,
    /// New, empty stores, in which the states are built.
    pub stores: &'a mut dyn Stores,
    /// The history.
    pub files: Vec<InputFile>,
    /// How it is read. The partitions are those of the topics.
    pub options: Options,
    /// Is told of records that cannot be used: the input, the number in the file, why.
    pub rejected: &'a mut dyn FnMut(u8, u64, &Rejection),
}

/// States that are being built.
pub struct StateBuild<'a> {
    passage: Passage<'a, Refused<'a>>,
    cut_over: &'a CutOver,
}

impl<'a> StateBuild<'a> {
    /// The states of all stages on all partitions.
    ///
    /// # Errors
    /// A store cannot be opened.
    pub fn new(build: Build<'a>) -> Result<StateBuild<'a>, BackfillError> {
        let plan = build.engine.plan();
        let topics = (0..plan.stages.len()).map(|stage| build.cut_over.topic_of_stage(stage).clone());
        let topics: Vec<TopicIdentity> = topics.collect();
        let chain = Chain::open(plan, build.options.partitions.as_ref(), build.stores, &topics)?;
        let passage = Passage::new(build.engine, chain, build.files, build.options, Refused(build.rejected));
        Ok(StateBuild {
            passage: passage.counting_from(build.time),
            cut_over: build.cut_over,
        })
    }

    /// Runs to the end of all files and writes the states, with the positions at which tasks go on; also gives how far files
    /// reach on each partition. Labels whose transactions have not come wait in the states. None if it was ended early: the
    /// stores are then of no use.
    ///
    /// # Errors
    /// See [`BackfillError`].
    pub fn run(mut self, go_on: GoOn<'_>) -> Result<Option<(Summary, Watermarks)>, BackfillError> {
        if !self.passage.run(go_on)? {
            return Ok(None);
        }
        let watermarks = self.passage.watermarks().clone();
        let summary = self.passage.summarize();
        let cut_over = self.cut_over;
        self.passage
            .chain
            .finish(&|stage, partition| cut_over.progress(stage, partition, &watermarks))?;
        Ok(go_on(&summary).then_some((summary, watermarks)))
    }
}

/// Tells of records that cannot be used.
struct Refused<'a>(&'a mut dyn FnMut(u8, u64, &Rejection));

impl Results for Refused<'_> {
    fn passed(&mut self, _: &Plan, transaction: Event, spare: &mut Vec<Row>) -> Result<u64, BackfillError> {
        spare.push(transaction.row);
        Ok(1)
    }

    fn rejected(&mut self, input: u8, number: u64, rejection: &Rejection) {
        (self.0)(input, number, rejection);
    }
}
