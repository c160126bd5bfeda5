//! Reading a log: from a cursor on, backwards, up to a time, and in search of an id.

use crate::encode::{OUTSIDE, Reader};
use crate::entity_log::{Cursor, EntityLog};
use crate::entry::{Entry, EntryBuffer};
use crate::ids::IdIndex;
use crate::state::StateError;
use crate::value_source::ValueSource;
use std::ops::ControlFlow;

/// Entries that are searched for an id one by one before an index is made.
const UNINDEXED: u64 = 32;

impl EntityLog {
    #[inline]
    fn resolve(&mut self, cursor: Cursor, source: ValueSource<'_>) -> Result<Cursor, StateError> {
        if cursor.epoch == self.epoch {
            return Ok(cursor);
        }
        if cursor.ordinal == self.end() {
            return Ok(self.end_cursor());
        }
        let index = self.chunk_of(cursor.ordinal);
        let mut found = self.start_of(index);
        let chunk = self.load(index, source)?;
        let bytes = chunk.bytes();
        let mut reader = Reader::new(bytes);
        while found.ordinal < cursor.ordinal {
            let header = reader.header(found.time)?;
            reader.skip_values(source.layout, header)?;
            found.time = header.time;
            found.ordinal += 1;
        }
        Ok(Cursor {
            offset: (bytes.len() - reader.left()) as u32,
            next: i64::MIN,
            ..found
        })
    }

    /// Calls `visit` for the entries from `from` up to the ordinal `to`, until it breaks, and returns the cursor after the
    /// last entry visited.
    #[inline]
    pub(crate) fn visit(
        &mut self,
        from: Cursor,
        to: u64,
        source: ValueSource<'_>,
        buffer: &mut EntryBuffer,
        mut visit: impl FnMut(u64, Entry<'_>) -> ControlFlow<()>,
    ) -> Result<Cursor, StateError> {
        if from.ordinal >= to {
            return Ok(from);
        }
        if from.ordinal < self.base() || to > self.end() {
            return Err(OUTSIDE.into());
        }
        let mut cursor = Cursor {
            next: i64::MIN,
            ..self.resolve(from, source)?
        };
        while cursor.ordinal < to {
            let index = self.chunk_of(cursor.ordinal);
            let is_tail = index == self.sealed.len();
            let chunk = self.load(index, source)?;
            let bytes = chunk.bytes();
            let mut reader = Reader::new(&bytes[cursor.offset as usize..]);
            let stop = to.min(chunk.end());
            let mut flow = ControlFlow::Continue(());
            while cursor.ordinal < stop && flow.is_continue() {
                reader.entry(source.layout, cursor.time, buffer)?;
                let entry = buffer.entry();
                cursor.time = entry.time();
                cursor.next = i64::MIN;
                flow = visit(cursor.ordinal, entry);
                cursor.ordinal += 1;
            }
            cursor.offset = (bytes.len() - reader.left()) as u32;
            if cursor.ordinal == chunk.end() && !is_tail {
                cursor = self.start_of(index + 1);
            }
            if flow.is_break() {
                break;
            }
        }
        Ok(cursor)
    }

    /// Whether the entry after a cursor is known to be later than `time`, or there is none.
    #[inline]
    fn is_before(&self, cursor: Cursor, time: i64) -> bool {
        (cursor.next > time && cursor.epoch == self.epoch) || cursor.ordinal == self.end()
    }

    /// As [`EntityLog::visit_through`], if only the cursor is needed.
    #[inline]
    pub(crate) fn pass_through(
        &mut self,
        from: Cursor,
        time: i64,
        source: ValueSource<'_>,
    ) -> Result<Cursor, StateError> {
        if self.is_before(from, time) {
            return Ok(from);
        }
        self.position_after(time, from, source)
    }

    /// As [`EntityLog::visit`], up to the last entry at or before `time`.
    #[inline]
    pub(crate) fn visit_through(
        &mut self,
        from: Cursor,
        time: i64,
        source: ValueSource<'_>,
        buffer: &mut EntryBuffer,
        mut visit: impl FnMut(u64, Entry<'_>),
    ) -> Result<Cursor, StateError> {
        if self.is_before(from, time) {
            return Ok(from);
        }
        if from.ordinal < self.base() || from.ordinal >= self.end() {
            return Err(OUTSIDE.into());
        }
        let mut cursor = self.resolve(from, source)?;
        loop {
            let index = self.chunk_of(cursor.ordinal);
            let is_tail = index == self.sealed.len();
            let chunk = self.load(index, source)?;
            let bytes = chunk.bytes();
            let mut reader = Reader::new(&bytes[cursor.offset as usize..]);
            while cursor.ordinal < chunk.end() {
                cursor.offset = (bytes.len() - reader.left()) as u32;
                let header = reader.header(cursor.time)?;
                if header.time > time {
                    return Ok(Cursor {
                        next: header.time,
                        ..cursor
                    });
                }
                reader.values(source.layout, header, buffer)?;
                visit(cursor.ordinal, buffer.entry());
                cursor.time = header.time;
                cursor.ordinal += 1;
            }
            if is_tail {
                return Ok(self.end_cursor());
            }
            cursor = self.start_of(index + 1);
        }
    }

    /// As [`EntityLog::visit`], backwards from the ordinal `to` down to the ordinal `from`.
    pub(crate) fn visit_back(
        &mut self,
        from: u64,
        mut to: u64,
        source: ValueSource<'_>,
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

    /// The cursor before the first entry later than `time`. Fastest if that is at or soon after `hint`.
    #[inline]
    pub(crate) fn position_after(
        &mut self,
        time: i64,
        hint: Cursor,
        source: ValueSource<'_>,
    ) -> Result<Cursor, StateError> {
        if self.tail.last <= time || self.tail.len == 0 {
            return Ok(self.end_cursor());
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
        let mut cursor = start;
        if index == near {
            let hint = self.resolve(hint, source)?;
            // Entries before the hint are not later than the hint's time.
            cursor = if hint.time <= time { hint } else { start };
        }
        let epoch = self.epoch;
        let chunk = self.load(index, source)?;
        let bytes = chunk.bytes();
        let mut reader = Reader::new(&bytes[cursor.offset as usize..]);
        // The last entry is later than `time`, so the search ends in this chunk.
        let mut left = reader.left();
        loop {
            let header = reader.header(cursor.time)?;
            if header.time > time {
                return Ok(Cursor {
                    next: header.time,
                    offset: (bytes.len() - left) as u32,
                    epoch,
                    ..cursor
                });
            }
            reader.skip_values(source.layout, header)?;
            left = reader.left();
            cursor.time = header.time;
            cursor.ordinal += 1;
        }
    }

    /// The newest entry with this id and an event time in (`after`, `through`]. Ids of entries at or before `forgotten`, which
    /// is at most `after`, are no longer needed. Fastest if `forgotten` rarely decreases between calls.
    #[inline]
    pub(crate) fn find_recent(
        &mut self,
        id: u64,
        forgotten: i64,
        (after, through): (i64, i64),
        source: ValueSource<'_>,
    ) -> Result<Option<u64>, StateError> {
        if let Some(index) = self.index.as_ref().filter(|index| index.reaches(forgotten)) {
            return match index.newest(id) {
                Some(time) if time > through => self.find(id, after, through, source),
                Some(time) if time > after => self.find(id, time.saturating_sub(1), time, source),
                _ => Ok(None),
            };
        }
        let recent = self.position_after(forgotten, self.recent, source)?;
        self.recent = recent;
        if self.end() - recent.ordinal > UNINDEXED {
            self.make_index(recent, forgotten, source)?;
            return self.find_recent(id, forgotten, (after, through), source);
        }
        self.index = None;
        let from = match after > forgotten {
            true => self.position_after(after, recent, source)?,
            false => recent,
        };
        self.find_from(from, id, through, source)
    }

    /// The last entry with this id and an event time in (`after`, `through`], found by a linear search.
    pub(crate) fn find(
        &mut self,
        id: u64,
        after: i64,
        through: i64,
        source: ValueSource<'_>,
    ) -> Result<Option<u64>, StateError> {
        let from = self.position_after(after, Cursor::unresolved(self.base()), source)?;
        self.find_from(from, id, through, source)
    }

    #[inline]
    fn find_from(
        &mut self,
        from: Cursor,
        id: u64,
        through: i64,
        source: ValueSource<'_>,
    ) -> Result<Option<u64>, StateError> {
        let (mut found, end) = (None, self.end());
        if from.ordinal == end {
            return Ok(None);
        }
        let mut cursor = self.resolve(from, source)?;
        loop {
            let index = self.chunk_of(cursor.ordinal);
            let is_tail = index == self.sealed.len();
            let chunk = self.load(index, source)?;
            let mut reader = Reader::new(&chunk.bytes()[cursor.offset as usize..]);
            while cursor.ordinal < chunk.end() {
                let header = reader.header(cursor.time)?;
                if header.time > through {
                    return Ok(found);
                }
                reader.skip_values(source.layout, header)?;
                if header.id == id {
                    found = Some(cursor.ordinal);
                }
                cursor.time = header.time;
                cursor.ordinal += 1;
            }
            if is_tail {
                return Ok(found);
            }
            cursor = self.start_of(index + 1);
        }
    }

    fn make_index(&mut self, from: Cursor, after: i64, source: ValueSource<'_>) -> Result<(), StateError> {
        let mut index = IdIndex::new(after);
        let mut buffer = EntryBuffer::default();
        self.visit(from, self.end(), source, &mut buffer, |_, entry| {
            index.add(entry.id(), entry.time(), after);
            ControlFlow::Continue(())
        })?;
        self.index = Some(Box::new(index));
        Ok(())
    }
}
