//! One task's entities: a cache of decoded states in front of a store.

use crate::encode::VERSION;
use crate::entity::{Applied, ApplyContext, Entity, Incoming, PARTS};
use crate::entry::{EntryBuffer, text_id_hash};
use crate::head::{decode_head, encode_head, head_key};
use crate::layout::EntityFeatures;
use crate::spec::ValueReason;
use crate::state::{StateError, StateStore, StateWrites};
use crate::value_source::chunk_key;
use hashbrown::{DefaultHashBuilder, HashTable};
use riskstream_events::{Row, Slot};
use std::hash::BuildHasher;
use std::sync::Arc;

/// Why an event was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// State could not be read. The batch has to be discarded: [`EntityStates::discard`].
    #[error(transparent)]
    State(#[from] StateError),
    /// A value cannot enter state: the event is a dead letter. State did not change.
    #[error("the value of slot {slot} cannot be aggregated: {reason:?}")]
    Value {
        /// The slot.
        slot: Slot,
        /// What is wrong with its value.
        reason: ValueReason,
    },
}

/// The entities of one stage on one partition. Entities in use are decoded in memory, all others are in the store. Results
/// do not depend on which entities are in memory.
///
/// For a batch call `apply` for each event, `collect`, then `written` once the writes are durable. The next batch may be
/// applied before that. `discard` restores the state as of the last `written`.
///
/// Where nothing has to outlive the process, call `spill` in place of these three: far less is written.
#[derive(Debug)]
pub struct EntityStates {
    features: Arc<EntityFeatures>,
    /// Hashes of keys, with a seed of this process: none of them is stored.
    hasher: DefaultHashBuilder,
    table: HashTable<(u64, u32)>,
    cells: Vec<Option<Cached>>,
    free: Vec<u32>,
    /// Entities changed since the last `collect` or `spill`, in the order of their first change.
    changed: Vec<u32>,
    /// Entities collected since the last `written` or `spill`.
    unwritten: Vec<u32>,
    bytes: usize,
    /// The position of the eviction's clock hand.
    hand: usize,
    /// The event that is being applied.
    incoming: EntryBuffer,
    /// For decoding entries.
    buffer: EntryBuffer,
    /// A buffer for keys.
    key: Vec<u8>,
}

/// How many entities are prefetched at once.
const PREFETCHED: usize = 32;

/// An entity in memory: two cache lines.
#[derive(Debug)]
#[repr(align(64))]
struct Cached {
    entity: Entity,
    /// As last counted.
    bytes: u32,
    /// Whether it was used since the hand last passed.
    used: bool,
    changed: bool,
    /// Whether the store lacks changes before the last `collect` or `spill`.
    unwritten: bool,
    /// Whether an event was applied only in part.
    broken: bool,
}

impl EntityStates {
    /// No entity is in memory yet.
    pub fn new(features: Arc<EntityFeatures>) -> Self {
        EntityStates {
            features,
            hasher: DefaultHashBuilder::default(),
            table: HashTable::new(),
            cells: Vec::new(),
            free: Vec::new(),
            changed: Vec::new(),
            unwritten: Vec::new(),
            bytes: 0,
            hand: 0,
            incoming: EntryBuffer::default(),
            buffer: EntryBuffer::default(),
            key: Vec::new(),
        }
    }

    /// Inserts the event into the log of the entity `key`, without numbers that cannot be aggregated. If it is a transaction (`input` 0), writes the
    /// value of every feature into its slot of the row; other rows stay as they are. `stream_time` is
    /// the largest event time of a transaction that the task has seen; it falls only with a `discard`.
    /// A label may lie ahead of it: it counts for transactions from its own event time on.
    ///
    /// # Errors
    /// [`ApplyError::Value`] leaves state and row as they were; after [`ApplyError::State`] the batch has
    /// to be discarded.
    pub fn apply(
        &mut self,
        store: &dyn StateStore,
        stream_time: i64,
        key: &str,
        input: u8,
        row: &mut Row,
    ) -> Result<Applied, ApplyError> {
        let features = Arc::clone(&self.features);
        let layout = &features.inputs[usize::from(input)];
        self.incoming
            .read(layout, row)
            .map_err(|(slot, reason)| ApplyError::Value { slot, reason })?;
        let index = self.open(store, key)?;
        let cached = cell(&mut self.cells, index);
        let context = ApplyContext {
            features: &features,
            store,
            buffer: &mut self.buffer,
        };
        let event = Incoming {
            stream_time,
            input,
            entry: self.incoming.entry(),
        };
        let applied = cached.entity.apply(context, event, row);
        let mut applied = cached.noting_failure(applied)?;
        applied.inexact = self.incoming.is_inexact;
        // A row that is too late has moved the entity to its stream time, too.
        if (applied.inserted || layout.is_of_rows) && !cached.changed {
            cached.changed = true;
            self.changed.push(index);
        }
        Ok(applied)
    }

    /// Finds the transaction `id` in the log of the entity `key` and copies its carried slots into `row`, that of a label
    /// with the event time `time`. False if it is not there, or was longer before the label than transactions are kept.
    ///
    /// # Errors
    /// When state cannot be read; the batch has to be discarded.
    pub fn complete(
        &mut self,
        store: &dyn StateStore,
        key: &str,
        id: &str,
        time: i64,
        row: &mut Row,
    ) -> Result<bool, StateError> {
        let features = Arc::clone(&self.features);
        let index = self.open(store, key)?;
        let cached = cell(&mut self.cells, index);
        let context = ApplyContext {
            features: &features,
            store,
            buffer: &mut self.buffer,
        };
        let completed = cached.entity.complete(context, time, text_id_hash(id), row);
        cached.noting_failure(completed)
    }

    /// Prefetches each part of each entity, part by part.
    fn touch(&self, group: &[u32]) {
        let entities = || group.iter().filter_map(|&index| self.cells[index as usize].as_ref());
        for part in 0..PARTS {
            let sum = entities().fold(0, |sum, cached| sum ^ cached.entity.touch(&self.features, part));
            std::hint::black_box(sum);
        }
    }

    /// Appends to `writes` the bytes of every entity changed since the last call, in the order of their
    /// first change.
    pub fn collect(&mut self, writes: &mut StateWrites) {
        let changed = std::mem::take(&mut self.changed);
        for (position, &index) in changed.iter().enumerate() {
            if position % PREFETCHED == 0 {
                self.touch(&changed[position..changed.len().min(position + PREFETCHED)]);
            }
            let cached = cell(&mut self.cells, index);
            write_chunks(&mut cached.entity, writes);
            write_head(&cached.entity, &self.features, &mut self.key, writes);
            cached.changed = false;
            cached.count(&mut self.bytes);
            if !cached.unwritten {
                cached.unwritten = true;
                self.unwritten.push(index);
            }
        }
    }

    /// Everything collected so far is durable. Evicts entities that were not used recently until the rest fits the cache.
    pub fn written(&mut self) {
        for index in std::mem::take(&mut self.unwritten) {
            cell(&mut self.cells, index).unwritten = false;
        }
        let mut visits = 2 * self.cells.len();
        let cache_bytes = self.features.cache_bytes;
        while let Some(index) = self.idle(cache_bytes, &mut visits, |cached| !cached.changed && !cached.unwritten) {
            self.forget(index);
        }
    }

    /// Evicts entities that were not used recently until the rest fits into `cache_bytes`. Appends to `writes` what the store
    /// lacks of them. It must have these writes before the next `apply`; they are no state as of any moment, so `discard` and
    /// another process cannot continue with them.
    pub fn spill(&mut self, cache_bytes: usize, writes: &mut StateWrites) {
        self.unwritten.clear();
        for index in std::mem::take(&mut self.changed) {
            let cached = cell(&mut self.cells, index);
            // Sealed chunks seldom change again. Once written they can be freed although their entity stays.
            write_chunks(&mut cached.entity, writes);
            cached.changed = false;
            cached.unwritten = true;
            cached.count(&mut self.bytes);
        }
        let mut visits = 2 * self.cells.len();
        while let Some(index) = self.idle(cache_bytes, &mut visits, |_| true) {
            let cached = cell(&mut self.cells, index as u32);
            if cached.unwritten {
                write_head(&cached.entity, &self.features, &mut self.key, writes);
            }
            self.forget(index);
        }
    }

    /// Discards the batch: evicts everything that changed since the last [`EntityStates::written`].
    pub fn discard(&mut self) {
        self.changed.clear();
        self.unwritten.clear();
        for index in 0..self.cells.len() {
            let touched = |cached: &Cached| cached.changed || cached.unwritten || cached.broken;
            if self.cells[index].as_ref().is_some_and(touched) {
                self.forget(index);
            }
        }
    }

    /// Approximate memory of cached entities in bytes, as of the last `collect`.
    pub fn cached_bytes(&self) -> usize {
        self.bytes
    }

    /// Number of entities in memory.
    pub fn cached_entities(&self) -> usize {
        self.table.len()
    }

    /// The features that are computed.
    pub fn features(&self) -> &Arc<EntityFeatures> {
        &self.features
    }

    fn open(&mut self, store: &dyn StateStore, key: &str) -> Result<u32, StateError> {
        let hash = self.hasher.hash_one(key);
        let cells = &self.cells;
        let is_it = |&(other, index): &(u64, u32)| {
            other == hash && cells[index as usize].as_ref().is_some_and(|c| c.entity.key == key)
        };
        if let Some(&(_, index)) = self.table.find(hash, is_it) {
            let cached = cell(&mut self.cells, index);
            cached.used = true;
            if cached.broken {
                return Err(StateError::Store("reading failed earlier in this batch".into()));
            }
            return Ok(index);
        }
        head_key(key, &mut self.key);
        let entity = match store.get(&self.key)? {
            Some(bytes) => decode_head(&bytes, &self.features, key)?,
            None => Entity::new(&self.features, key),
        };
        Ok(self.keep(entity, hash))
    }

    fn keep(&mut self, entity: Entity, hash: u64) -> u32 {
        let bytes = memory(&entity);
        self.bytes += bytes as usize;
        let cached = Cached {
            entity,
            bytes,
            used: true,
            changed: false,
            unwritten: false,
            broken: false,
        };
        let index = match self.free.pop() {
            Some(index) => {
                self.cells[index as usize] = Some(cached);
                index
            }
            None => {
                self.cells.push(Some(cached));
                (self.cells.len() - 1) as u32
            }
        };
        self.table.insert_unique(hash, (hash, index), |&(hash, _)| hash);
        index
    }

    fn forget(&mut self, index: usize) {
        let Some(cached) = self.cells[index].take() else { return };
        self.bytes -= cached.bytes as usize;
        let hash = self.hasher.hash_one(cached.entity.key.as_str());
        if let Ok(entry) = self.table.find_entry(hash, |&(_, other)| other as usize == index) {
            entry.remove();
        }
        self.free.push(index as u32);
    }

    /// The clock algorithm: the next entity to be evicted among those that `may_leave`; none if the rest fits into
    /// `cache_bytes`, or after so many `visits`. An entity that was used since the hand last passed stays for another round,
    /// but frees the chunks that were not read.
    fn idle(&mut self, cache_bytes: usize, visits: &mut usize, may_leave: impl Fn(&Cached) -> bool) -> Option<usize> {
        while self.bytes > cache_bytes && *visits > 0 {
            *visits -= 1;
            self.hand = (self.hand + 1) % self.cells.len();
            let Some(cached) = self.cells[self.hand].as_mut().filter(|cached| may_leave(cached)) else {
                continue;
            };
            if !cached.used {
                return Some(self.hand);
            }
            cached.used = false;
            cached.entity.release();
            cached.count(&mut self.bytes);
        }
        None
    }
}

impl Cached {
    fn noting_failure<T>(&mut self, result: Result<T, StateError>) -> Result<T, StateError> {
        self.broken |= result.is_err();
        result
    }

    /// Counts its memory anew as a part of `total`.
    fn count(&mut self, total: &mut usize) {
        *total -= self.bytes as usize;
        self.bytes = memory(&self.entity);
        *total += self.bytes as usize;
    }
}

/// An entity's share of the cache.
fn memory(entity: &Entity) -> u32 {
    let rest = size_of::<Cached>() - size_of::<Entity>();
    u32::try_from(entity.memory() + rest).unwrap_or(u32::MAX)
}

fn cell(cells: &mut [Option<Cached>], index: u32) -> &mut Cached {
    cells[index as usize]
        .as_mut()
        .expect("entities that are referred to are in memory")
}

/// Appends the writes for an entity's sealed chunks that changed or are gone.
fn write_chunks(entity: &mut Entity, writes: &mut StateWrites) {
    for (input, log) in entity.logs.iter_mut().enumerate() {
        for id in log.gone.drain(..) {
            writes.delete(&chunk_key(&entity.key, input as u8, id));
        }
        for chunk in log.sealed.iter_mut().filter(|chunk| chunk.dirty) {
            let key = chunk_key(&entity.key, input as u8, chunk.id);
            writes.put(&key, |out| {
                out.push(VERSION);
                out.extend_from_slice(chunk.bytes());
            });
            chunk.dirty = false;
        }
    }
}

/// Appends the write of everything else.
fn write_head(entity: &Entity, features: &EntityFeatures, key: &mut Vec<u8>, writes: &mut StateWrites) {
    head_key(&entity.key, key);
    writes.put(key, |out| encode_head(entity, features, out));
}
