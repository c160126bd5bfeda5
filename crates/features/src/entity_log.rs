//! An entity's log of one input: its entries in order of event time, entries of equal time in order of arrival. The log is
//! stored in chunks. An entry's ordinal is the number of entries before it, including those that were dropped. Inserting a
//! late entry increases the ordinals after it by one.

use crate::chunk::Chunk;
use crate::encode::Reader;
use crate::entry::{Entry, EntryBuffer};
use crate::ids::IdIndex;
use crate::layout::InputLayout;
use crate::state::StateError;
use crate::value_source::ValueSource;

/// The least number of entries at which a chunk is sealed.
const LEAST_CHUNK: u32 = 32;
/// The least number of entries that are dropped from a tail at once.
const LEAST_DROP: u32 = 8;
/// How many ids that are no longer needed accumulate in a tail before the tail is rewritten without them.
const NEEDLESS_IDS: u32 = 16;

/// A position in the log, before the entry `ordinal`. The other fields locate its bytes. They are valid as long as the
/// log's `epoch` is the same; otherwise the position has to be looked up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) ordinal: u64,
    /// Event time of the entry before, or of the chunk's first.
    pub(crate) time: i64,
    /// Event time of the entry after, or `i64::MIN` if it is not known.
    pub(crate) next: i64,
    /// Offset in its chunk, in bytes.
    pub(crate) offset: u32,
    pub(crate) epoch: u32,
}

impl Cursor {
    /// A cursor with only its ordinal.
    #[inline]
    pub(crate) fn unresolved(ordinal: u64) -> Self {
        Cursor {
            ordinal,
            time: 0,
            next: i64::MIN,
            offset: 0,
            epoch: 0,
        }
    }
}

/// The log. Its last chunk, the tail, is stored with the entity. The tail is empty only if it is the only chunk.
#[derive(Debug)]
pub(crate) struct EntityLog {
    pub(crate) tail: Chunk,
    /// The chunks before the tail, each stored under its own key.
    pub(crate) sealed: Vec<Chunk>,
    /// The id of the next chunk to be sealed.
    pub(crate) next_id: u32,
    /// Changes whenever entries move, which invalidates cursors. Never 0.
    pub(crate) epoch: u32,
    /// The first entry whose id may still be needed: a hint for searches.
    pub(crate) recent: Cursor,
    pub(crate) index: Option<Box<IdIndex>>,
    /// Chunks that are to be deleted from the store.
    pub(crate) gone: Vec<u32>,
}

impl EntityLog {
    pub(crate) fn new() -> Self {
        EntityLog::from_chunks(Vec::new(), Chunk::empty(0), 0)
    }

    pub(crate) fn from_chunks(sealed: Vec<Chunk>, tail: Chunk, next_id: u32) -> Self {
        let recent = Cursor::unresolved(sealed.first().unwrap_or(&tail).start);
        EntityLog {
            tail,
            sealed,
            next_id,
            epoch: 1,
            recent,
            index: None,
            gone: Vec::new(),
        }
    }

    /// Ordinal of the first entry that was not dropped.
    #[inline]
    pub(crate) fn base(&self) -> u64 {
        self.sealed.first().unwrap_or(&self.tail).start
    }

    /// Ordinal of the next entry to be appended.
    #[inline]
    pub(crate) fn end(&self) -> u64 {
        self.tail.end()
    }

    /// The chunk with this index. The tail's comes after those of all sealed chunks.
    #[inline]
    pub(crate) fn chunk(&mut self, index: usize) -> &mut Chunk {
        if index == self.sealed.len() {
            &mut self.tail
        } else {
            &mut self.sealed[index]
        }
    }

    /// The index of the chunk with this ordinal; the tail's for the end of the log.
    #[inline]
    pub(crate) fn chunk_of(&self, ordinal: u64) -> usize {
        if ordinal >= self.tail.start {
            return self.sealed.len();
        }
        self.sealed.partition_point(|chunk| chunk.end() <= ordinal)
    }

    #[inline]
    pub(crate) fn load(&mut self, index: usize, source: ValueSource<'_>) -> Result<&Chunk, StateError> {
        let chunk = self.chunk(index);
        chunk.touched = true;
        if chunk.bytes.is_none() {
            source.load(chunk)?;
        }
        Ok(chunk)
    }

    /// A cursor at the beginning of a chunk.
    #[inline]
    pub(crate) fn start_of(&mut self, index: usize) -> Cursor {
        let epoch = self.epoch;
        let chunk = self.chunk(index);
        Cursor {
            ordinal: chunk.start,
            time: chunk.first,
            next: chunk.first,
            offset: 0,
            epoch,
        }
    }

    /// A cursor at the end of the log.
    #[inline]
    pub(crate) fn end_cursor(&self) -> Cursor {
        if self.tail.len == 0 {
            // The event time of the next entry, which it is decoded with, is not known yet.
            return Cursor::unresolved(self.end());
        }
        let offset = self.tail.bytes().len() as u32;
        let (time, epoch) = (self.tail.last, self.epoch);
        Cursor {
            ordinal: self.end(),
            time,
            next: i64::MIN,
            offset,
            epoch,
        }
    }

    /// Inserts an entry after all entries with its event time or an earlier one, and returns its ordinal. Ids of entries at
    /// or before `forget_ids` are no longer needed.
    #[inline]
    pub(crate) fn insert(
        &mut self,
        entry: Entry<'_>,
        forget_ids: i64,
        source: ValueSource<'_>,
    ) -> Result<u64, StateError> {
        if let Some(ids) = &mut self.index {
            ids.add(entry.id(), entry.time(), forget_ids);
        }
        if self.tail.len > 0 && entry.time() < self.tail.last {
            return self.insert_late(entry, source);
        }
        if self.tail.len >= self.chunk_size() {
            self.seal_tail(forget_ids, source.layout)?;
        } else if source.layout.forgets_ids {
            self.leave_out_ids(forget_ids, source)?;
        }
        self.tail.append(source.layout, entry);
        Ok(self.tail.end() - 1)
    }

    fn insert_late(&mut self, entry: Entry<'_>, source: ValueSource<'_>) -> Result<u64, StateError> {
        let start = Cursor::unresolved(self.base());
        let ordinal = self.position_after(entry.time(), start, source)?.ordinal;
        let index = self.chunk_of(ordinal);
        let chunk = self.load(index, source)?;
        let mut rows = chunk.entries(source.layout)?;
        rows.insert((ordinal - chunk.start) as usize, entry);
        self.entries_moved();
        self.chunk(index).set(&rows, source.layout);
        if index < self.sealed.len() {
            self.sealed[index + 1..].iter_mut().for_each(|later| later.start += 1);
            self.tail.start += 1;
        }
        if rows.len() >= 2 * self.chunk_size() as usize {
            let rest = rows.split_off(rows.len() / 2);
            self.chunk(index).set(&rows, source.layout);
            let mut second = Chunk::empty(self.chunk(index).end());
            second.set(&rest, source.layout);
            self.put_after(index, second);
        }
        Ok(ordinal)
    }

    /// Inserts a chunk after another one, and seals that one.
    fn put_after(&mut self, index: usize, mut second: Chunk) {
        let id = self.next_id;
        self.next_id += 1;
        if index == self.sealed.len() {
            let mut first = std::mem::replace(&mut self.tail, second);
            first.id = id;
            first.dirty = true;
            first.shrink();
            self.sealed.push(first);
        } else {
            second.id = id;
            second.shrink();
            self.sealed.insert(index + 1, second);
        }
        self.entries_moved();
    }

    fn entries_moved(&mut self) {
        self.epoch = self.epoch.wrapping_add(1).max(1);
    }

    /// About the square root of the log's length. This keeps both the tail and the list of chunks short.
    #[inline]
    fn chunk_size(&self) -> u32 {
        let len = self.end() - self.base();
        let mut size = LEAST_CHUNK;
        while u64::from(size) * u64::from(size) < len {
            size *= 2;
        }
        size
    }

    fn seal_tail(&mut self, forget_ids: i64, layout: &InputLayout) -> Result<(), StateError> {
        if layout.forgets_ids && self.tail.without_id < self.tail.len {
            self.rewrite_tail(forget_ids, layout)?;
        }
        let tail = Chunk::empty(self.end());
        self.put_after(self.sealed.len(), tail);
        Ok(())
    }

    /// Rewrites the tail without ids that are no longer needed, once there are enough of them: they take most of its bytes.
    #[inline]
    fn leave_out_ids(&mut self, forget_ids: i64, source: ValueSource<'_>) -> Result<(), StateError> {
        self.recent = self.position_after(forget_ids, self.recent, source)?;
        let needless = self.recent.ordinal.saturating_sub(self.tail.start) as u32;
        if needless >= self.tail.without_id + NEEDLESS_IDS {
            self.rewrite_tail(forget_ids, source.layout)?;
        }
        Ok(())
    }

    fn rewrite_tail(&mut self, forget_ids: i64, layout: &InputLayout) -> Result<(), StateError> {
        let mut rows = self.tail.entries(layout)?;
        rows.forget_ids(forget_ids);
        self.tail.set(&rows, layout);
        self.entries_moved();
        Ok(())
    }

    /// Drops entries at or before `time`, once there are enough of them.
    #[inline]
    pub(crate) fn drop_through(&mut self, time: i64, layout: &InputLayout) -> Result<(), StateError> {
        while self.sealed.first().is_some_and(|chunk| chunk.last <= time) {
            self.gone.push(self.sealed.remove(0).id);
            self.recent = Cursor::unresolved(self.recent.ordinal.max(self.base()));
        }
        let is_alone = self.sealed.is_empty();
        if is_alone && self.tail.len >= LEAST_DROP && self.tail.first <= time {
            self.drop_from_tail(time, layout)?;
        }
        Ok(())
    }

    fn drop_from_tail(&mut self, time: i64, layout: &InputLayout) -> Result<(), StateError> {
        let mut reader = Reader::new(self.tail.bytes());
        let mut buffer = EntryBuffer::default();
        let (mut expired, mut at) = (0, self.tail.first);
        while expired < self.tail.len {
            reader.entry(layout, at, &mut buffer)?;
            at = buffer.entry().time();
            if at > time {
                break;
            }
            expired += 1;
        }
        if expired >= LEAST_DROP && 2 * expired >= self.tail.len {
            let mut rows = self.tail.entries(layout)?;
            rows.drop_front(expired as usize);
            self.tail.start += u64::from(expired);
            self.tail.set(&rows, layout);
            self.entries_moved();
            self.recent = Cursor::unresolved(self.recent.ordinal.max(self.base()));
        }
        Ok(())
    }

    /// Frees sealed chunks that were not read since the last call and that the store has.
    pub(crate) fn release(&mut self) {
        for chunk in &mut self.sealed {
            if !chunk.touched && !chunk.dirty {
                chunk.bytes = None;
            }
            chunk.touched = false;
        }
    }

    /// See [`crate::entity::Entity::touch`].
    #[inline]
    pub(crate) fn touch_outline(&self) -> i64 {
        self.tail.last ^ self.sealed.len() as i64 ^ i64::from(self.next_id) ^ self.gone.len() as i64
    }

    #[inline]
    pub(crate) fn touch_ends(&self) -> i64 {
        let tail = self.tail.touch(self.recent.offset as usize) ^ self.tail.touch(usize::MAX);
        self.sealed.iter().fold(tail, |sum, chunk| sum ^ chunk.first)
    }

    #[inline]
    pub(crate) fn touch(&self, cursor: Cursor) -> i64 {
        let chunk = self.sealed.get(self.chunk_of(cursor.ordinal)).unwrap_or(&self.tail);
        chunk.touch(cursor.offset as usize)
    }

    pub(crate) fn memory(&self) -> usize {
        let index = self.index.as_ref().map_or(0, |index| index.memory());
        let sealed: usize = self.sealed.iter().map(Chunk::memory).sum();
        size_of::<EntityLog>() + self.tail.memory() + self.sealed.capacity() * size_of::<Chunk>() + sealed + index
    }
}
