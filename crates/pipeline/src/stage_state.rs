//! The state of a stage: its entities, decoded in front of a store, its stream time, and what is to be written.

use crate::error::TaskError;
use crate::journal::{self, Journal, StoredFrame};
use crate::log::TopicIdentity;
use crate::progress::SourceProgress;
use riskstream_engine::plan::Plan;
use riskstream_engine::{Engine, Event, StageError, StreamTime};
use riskstream_features::EntityStates;
use riskstream_features::state::{StateError, StateStore, StateWrites};
use std::sync::Arc;

/// The position in a store that holds the state of no position.
const NO_POSITION: i64 = -1;

/// See the module. A batch goes: `apply` for each event, `collect`, then `write` once its outputs are committed. After
/// `restore` everything is as of the last `write`.
pub struct StageState {
    stage: usize,
    store: Box<dyn StateStore>,
    entities: EntityStates,
    stream_time: StreamTime,
    /// The topic that is read.
    topic: TopicIdentity,
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
            topic,
            writes: StateWrites::default(),
        }
    }

    /// Forgets everything since the last write. Gives what was written of the task's source: its progress, and the
    /// frames that waited.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn restore(&mut self) -> Result<(SourceProgress, Vec<StoredFrame>), TaskError> {
        self.entities.discard();
        self.writes.clear();
        let journal = Journal::read(self.store.as_ref())?;
        self.stream_time = journal.stream_time;
        Ok((journal.progress, journal::read_frames(self.store.as_ref())?))
    }

    /// Applies an event to the state of its entity and fills in the features.
    ///
    /// # Errors
    /// The event is at fault, then nothing was changed; or the state.
    pub fn apply(&mut self, engine: &mut Engine, event: &mut Event) -> Result<(), StageError> {
        engine.apply(
            self.stage,
            &mut self.entities,
            self.store.as_ref(),
            &mut self.stream_time,
            event,
        )
    }

    /// Collects the changes since the last write. The caller may add to them what else belongs to the same position.
    pub fn collect(&mut self, progress: SourceProgress) -> &mut StateWrites {
        self.entities.collect(&mut self.writes);
        let journal = Journal {
            stream_time: self.stream_time,
            progress,
            topic: self.topic.clone(),
        };
        journal.write(&mut self.writes);
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
        self.store.write(&self.writes, NO_POSITION)?;
        self.writes.clear();
        Ok(())
    }

    /// The largest event time that was applied; `i64::MIN` at first.
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
