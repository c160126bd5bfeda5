//! The records of files on their way: read, sorted, and applied by all stages.

use super::chain::Chain;
use super::file_source::{FileSource, InputFile, ReadResult, Sourced};
use super::order::{Order, Partitions};
use super::sorter::{SortOptions, Sorted, Sorter};
use super::{BATCH, BackfillError, GoOn, Options, Summary};
use riskstream_engine::plan::{Plan, TRANSACTIONS};
use riskstream_engine::{Engine, Event, StageError};
use riskstream_events::{Flags, Rejection, Row};
use riskstream_pipeline::Watermarks;
use riskstream_pipeline::sources::SourceId;
use std::collections::{BTreeMap, HashMap};

/// Takes what comes out.
pub(super) trait Results {
    /// A transaction that all stages have applied; its row may be used again. How many were completed by it.
    ///
    /// # Errors
    /// It cannot be taken.
    fn passed(&mut self, plan: &Plan, transaction: Event, spare: &mut Vec<Row>) -> Result<u64, BackfillError>;

    /// A record that cannot be used: see [`Sink::rejected`](super::Sink::rejected).
    fn rejected(&mut self, input: u8, number: u64, rejection: &Rejection);
}

/// See the module.
pub(super) struct Passage<'a, R> {
    pub(super) engine: &'a mut Engine,
    pub(super) chain: Chain,
    pub(super) results: R,
    pub(super) summary: Summary,
    sources: Vec<FileSource>,
    sorting: SortOptions,
    spare: Vec<Row>,
    /// The numbers of the records of labels that wait for their transactions, by input and id.
    waiting: HashMap<(u8, String), u64>,
    applied: u64,
    watermarks: Watermarks,
    cut_over_time: Option<i64>,
}

/// Labels whose numbers are kept while they wait: a limit of memory.
const NUMBERS_KEPT: usize = 100_000;

impl<'a, R: Results> Passage<'a, R> {
    /// The records of `files` on their way through the stages of `chain`.
    pub(super) fn new(
        engine: &'a mut Engine,
        chain: Chain,
        files: Vec<InputFile>,
        options: Options,
        results: R,
    ) -> Passage<'a, R> {
        Passage {
            sorting: SortOptions::new(engine.plan(), options.sort_memory, options.directory),
            sources: sources(files, options.order, options.partitions.as_ref()),
            engine,
            chain,
            results,
            summary: Summary::default(),
            spare: Vec::new(),
            waiting: HashMap::new(),
            applied: 0,
            watermarks: Watermarks::new(),
            cut_over_time: None,
        }
    }

    /// Counts the events that are not earlier than this, in microseconds.
    pub(super) fn counting_from(mut self, cut_over_time: i64) -> Passage<'a, R> {
        self.cut_over_time = Some(cut_over_time);
        self
    }

    /// Applies all records; false if it was ended early.
    ///
    /// # Errors
    /// See [`BackfillError`].
    pub(super) fn run(&mut self, go_on: GoOn<'_>) -> Result<bool, BackfillError> {
        let mut sorter = Sorter::new(&self.sorting);
        for mut source in std::mem::take(&mut self.sources) {
            while self.read(&mut source, &mut sorter)? {
                if self.summary.records.is_multiple_of(BATCH as u64) && !go_on(&self.summary) {
                    return Ok(false);
                }
            }
            self.watermarks.extend(source.watermarks());
        }
        let mut sorted = sorter.sort()?;
        while let Some(first) = sorted.next(self.row())? {
            if !self.apply(first, &mut sorted, go_on)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Labels whose transactions have not come will not be used.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(super) fn give_up_labels(&mut self) -> Result<(), BackfillError> {
        while let Some(partition) = self.chain.give_up_labels()? {
            self.end_waiting(partition)?;
        }
        Ok(())
    }

    /// Completes the summary.
    pub(super) fn summarize(&mut self) -> Summary {
        self.summary.too_late_labels = self.chain.too_late_labels().clone();
        self.summary.other_events = self.chain.other_events().clone();
        self.summary.clone()
    }

    /// The largest event time of each partition of an input, where records are known to be on it.
    pub(super) fn watermarks(&self) -> &Watermarks {
        &self.watermarks
    }

    /// Reads the next record of a source; whether there was one.
    fn read(&mut self, source: &mut FileSource, sorter: &mut Sorter) -> Result<bool, BackfillError> {
        let row = self.row();
        let Some(taken) = source.next(self.engine, row)? else {
            return Ok(false);
        };
        self.summary.records += 1;
        match taken {
            ReadResult::Event(sourced) => {
                self.note_time(&sourced);
                sorter.push(&sourced)?;
                self.spare.push(sourced.event.row);
            }
            ReadResult::Filtered(row) => {
                self.summary.filtered += 1;
                self.spare.push(row);
            }
            ReadResult::Rejected(row, number, rejection) => {
                self.reject(source.input(), number, &rejection);
                self.spare.push(row);
            }
        }
        Ok(true)
    }

    fn note_time(&mut self, sourced: &Sourced) {
        let (input, time) = (sourced.event.input, sourced.event.event_time());
        if self.engine.plan().inputs[usize::from(input)].is_implausible(time) {
            self.summary.doubtful_times += 1;
            self.summary.first_doubtful.get_or_insert((input, sourced.number));
        }
        let times = self.summary.times.entry(input).or_insert((time, time));
        *times = (times.0.min(time), times.1.max(time));
        let is_behind = self.cut_over_time.is_some_and(|cut_over| time >= cut_over);
        *self.summary.after_cut_over.entry(input).or_default() += u64::from(is_behind);
    }

    /// Takes an event through all stages, together with those of its watermark if stages may order them differently; whether
    /// to go on.
    fn apply(&mut self, first: Sourced, sorted: &mut Sorted, go_on: GoOn<'_>) -> Result<bool, BackfillError> {
        let watermark = first.event.watermark;
        let is_in_order = self.chain.keeps_order();
        let is_alone = |sorted: &Sorted| is_in_order || sorted.watermark() != Some(watermark);
        let mut passed = self.apply_first(first)?;
        if is_alone(sorted) && (is_in_order || passed.len() <= 1) {
            for next in passed {
                self.apply_rest(next)?;
            }
            return self.count_applied(go_on);
        }
        let mut together = Sorter::new(&self.sorting);
        loop {
            for next in passed {
                together.push(&next)?;
                self.spare.push(next.event.row);
            }
            if !self.count_applied(go_on)? {
                return Ok(false);
            }
            if is_alone(sorted) {
                break;
            }
            let Some(next) = sorted.next(self.row())? else { break };
            passed = self.apply_first(next)?;
        }
        self.apply_together(together)?;
        Ok(true)
    }

    /// Applies an event at the first stage: what goes on from there. Labels that waited for it follow it.
    fn apply_first(&mut self, mut next: Sourced) -> Result<Vec<Sourced>, BackfillError> {
        let mut passed = Vec::new();
        match self.chain.apply_at(0, self.engine, next.source, &mut next.event) {
            Ok(Some(source)) => {
                passed.push(Sourced { source, ..next });
                passed.extend(self.end_waiting(source.partition())?);
            }
            Ok(None) => {
                if self.waiting.len() < NUMBERS_KEPT {
                    let label = (next.event.input, next.event.id().to_owned());
                    self.waiting.insert(label, next.number);
                }
                self.spare.push(next.event.row);
            }
            Err(error) => self.refuse(next, error)?,
        }
        Ok(passed)
    }

    /// Takes the labels that no longer wait at a partition of the first stage; those whose transaction has come go on.
    fn end_waiting(&mut self, partition: usize) -> Result<Vec<Sourced>, BackfillError> {
        let mut passed = Vec::new();
        while let Some((event, applied)) = self.chain.next_label(self.engine, partition)? {
            let number = self.waiting.remove(&(event.input, event.id().to_owned()));
            let label = Sourced {
                source: SourceId::new(0, partition as i32),
                number: number.unwrap_or(0),
                event,
            };
            match applied {
                Ok(()) => passed.push(label),
                Err(rejection) => self.refuse(label, rejection.into())?,
            }
        }
        Ok(passed)
    }

    /// Takes an event through the stages after the first one.
    fn apply_rest(&mut self, mut next: Sourced) -> Result<(), BackfillError> {
        match self.chain.apply_from(1, self.engine, next.source, &mut next.event) {
            Ok(()) => self.finish(next.event),
            Err(error) => self.refuse(next, error),
        }
    }

    /// Takes events of one watermark through the stages after the first one, at each in the order of its sources.
    fn apply_together(&mut self, mut events: Sorter) -> Result<(), BackfillError> {
        for stage in 1..self.chain.stages() {
            let mut sorted = events.sort()?;
            events = Sorter::new(&self.sorting);
            while let Some(mut next) = sorted.next(self.row())? {
                if !self.engine.travels(stage, &next.event) {
                    self.finish(next.event)?;
                    continue;
                }
                match self.chain.apply_at(stage, self.engine, next.source, &mut next.event) {
                    Ok(source) => {
                        next.source = source.unwrap_or(next.source);
                        events.push(&next)?;
                        self.spare.push(next.event.row);
                    }
                    Err(error) => self.refuse(next, error)?,
                }
            }
        }
        let mut sorted = events.sort()?;
        while let Some(next) = sorted.next(self.row())? {
            self.finish(next.event)?;
        }
        Ok(())
    }

    /// Counts an applied event. After each batch of them, moves entities that do not fit the caches to the stores; whether to
    /// go on.
    fn count_applied(&mut self, go_on: GoOn<'_>) -> Result<bool, BackfillError> {
        self.applied += 1;
        if !self.applied.is_multiple_of(BATCH as u64) {
            return Ok(true);
        }
        self.chain.spill()?;
        Ok(go_on(&self.summary))
    }

    /// An event that no stage has to apply any more.
    fn finish(&mut self, event: Event) -> Result<(), BackfillError> {
        if event.input != TRANSACTIONS {
            self.spare.push(event.row);
            return Ok(());
        }
        self.summary.late += u64::from(event.flags.contains(Flags::LATE));
        self.summary.too_late += u64::from(event.flags.contains(Flags::TOO_LATE));
        self.summary.decided += self.results.passed(self.engine.plan(), event, &mut self.spare)?;
        Ok(())
    }

    /// An event that a stage could not apply.
    fn refuse(&mut self, event: Sourced, error: StageError) -> Result<(), BackfillError> {
        match error {
            StageError::Rejected(rejection) => {
                self.reject(event.event.input, event.number, &rejection);
                self.spare.push(event.event.row);
                Ok(())
            }
            StageError::State(error) => Err(error.into()),
        }
    }

    fn reject(&mut self, input: u8, number: u64, rejection: &Rejection) {
        self.summary.rejected += 1;
        self.results.rejected(input, number, rejection);
    }

    /// A row to use again.
    fn row(&mut self) -> Row {
        self.spare.pop().unwrap_or_default()
    }
}

/// The sources of files: each file one of its own, or all files of an input distributed over its partitions.
fn sources(files: Vec<InputFile>, order: Order, partitions: Option<&Partitions>) -> Vec<FileSource> {
    let Some(partitions) = partitions else {
        let source = |(number, file): (usize, InputFile)| FileSource::new(file.input, vec![file], order, number, 1);
        return files.into_iter().enumerate().map(source).collect();
    };
    let mut by_input: BTreeMap<u8, Vec<InputFile>> = BTreeMap::new();
    for file in files {
        by_input.entry(file.input).or_default().push(file);
    }
    let source = |(input, files)| {
        let count = partitions.inputs[usize::from(input)] as usize;
        FileSource::new(input, files, order, 0, count)
    };
    by_input.into_iter().map(source).collect()
}
