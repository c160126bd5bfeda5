//! A list or table while its topic is followed: its newest version, and those of a while ago. Another copy reads the topic in other
//! steps, so a task that comes from there may ask for the version of any offset.

use crate::content::{Change, Content, Records};
use crate::record::Keys;
use std::collections::VecDeque;

/// Records at least of which each is a version that can still be made.
const KEPT: usize = 4096;

/// See the module.
#[derive(Clone, Debug)]
pub struct History {
    newest: Content,
    /// The offset of the first record that `newest` does not hold.
    end: i64,
    /// The oldest version that can be made.
    oldest: Content,
    /// The offset after the last record that `oldest` holds.
    begin: i64,
    /// The changes between the two, with the offsets of their records.
    recent: VecDeque<(i64, Change)>,
}

impl Default for History {
    fn default() -> Self {
        History::of(&Records::Entries(Keys::Clear))
    }
}

impl History {
    /// Of a topic of which nothing is read yet.
    pub fn of(records: &Records) -> History {
        History {
            newest: records.nothing(),
            end: 0,
            oldest: records.nothing(),
            begin: 0,
            recent: VecDeque::new(),
        }
    }

    /// Takes in the next records, in order of their offsets. `end` is the offset of the first record that is not among
    /// them; it may lie further than the last of them, since compaction and records that cannot be used leave gaps.
    pub fn extend(&mut self, changes: Vec<(i64, Change)>, end: i64) {
        self.newest = self.newest.with(changes.iter().map(|(_, change)| change));
        self.recent.extend(changes);
        self.end = self.end.max(end);
        if self.recent.len() > 2 * KEPT {
            let old = self.recent.len() - KEPT;
            self.oldest = self.oldest.with(self.recent.iter().take(old).map(|(_, change)| change));
            let folded = self.recent.drain(..old).next_back();
            self.begin = folded.map_or(self.begin, |(offset, _)| offset + 1);
        }
    }

    /// The offset up to which the topic has been read.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// The newest version.
    pub fn newest(&self) -> &Content {
        &self.newest
    }

    /// The version that holds the records before `offset`; `None` if that is too long ago, or not read yet.
    pub fn at(&self, offset: i64) -> Option<Content> {
        if offset == self.end {
            return Some(self.newest.clone());
        }
        if !(self.begin..self.end).contains(&offset) {
            return None;
        }
        let before = self.recent.iter().take_while(|(at, _)| *at < offset);
        Some(self.oldest.with(before.map(|(_, change)| change)))
    }
}
