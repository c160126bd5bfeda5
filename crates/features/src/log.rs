//! An entity's log of one input: its entries in order of event time (of equal times in order of
//! arrival), in chunks. An entry's ordinal is the number of entries before it since the beginning, those
//! dropped since included; a late insertion moves the ordinals after it by one.

use crate::chunk::Chunk;
use crate::encode::{Malformed, Reader, VERSION};
use crate::entry::{Entry, EntryBuffer};
use crate::ids::IdIndex;
use crate::layout::InputLayout;
use crate::state::{StateError, StateStore};
use std::ops::ControlFlow;

/// The least number of entries at which a chunk is sealed.
const LEAST_CHUNK: u32 = 32;
/// Entries that are searched for an id one by one before an index is made.
const UNINDEXED: u64 = 32;
/// The least number of entries that are dropped from a tail at once.
const LEAST_DROP: u32 = 8;
/// How many ids that are no longer needed come together in a tail before they are left out.
const NEEDLESS_IDS: u32 = 16;

/// Where chunks that are not in memory are read from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) store: &'a dyn StateStore,
    pub(crate) layout: &'a InputLayout,
    pub(crate) key: &'a str,
    pub(crate) input: u8,
}

impl Source<'_> {
    fn load(&self, chunk: &mut Chunk) -> Result<(), StateError> {
        let key = chunk_key(self.key, self.input, chunk.id);
        let bytes = self.store.get(&key)?.ok_or(Malformed("it is missing"))?;
        let Some((&VERSION, packed)) = bytes.split_first() else {
            return Err(Malformed("its format is another version's").into());
        };
        let loaded = Chunk::unpack(chunk.start, chunk.first, chunk.len, packed, self.layout)?;
        if loaded.last != chunk.last {
            return Err(Malformed("its last entry is another").into());
        }
        chunk.bytes = loaded.bytes;
        chunk.without_id = loaded.without_id;
        Ok(())
    }
}

impl From<Malformed> for StateError {
    fn from(malformed: Malformed) -> Self {
        StateError::Corrupt {
            what: "a chunk of a log".into(),
            why: malformed.0.into(),
        }
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

/// A place in the log, before the entry `ordinal`. The rest tells where its bytes are, as long as the
/// log's `epoch` is still the same; otherwise it has to be found anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) ordinal: u64,
    /// Event time of the entry before, or of the chunk's first.
    pub(crate) time: i64,
    /// Event time of the entry after, or `i64::MIN` if that is not known.
    pub(crate) next: i64,
    /// Bytes before it in its chunk.
    pub(crate) offset: u32,
    pub(crate) epoch: u32,
}

impl Spot {
    /// A place of which only the ordinal is known.
    #[inline]
    pub(crate) fn unresolved(ordinal: u64) -> Self {
        Spot {
            ordinal,
            time: 0,
            next: i64::MIN,
            offset: 0,
            epoch: 0,
        }
    }
}

/// The log. Its last chunk, the tail, is kept with the entity and empty only if there is no other.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) tail: Chunk,
    /// The chunks before the tail, each under its own key.
    pub(crate) sealed: Vec<Chunk>,
    /// The id of the next chunk to be sealed.
    pub(crate) next_id: u32,
    /// Changes whenever entries move; never 0.
    epoch: u32,
    /// The first entry whose id still matters; where to look from.
    recent: Spot,
    index: Option<Box<IdIndex>>,
    /// Chunks that the store has to forget.
    pub(crate) gone: Vec<u32>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Log::from_chunks(Vec::new(), Chunk::empty(0), 0)
    }

    pub(crate) fn from_chunks(sealed: Vec<Chunk>, tail: Chunk, next_id: u32) -> Self {
        let recent = Spot::unresolved(sealed.first().unwrap_or(&tail).start);
        Log {
            tail,
            sealed,
            next_id,
            epoch: 1,
            recent,
            index: None,
            gone: Vec::new(),
        }
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
    fn chunk(&mut self, index: usize) -> &mut Chunk {
        if index == self.sealed.len() {
            &mut self.tail
        } else {
            &mut self.sealed[index]
        }
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
        let chunk = self.chunk(index);
        chunk.touched = true;
        if chunk.bytes.is_none() {
            source.load(chunk)?;
        }
        Ok(chunk)
    }

    /// The beginning of a chunk.
    #[inline]
    fn start_of(&mut self, index: usize) -> Spot {
        let epoch = self.epoch;
        let chunk = self.chunk(index);
        Spot {
            ordinal: chunk.start,
            time: chunk.first,
            next: chunk.first,
            offset: 0,
            epoch,
        }
    }

    /// The end of the log.
    #[inline]
    pub(crate) fn end_spot(&self) -> Spot {
        if self.tail.len == 0 {
            // The time that the next entry will be read with is not known yet.
            return Spot::unresolved(self.end());
        }
        let offset = self.tail.bytes().len() as u32;
        let (time, epoch) = (self.tail.last, self.epoch);
        Spot {
            ordinal: self.end(),
            time,
            next: i64::MIN,
            offset,
            epoch,
        }
    }

    #[inline]
    fn resolve(&mut self, spot: Spot, source: Source<'_>) -> Result<Spot, StateError> {
        if spot.epoch == self.epoch {
            return Ok(spot);
        }
        if spot.ordinal == self.end() {
            return Ok(self.end_spot());
        }
        let index = self.chunk_of(spot.ordinal);
        let mut found = self.start_of(index);
        let chunk = self.load(index, source)?;
        let bytes = chunk.bytes();
        let mut reader = Reader::new(bytes);
        while found.ordinal < spot.ordinal {
            let header = reader.header(found.time)?;
            reader.skip_values(source.layout, header)?;
            found.time = header.time;
            found.ordinal += 1;
        }
        Ok(Spot {
            offset: (bytes.len() - reader.left()) as u32,
            next: i64::MIN,
            ..found
        })
    }

    /// Calls `visit` for the entries from `from` up to the ordinal `to`, until it says otherwise, and
    /// gives back the place after the last one visited.
    #[inline]
    pub(crate) fn visit(
        &mut self,
        from: Spot,
        to: u64,
        source: Source<'_>,
        buffer: &mut EntryBuffer,
        mut visit: impl FnMut(u64, Entry<'_>) -> ControlFlow<()>,
    ) -> Result<Spot, StateError> {
        if from.ordinal >= to {
            return Ok(from);
        }
        assert!(
            self.base() <= from.ordinal && to <= self.end(),
            "the entries are in the log"
        );
        let mut spot = Spot {
            next: i64::MIN,
            ..self.resolve(from, source)?
        };
        while spot.ordinal < to {
            let index = self.chunk_of(spot.ordinal);
            let is_tail = index == self.sealed.len();
            let chunk = self.load(index, source)?;
            let bytes = chunk.bytes();
            let mut reader = Reader::new(&bytes[spot.offset as usize..]);
            let stop = to.min(chunk.end());
            let mut flow = ControlFlow::Continue(());
            while spot.ordinal < stop && flow.is_continue() {
                reader.entry(source.layout, spot.time, buffer)?;
                let entry = buffer.entry();
                spot.time = entry.time();
                spot.next = i64::MIN;
                flow = visit(spot.ordinal, entry);
                spot.ordinal += 1;
            }
            spot.offset = (bytes.len() - reader.left()) as u32;
            if spot.ordinal == chunk.end() && !is_tail {
                spot = self.start_of(index + 1);
            }
            if flow.is_break() {
                break;
            }
        }
        Ok(spot)
    }

    /// Whether the entry after a place is known to be later than `time`, or there is none.
    #[inline]
    fn is_before(&self, spot: Spot, time: i64) -> bool {
        (spot.next > time && spot.epoch == self.epoch) || spot.ordinal == self.end()
    }

    /// As [`Log::visit_through`], for when only the place matters.
    #[inline]
    pub(crate) fn pass_through(&mut self, from: Spot, time: i64, source: Source<'_>) -> Result<Spot, StateError> {
        if self.is_before(from, time) {
            return Ok(from);
        }
        self.position_after(time, from, source)
    }

    /// As [`Log::visit`], up to the last entry at or before `time`.
    #[inline]
    pub(crate) fn visit_through(
        &mut self,
        from: Spot,
        time: i64,
        source: Source<'_>,
        buffer: &mut EntryBuffer,
        mut visit: impl FnMut(u64, Entry<'_>),
    ) -> Result<Spot, StateError> {
        if self.is_before(from, time) {
            return Ok(from);
        }
        assert!(
            self.base() <= from.ordinal && from.ordinal < self.end(),
            "it is in the log"
        );
        let mut spot = self.resolve(from, source)?;
        loop {
            let index = self.chunk_of(spot.ordinal);
            let is_tail = index == self.sealed.len();
            let chunk = self.load(index, source)?;
            let bytes = chunk.bytes();
            let mut reader = Reader::new(&bytes[spot.offset as usize..]);
            while spot.ordinal < chunk.end() {
                spot.offset = (bytes.len() - reader.left()) as u32;
                let header = reader.header(spot.time)?;
                if header.time > time {
                    return Ok(Spot {
                        next: header.time,
                        ..spot
                    });
                }
                reader.values(source.layout, header, buffer)?;
                visit(spot.ordinal, buffer.entry());
                spot.time = header.time;
                spot.ordinal += 1;
            }
            if is_tail {
                return Ok(self.end_spot());
            }
            spot = self.start_of(index + 1);
        }
    }

    /// As [`Log::visit`], backwards from the ordinal `to` down to the ordinal `from`.
    pub(crate) fn visit_back(
        &mut self,
        from: u64,
        mut to: u64,
        source: Source<'_>,
        mut visit: impl FnMut(u64, Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), StateError> {
        while to > from {
            let chunk = self.load(self.chunk_of(to - 1), source)?;
            let rows = chunk.entries(source.layout)?;
            let stop = from.max(chunk.start);
            let start = chunk.start;
            while to > stop {
                to -= 1;
                if visit(to, rows.entry((to - start) as usize)).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The place before the first entry later than `time`. Quickest if that is at or soon after `hint`.
    #[inline]
    pub(crate) fn position_after(&mut self, time: i64, hint: Spot, source: Source<'_>) -> Result<Spot, StateError> {
        if self.tail.last <= time || self.tail.len == 0 {
            return Ok(self.end_spot());
        }
        let near = self.chunk_of(hint.ordinal);
        let mut index = near;
        let sealed = &self.sealed;
        if sealed.get(index).is_some_and(|chunk| chunk.last <= time) {
            index += 1 + sealed[index + 1..].partition_point(|chunk| chunk.last <= time);
        } else if index > 0 && sealed[index - 1].last > time {
            index = sealed[..index].partition_point(|chunk| chunk.last <= time);
        }
        let start = self.start_of(index);
        if time < start.time {
            return Ok(start);
        }
        let mut spot = start;
        if index == near {
            let hint = self.resolve(hint, source)?;
            // Entries before the hint are not later than its time.
            spot = if hint.time <= time { hint } else { start };
        }
        let epoch = self.epoch;
        let chunk = self.load(index, source)?;
        let bytes = chunk.bytes();
        let mut reader = Reader::new(&bytes[spot.offset as usize..]);
        // The last entry is later than `time`, so the search ends in this chunk.
        let mut left = reader.left();
        loop {
            let header = reader.header(spot.time)?;
            if header.time > time {
                return Ok(Spot {
                    next: header.time,
                    offset: (bytes.len() - left) as u32,
                    epoch,
                    ..spot
                });
            }
            reader.skip_values(source.layout, header)?;
            left = reader.left();
            spot.time = header.time;
            spot.ordinal += 1;
        }
    }

    /// Inserts an entry after all with its event time or an earlier one, and gives back its ordinal. Ids
    /// of entries at or before `forget_ids` no longer matter.
    #[inline]
    pub(crate) fn insert(&mut self, entry: Entry<'_>, forget_ids: i64, source: Source<'_>) -> Result<u64, StateError> {
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

    fn insert_late(&mut self, entry: Entry<'_>, source: Source<'_>) -> Result<u64, StateError> {
        let start = Spot::unresolved(self.base());
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

    /// Puts a chunk after another one, which is thereby sealed.
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

    /// About the square root of the log's length: that keeps both the tail and the directory short.
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

    /// Ids that are no longer needed take up most of a tail's bytes.
    #[inline]
    fn leave_out_ids(&mut self, forget_ids: i64, source: Source<'_>) -> Result<(), StateError> {
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

    /// Drops entries at or before `time`, when enough of them have come together.
    #[inline]
    pub(crate) fn drop_through(&mut self, time: i64, layout: &InputLayout) -> Result<(), StateError> {
        while self.sealed.first().is_some_and(|chunk| chunk.last <= time) {
            self.gone.push(self.sealed.remove(0).id);
            self.recent = Spot::unresolved(self.recent.ordinal.max(self.base()));
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
            self.recent = Spot::unresolved(self.recent.ordinal.max(self.base()));
        }
        Ok(())
    }

    /// The newest entry with this id and an event time after `after`, which never falls from call to call.
    #[inline]
    pub(crate) fn find_recent(&mut self, id: u64, after: i64, source: Source<'_>) -> Result<Option<u64>, StateError> {
        if let Some(index) = &self.index {
            return match index.newest(id) {
                Some(time) if time > after => self.find(id, time.saturating_sub(1), time, source),
                _ => Ok(None),
            };
        }
        let recent = self.position_after(after, self.recent, source)?;
        self.recent = recent;
        if self.end() - recent.ordinal > UNINDEXED {
            self.make_index(recent, after, source)?;
            return self.find_recent(id, after, source);
        }
        self.find_from(recent, id, i64::MAX, source)
    }

    /// The last entry with this id and an event time in (`after`, `through`]. It looks through the log.
    pub(crate) fn find(
        &mut self,
        id: u64,
        after: i64,
        through: i64,
        source: Source<'_>,
    ) -> Result<Option<u64>, StateError> {
        let from = self.position_after(after, Spot::unresolved(self.base()), source)?;
        self.find_from(from, id, through, source)
    }

    #[inline]
    fn find_from(&mut self, from: Spot, id: u64, through: i64, source: Source<'_>) -> Result<Option<u64>, StateError> {
        let (mut found, end) = (None, self.end());
        if from.ordinal == end {
            return Ok(None);
        }
        let mut spot = self.resolve(from, source)?;
        loop {
            let index = self.chunk_of(spot.ordinal);
            let is_tail = index == self.sealed.len();
            let chunk = self.load(index, source)?;
            let mut reader = Reader::new(&chunk.bytes()[spot.offset as usize..]);
            while spot.ordinal < chunk.end() {
                let header = reader.header(spot.time)?;
                if header.time > through {
                    return Ok(found);
                }
                reader.skip_values(source.layout, header)?;
                if header.id == id {
                    found = Some(spot.ordinal);
                }
                spot.time = header.time;
                spot.ordinal += 1;
            }
            if is_tail {
                return Ok(found);
            }
            spot = self.start_of(index + 1);
        }
    }

    fn make_index(&mut self, from: Spot, after: i64, source: Source<'_>) -> Result<(), StateError> {
        let mut index = IdIndex::default();
        let mut buffer = EntryBuffer::default();
        self.visit(from, self.end(), source, &mut buffer, |_, entry| {
            index.add(entry.id(), entry.time(), after);
            ControlFlow::Continue(())
        })?;
        self.index = Some(Box::new(index));
        Ok(())
    }

    /// Lets go of sealed chunks that were not looked at since the last call and that the store has.
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
    pub(crate) fn touch(&self, spot: Spot) -> i64 {
        let chunk = self.sealed.get(self.chunk_of(spot.ordinal)).unwrap_or(&self.tail);
        chunk.touch(spot.offset as usize)
    }

    pub(crate) fn memory(&self) -> usize {
        let index = self.index.as_ref().map_or(0, |index| index.memory());
        let sealed: usize = self.sealed.iter().map(Chunk::memory).sum();
        size_of::<Log>() + self.tail.memory() + self.sealed.capacity() * size_of::<Chunk>() + sealed + index
    }
}
