//! An entity's log of one input: its entries in order of event time (of equal times in order of
//! arrival), in chunks. An entry's ordinal is the number of entries before it since the beginning, those
//! dropped since included; a late insertion moves the ordinals after it by one.

use crate::chunk::{Chunk, Rows};
use crate::encode::decode_chunk;
use crate::entry::Entry;
use crate::hash::FixedState;
use crate::layout::InputLayout;
use crate::state::{StateError, StateStore};
use hashbrown::HashMap;
use std::ops::Range;

/// The least number of entries at which a chunk is sealed.
const LEAST_CHUNK: usize = 32;
/// Entries that are searched for an id one by one before an index is made.
const UNINDEXED: usize = 32;

/// Where chunks that are not in memory are read from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) store: &'a dyn StateStore,
    pub(crate) layout: &'a InputLayout,
    pub(crate) key: &'a str,
    pub(crate) input: u8,
}

impl Source<'_> {
    fn load(&self, chunk: &Chunk) -> Result<Rows, StateError> {
        let key = chunk_key(self.key, self.input, chunk.id);
        let corrupt = |why: &str| StateError::Corrupt { what: "a chunk of a log".into(), why: why.into() };
        let bytes = self.store.get(&key)?.ok_or_else(|| corrupt("it is missing"))?;
        let rows = decode_chunk(&bytes, self.layout).map_err(|why| corrupt(why.0))?;
        let fits = rows.len() == chunk.len
            && chunk.len > 0
            && rows.time(0) == chunk.first
            && rows.time(chunk.len - 1) == chunk.last;
        if fits { Ok(rows) } else { Err(corrupt("it is not the one that the entity refers to")) }
    }
}

/// The key of a sealed chunk.
pub(crate) fn chunk_key(key: &str, input: u8, id: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.len() + 6);
    bytes.push(b'c');
    bytes.extend_from_slice(key.as_bytes());
    bytes.push(input);
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes
}

/// The log. Its last chunk, the tail, is kept with the entity and empty only if there is no other.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) tail: Chunk,
    /// The chunks before the tail, each under its own key.
    pub(crate) sealed: Vec<Chunk>,
    /// The id of the next chunk to be sealed.
    pub(crate) next_id: u32,
    /// Chunks that the store has to forget.
    pub(crate) gone: Vec<u32>,
    index: Option<Box<IdIndex>>,
}

/// The newest event time of each id, once there are too many entries to look through.
#[derive(Debug)]
struct IdIndex {
    times: HashMap<u64, i64, FixedState>,
    /// At how many ids the old ones are thrown out.
    limit: usize,
}

/// Some entries of one chunk.
pub(crate) struct Part<'a> {
    rows: &'a Rows,
    range: Range<usize>,
    start: u64,
}

impl<'a> Part<'a> {
    /// The entries in order, each with its ordinal.
    #[inline]
    pub(crate) fn entries(self) -> impl DoubleEndedIterator<Item = (u64, Entry<'a>)> {
        let Part { rows, range, start } = self;
        range.map(move |index| (start + index as u64, rows.entry(index)))
    }
}

impl Log {
    pub(crate) fn new(layout: &InputLayout) -> Self {
        Log::from_chunks(Vec::new(), Chunk::new(0, Rows::new(layout)), 0)
    }

    pub(crate) fn from_chunks(sealed: Vec<Chunk>, tail: Chunk, next_id: u32) -> Self {
        Log { tail, sealed, next_id, gone: Vec::new(), index: None }
    }

    /// Ordinal of the first entry that is still there.
    #[inline]
    pub(crate) fn base(&self) -> u64 {
        self.sealed.first().unwrap_or(&self.tail).start
    }

    /// Ordinal of the next entry to be appended.
    #[inline]
    pub(crate) fn end(&self) -> u64 {
        self.tail.end()
    }

    /// The tail comes after all sealed chunks.
    #[inline]
    fn chunk_mut(&mut self, index: usize) -> &mut Chunk {
        if index == self.sealed.len() { &mut self.tail } else { &mut self.sealed[index] }
    }

    fn len(&self) -> usize {
        (self.end() - self.base()) as usize
    }

    /// The chunk with this ordinal; the tail for the end of the log.
    #[inline]
    fn chunk_of(&self, ordinal: u64) -> usize {
        if ordinal >= self.tail.start {
            return self.sealed.len();
        }
        self.sealed.partition_point(|chunk| chunk.end() <= ordinal)
    }

    #[inline]
    fn load(&mut self, index: usize, source: Source<'_>) -> Result<&Chunk, StateError> {
        let chunk = self.chunk_mut(index);
        chunk.touched = true;
        if chunk.rows.is_none() {
            chunk.rows = Some(source.load(chunk)?);
        }
        Ok(chunk)
    }

    /// The entries of `range` that lie in one chunk with its first; `range` must not be empty.
    #[inline]
    pub(crate) fn part(&mut self, range: Range<u64>, source: Source<'_>) -> Result<Part<'_>, StateError> {
        let chunk = self.load(self.chunk_of(range.start), source)?;
        assert!(chunk.start <= range.start && range.start < range.end.min(chunk.end()), "entries are there");
        let from = (range.start - chunk.start) as usize;
        let to = (range.end.min(chunk.end()) - chunk.start) as usize;
        Ok(Part { rows: chunk.rows(), range: from..to, start: chunk.start })
    }

    /// The entries of `range` that lie in one chunk with its last; `range` must not be empty.
    pub(crate) fn last_part(
        &mut self,
        range: Range<u64>,
        source: Source<'_>,
    ) -> Result<Part<'_>, StateError> {
        let last = self.chunk_of(range.end - 1);
        let start = self.chunk_mut(last).start;
        self.part(range.start.max(start)..range.end, source)
    }

    /// Ordinal of the first entry later than `time`. Quickest if that is near `hint`.
    #[inline]
    pub(crate) fn position_after(
        &mut self,
        time: i64,
        hint: u64,
        source: Source<'_>,
    ) -> Result<u64, StateError> {
        let mut index = self.chunk_of(hint);
        let sealed = &self.sealed;
        if sealed.get(index).is_some_and(|chunk| chunk.last <= time) {
            index += 1 + sealed[index + 1..].partition_point(|chunk| chunk.last <= time);
        } else if index > 0 && sealed[index - 1].last > time {
            index = sealed[..index].partition_point(|chunk| chunk.last <= time);
        }
        let chunk = self.chunk_mut(index);
        if chunk.len == 0 || time < chunk.first {
            return Ok(chunk.start);
        }
        if chunk.last <= time {
            return Ok(chunk.end());
        }
        let chunk = self.load(index, source)?;
        let hint = hint.clamp(chunk.start, chunk.end() - 1) - chunk.start;
        Ok(chunk.start + search(chunk.rows(), time, hint as usize) as u64)
    }

    /// Inserts an entry after all with its event time or an earlier one, and says where. A chunk that
    /// this seals forgets the ids of entries at or before `forget_ids`.
    pub(crate) fn insert(
        &mut self,
        entry: Entry<'_>,
        forget_ids: i64,
        source: Source<'_>,
    ) -> Result<u64, StateError> {
        let ordinal = self.position_after(entry.time(), self.end(), source)?;
        if ordinal == self.end() && self.tail.len >= self.chunk_size() {
            self.seal(Chunk::new(ordinal, Rows::new(source.layout)), forget_ids);
        }
        let index = self.chunk_of(ordinal);
        self.load(index, source)?;
        let chunk = self.chunk_mut(index);
        chunk.insert((ordinal - chunk.start) as usize, entry);
        let len = chunk.len;
        if index < self.sealed.len() {
            self.sealed[index + 1..].iter_mut().for_each(|later| later.start += 1);
            self.tail.start += 1;
        }
        if len >= 2 * self.chunk_size() {
            self.split(index, forget_ids);
        }
        if let Some(ids) = &mut self.index {
            ids.add(entry.words[1] as u64, entry.time(), forget_ids);
        }
        Ok(ordinal)
    }

    /// About the square root of the log's length: that keeps both the tail and the directory short.
    fn chunk_size(&self) -> usize {
        let mut size = LEAST_CHUNK;
        while size * size < self.len() {
            size *= 2;
        }
        size
    }

    /// Seals the tail; another takes its place.
    fn seal(&mut self, tail: Chunk, forget_ids: i64) {
        let id = self.new_id();
        let mut sealed = std::mem::replace(&mut self.tail, tail);
        sealed.seal(id, forget_ids);
        self.sealed.push(sealed);
    }

    /// Late insertions have made a chunk too large.
    fn split(&mut self, index: usize, forget_ids: i64) {
        let rest = self.chunk_mut(index).split();
        if index == self.sealed.len() {
            return self.seal(rest, forget_ids);
        }
        self.sealed.insert(index + 1, rest);
        let id = self.new_id();
        self.sealed[index + 1].seal(id, forget_ids);
    }

    fn new_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Drops entries at or before `time`, when enough of them have come together.
    #[inline]
    pub(crate) fn drop_through(&mut self, time: i64) {
        while self.sealed.first().is_some_and(|chunk| chunk.last <= time) {
            self.gone.push(self.sealed.remove(0).id);
        }
        let tail = &mut self.tail;
        if !self.sealed.is_empty() || tail.len < 8 || tail.first > time {
            return;
        }
        let expired = search(tail.rows(), time, 0);
        if expired >= 8 && 2 * expired >= tail.len {
            tail.drop_front(expired);
        }
    }

    /// The newest entry with this id and an event time after `after`.
    pub(crate) fn find_recent(
        &mut self,
        id: u64,
        after: i64,
        source: Source<'_>,
    ) -> Result<Option<u64>, StateError> {
        if self.index.is_none() {
            match self.scan(id, after, UNINDEXED, source)? {
                Scan::Found(ordinal) => return Ok(Some(ordinal)),
                Scan::Absent => return Ok(None),
                Scan::Unfinished => self.make_index(after, source)?,
            }
        }
        let newest = self.index.as_ref().and_then(|index| index.times.get(&id).copied());
        match newest {
            Some(time) if time > after => self.find_at(id, time, source),
            _ => Ok(None),
        }
    }

    /// As [`Log::find_recent`], but for seldom use: it looks through the log.
    pub(crate) fn find(
        &mut self,
        id: u64,
        after: i64,
        source: Source<'_>,
    ) -> Result<Option<u64>, StateError> {
        match self.scan(id, after, usize::MAX, source)? {
            Scan::Found(ordinal) => Ok(Some(ordinal)),
            Scan::Absent | Scan::Unfinished => Ok(None),
        }
    }

    fn scan(
        &mut self,
        id: u64,
        after: i64,
        mut budget: usize,
        source: Source<'_>,
    ) -> Result<Scan, StateError> {
        for index in (0..=self.sealed.len()).rev() {
            let chunk = self.chunk_mut(index);
            if chunk.len == 0 || chunk.last <= after {
                break;
            }
            let chunk = self.load(index, source)?;
            let rows = chunk.rows();
            for row in (0..chunk.len).rev() {
                if rows.time(row) <= after {
                    return Ok(Scan::Absent);
                }
                if rows.id(row) == id {
                    return Ok(Scan::Found(chunk.start + row as u64));
                }
                if budget == 0 {
                    return Ok(Scan::Unfinished);
                }
                budget -= 1;
            }
        }
        Ok(Scan::Absent)
    }

    /// The last entry with this id among those at exactly `time`.
    fn find_at(&mut self, id: u64, time: i64, source: Source<'_>) -> Result<Option<u64>, StateError> {
        let mut end = self.position_after(time, self.end(), source)?;
        while end > self.base() {
            let (_, entry) = self.part(end - 1..end, source)?.entries().next().expect("one entry");
            if entry.time() != time {
                break;
            }
            if entry.words[1] as u64 == id {
                return Ok(Some(end - 1));
            }
            end -= 1;
        }
        Ok(None)
    }

    fn make_index(&mut self, after: i64, source: Source<'_>) -> Result<(), StateError> {
        let mut index = IdIndex { times: HashMap::default(), limit: 4 * UNINDEXED };
        let mut at = self.position_after(after, self.base(), source)?;
        let end = self.end();
        while at < end {
            for (ordinal, entry) in self.part(at..end, source)?.entries() {
                index.add(entry.words[1] as u64, entry.time(), after);
                at = ordinal + 1;
            }
        }
        self.index = Some(Box::new(index));
        Ok(())
    }

    /// Lets go of sealed chunks that were not looked at since the last call and that the store has.
    pub(crate) fn release(&mut self) {
        for chunk in &mut self.sealed {
            if !chunk.touched && !chunk.dirty {
                chunk.rows = None;
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
        let tail = self.tail.rows.as_ref().map_or(0, |rows| rows.touch(rows.len()));
        self.sealed.iter().fold(tail, |sum, chunk| sum ^ chunk.first ^ chunk.start as i64)
    }

    #[inline]
    pub(crate) fn touch(&self, ordinal: u64) -> i64 {
        let chunk = self.sealed.get(self.chunk_of(ordinal)).unwrap_or(&self.tail);
        let row = ordinal.saturating_sub(chunk.start) as usize;
        chunk.rows.as_ref().map_or(0, |rows| rows.touch(row))
    }

    pub(crate) fn bytes(&self) -> usize {
        let index = self.index.as_ref().map_or(0, |index| index.times.capacity() * 17);
        let sealed: usize = self.sealed.iter().map(Chunk::bytes).sum();
        size_of::<Log>() + self.tail.bytes() + sealed + index
    }
}

enum Scan {
    Found(u64),
    Absent,
    Unfinished,
}

impl IdIndex {
    fn add(&mut self, id: u64, time: i64, forget: i64) {
        if id == 0 {
            return;
        }
        let newest = self.times.entry(id).or_insert(time);
        *newest = time.max(*newest);
        if self.times.len() > self.limit {
            self.times.retain(|_, time| *time > forget);
            self.limit = (2 * self.times.len()).max(4 * UNINDEXED);
        }
    }
}

/// Index of the first row later than `time`, searched from `hint` outwards.
#[inline]
fn search(rows: &Rows, time: i64, hint: usize) -> usize {
    const NEAR: usize = 8;
    let mut index = hint;
    if rows.time(index) > time {
        while index > 0 && rows.time(index - 1) > time {
            index -= 1;
            if hint - index == NEAR {
                return bisect(rows, time, 0, index);
            }
        }
        return index;
    }
    while index < rows.len() && rows.time(index) <= time {
        index += 1;
        if index - hint == NEAR {
            return bisect(rows, time, index, rows.len());
        }
    }
    index
}

fn bisect(rows: &Rows, time: i64, mut low: usize, mut high: usize) -> usize {
    while low < high {
        let middle = (low + high) / 2;
        if rows.time(middle) <= time {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
