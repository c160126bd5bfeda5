//! The state of a stage: its entities, decoded in front of a store, its stream time, labels that wait for their transactions,
//! and what is to be written.

use crate::error::TaskError;
use crate::log::TopicIdentity;
use crate::progress::SourceProgress;
use crate::sources::SourceId;
use crate::task_progress::{self, StoredFrame, TaskProgress};
use crate::waiting_labels::WaitingLabels;
use riskstream_engine::plan::{Plan, TRANSACTIONS};
use riskstream_engine::{Engine, Event, StageError, StreamTime, unknown_transaction};
use riskstream_events::{ReasonCode, Rejection};
use riskstream_features::state::{StateError, StateStore, StateWrites};
use riskstream_features::{self as features, EntityStates};
use std::collections::VecDeque;
use std::sync::Arc;

/// The position in a store that holds the state of no position.
const NO_POSITION: i64 = -1;

/// The result of applying an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is in the state. A transaction has the features of the stage.
    Now,
    /// It is a label whose transaction has not come yet: [`StageState::next_label`] will give it back.
    Later,
}

/// A label that waited, and why it cannot be used if that is so.
pub type WaitedLabel = (Event, Result<(), Rejection>);

/// See the module. A batch goes: `apply` for each event, and `next_label` until there is none; `collect`; then `write` once its
/// outputs are committed. After `restore` everything is as of the last `write`.
pub struct StageState {
    stage: usize,
    store: Box<dyn StateStore>,
    entities: EntityStates,
    stream_time: StreamTime,
    /// What became of the event applied last; none if it has no key of this entity.
    last: Option<features::Applied>,
    /// The topic that is read.
    topic: TopicIdentity,
    /// Only of the stage that completes labels from their transactions.
    labels: Option<WaitingLabels>,
    /// Labels whose transaction is the event applied last.
    waited: VecDeque<Event>,
    /// Labels that have waited too long as of the event applied last.
    expired: VecDeque<Event>,
    key: String,
    writes: StateWrites,
}

impl StageState {
    /// The state of `stage`, which reads `topic`, in `store`. It can be used after [`StageState::restore`].
    pub fn new(plan: &Plan, stage: usize, store: Box<dyn StateStore>, topic: TopicIdentity) -> StageState {
        StageState {
            stage,
            store,
            entities: EntityStates::new(Arc::clone(&plan.stages[stage].features)),
            stream_time: StreamTime::default(),
            last: None,
            topic,
            labels: plan.stages[stage]
                .completes_labels
                .then(|| WaitingLabels::new(plan, stage)),
            waited: VecDeque::new(),
            expired: VecDeque::new(),
            key: String::new(),
            writes: StateWrites::default(),
        }
    }

    /// Forgets everything since the last write. Gives what was written of the progress of the task's source.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn restore(&mut self) -> Result<SourceProgress, TaskError> {
        self.entities.discard();
        self.writes.clear();
        let progress = TaskProgress::read(self.store.as_ref())?;
        self.stream_time = progress.stream_time;
        self.waited.clear();
        self.expired.clear();
        if let Some(labels) = &mut self.labels {
            labels.restore(self.store.as_ref())?;
        }
        Ok(progress.progress)
    }

    /// Visits the frames of the task's source that wait, in order of their sources and offsets.
    ///
    /// # Errors
    /// The store cannot be read; or the first error of `visit`.
    pub fn visit_frames(&self, visit: impl FnMut(StoredFrame<'_>) -> Result<(), TaskError>) -> Result<(), TaskError> {
        task_progress::visit_frames(self.store.as_ref(), visit)
    }

    /// The record's value that holds a frame that waits, and no other.
    ///
    /// # Errors
    /// The store cannot be read, or does not have it.
    pub fn frame(&self, source: SourceId, offset: i64) -> Result<Vec<u8>, StateError> {
        task_progress::read_frame(self.store.as_ref(), source, offset)
    }

    /// The stage's index in the plan.
    pub fn stage(&self) -> usize {
        self.stage
    }

    /// Applies an event to the state of its entity and fills in the features. A label whose transaction is not known waits
    /// for it, if there is time.
    ///
    /// # Errors
    /// The event cannot be applied, and nothing was changed; or the state cannot be read.
    pub fn apply(&mut self, engine: &mut Engine, event: &mut Event) -> Result<Applied, StageError> {
        match self.apply_once(engine, event) {
            Ok(()) if event.input == TRANSACTIONS => {
                self.end_waiting(engine, event)?;
                Ok(Applied::Now)
            }
            Ok(()) => Ok(Applied::Now),
            Err(error) if self.may_wait(event, &error) => {
                self.wait(engine, event)?;
                Ok(Applied::Later)
            }
            Err(error) => Err(error),
        }
    }

    /// The next label that no longer waits after the event applied last: its transaction has come and it is applied, or it
    /// did not come in time. To be called until there is none.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn next_label(&mut self, engine: &mut Engine) -> Result<Option<WaitedLabel>, StateError> {
        while let Some(mut label) = self.waited.pop_front() {
            match self.apply_once(engine, &mut label) {
                Ok(()) => return Ok(Some((label, Ok(())))),
                // The transaction was not kept, as it came too late.
                Err(error) if self.may_wait(&label, &error) => self.wait(engine, &label)?,
                Err(StageError::Rejected(rejection)) => return Ok(Some((label, Err(rejection)))),
                Err(StageError::State(error)) => return Err(error),
            }
        }
        let expired = self.expired.pop_front();
        Ok(expired.map(|label| (label, Err(unknown_transaction()))))
    }

    fn apply_once(&mut self, engine: &mut Engine, event: &mut Event) -> Result<(), StageError> {
        self.last = engine.apply(
            self.stage,
            &mut self.entities,
            self.store.as_ref(),
            &mut self.stream_time,
            event,
        )?;
        Ok(())
    }

    /// What became of the event applied last; none if it has no key of this entity.
    pub fn last_applied(&self) -> Option<&features::Applied> {
        self.last.as_ref()
    }

    /// Whether an event that could not be applied is a label whose transaction may still come.
    fn may_wait(&self, label: &Event, error: &StageError) -> bool {
        let StageError::Rejected(rejection) = error else {
            return false;
        };
        let in_time = |labels: &WaitingLabels| labels.until(label) >= self.stream_time.latest;
        rejection.code == ReasonCode::UnknownTransaction && self.labels.as_ref().is_some_and(in_time)
    }

    fn wait(&mut self, engine: &Engine, label: &Event) -> Result<(), StateError> {
        if let Some(labels) = &mut self.labels
            && let Some(key) = engine.key(self.stage, label, &mut self.key)
        {
            labels.add(self.store.as_ref(), key, label)?;
        }
        Ok(())
    }

    /// Takes out the labels that waited for a transaction, and those that have waited too long as of its time.
    #[inline]
    fn end_waiting(&mut self, engine: &Engine, transaction: &Event) -> Result<(), StateError> {
        let Some(labels) = self.labels.as_mut().filter(|labels| !labels.is_empty()) else {
            return Ok(());
        };
        let (store, stream_time) = (self.store.as_ref(), self.stream_time.latest);
        if let Some(key) = engine.key(self.stage, transaction, &mut self.key) {
            for mut label in labels.take(store, key, transaction.id())? {
                // It is passed on after its transaction.
                label.watermark = transaction.watermark;
                match labels.until(&label) >= stream_time {
                    true => self.waited.push_back(label),
                    false => self.expired.push_back(label),
                }
            }
        }
        // One hour's for each transaction: all at once may be too many, where stream time leaps.
        self.expired.extend(labels.expire(store, stream_time)?);
        Ok(())
    }

    /// Ends the waiting of some labels, because no transaction will come any more: [`StageState::next_label`] gives them back.
    /// False if none waits.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn give_up_labels(&mut self) -> Result<bool, StateError> {
        let Some(labels) = &mut self.labels else {
            return Ok(false);
        };
        self.expired.extend(labels.expire(self.store.as_ref(), i64::MAX)?);
        Ok(!self.expired.is_empty())
    }

    /// Collects the changes since the last write. The caller may add to them what else belongs to the same position.
    pub fn collect(&mut self, progress: SourceProgress) -> &mut StateWrites {
        self.entities.collect(&mut self.writes);
        if let Some(labels) = &self.labels {
            labels.collect(&mut self.writes);
        }
        let progress = TaskProgress {
            stream_time: self.stream_time,
            progress,
            topic: self.topic.clone(),
        };
        progress.write(&mut self.writes);
        &mut self.writes
    }

    /// Writes what was collected. `position` is the offset of the next record to read. Entities that were not used for
    /// longest leave memory until the rest fits the cache.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn write(&mut self, position: i64) -> Result<(), TaskError> {
        self.store.write(&self.writes, position)?;
        self.entities.written();
        if let Some(labels) = &mut self.labels {
            labels.written();
        }
        self.writes.clear();
        Ok(())
    }

    /// Makes room, in place of `collect` and `write`, where nothing has to outlive the process: entities that were not used
    /// for longest leave memory until the rest fits into `caches` times the cache, and what the store lacks of them is
    /// written. The store then belongs to no position: `restore` and another process cannot continue with it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn spill(&mut self, caches: usize) -> Result<(), StateError> {
        let cache_bytes = self.entities.features().cache_bytes().saturating_mul(caches);
        self.entities.spill(cache_bytes, &mut self.writes);
        if let Some(labels) = &self.labels {
            labels.collect(&mut self.writes);
        }
        self.store.write(&self.writes, NO_POSITION)?;
        if let Some(labels) = &mut self.labels {
            labels.written();
        }
        self.writes.clear();
        Ok(())
    }

    /// Writes what `spill` has left in memory, and the position that the state then belongs to: another process can continue with
    /// it. No entity stays in memory.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn finish(&mut self, progress: SourceProgress, position: i64) -> Result<(), TaskError> {
        self.entities.spill(0, &mut self.writes);
        self.collect(progress);
        self.write(position)
    }

    /// Number of labels that wait for their transactions.
    pub fn waiting_labels(&self) -> u64 {
        self.labels.as_ref().map_or(0, WaitingLabels::len)
    }

    /// The largest event time of a transaction that was applied; `i64::MIN` at first.
    pub fn stream_time(&self) -> i64 {
        self.stream_time.latest
    }

    /// Bytes in the store, about.
    pub fn stored_bytes(&self) -> u64 {
        self.store.size()
    }

    /// Number of entities in memory.
    pub fn cached_entities(&self) -> usize {
        self.entities.cached_entities()
    }

    /// Bytes of entities in memory, about.
    pub fn cached_bytes(&self) -> usize {
        self.entities.cached_bytes()
    }
}
