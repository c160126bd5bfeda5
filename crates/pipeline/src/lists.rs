//! How another version of the lists comes into force: at an offset of each deciding task's own log, as other models do.
//!
//! The program around the worker follows the lists' topics. When it has read further, the worker writes a notice to each
//! repartition partition that it decides on: how far each list was read. The task changes to that version when it reads the
//! notice, and keeps the offsets in its state. A copy that continues from there needs the same version, and waits until it
//! has it.

use riskstream_lists::{ListSet, Offsets};
use std::sync::Arc;

/// Where versions of lists come from. It is asked between records and must not block.
pub trait Lists {
    /// All lists as far as they were read; `None` until each was read to its end once.
    fn newest(&self) -> Option<Arc<ListSet>>;

    /// The lists as of these offsets. One without an offset is as new as it is.
    ///
    /// # Errors
    /// Why they are not ready: the task waits and asks again.
    fn at(&self, offsets: &Offsets) -> Result<Arc<ListSet>, String>;
}

/// All lists are empty, and stay so.
pub struct NoLists;

impl Lists for NoLists {
    fn newest(&self) -> Option<Arc<ListSet>> {
        Some(Arc::default())
    }

    fn at(&self, _: &Offsets) -> Result<Arc<ListSet>, String> {
        Ok(Arc::default())
    }
}

/// Which versions are in force at one deciding task. They are needed only where it decides: a replay passes over versions
/// that no copy may have any more.
#[derive(Debug)]
pub struct ListsOfTask {
    /// How far the lists in force were read; empty before the first notice.
    offsets: Offsets,
    /// The same as of the last write.
    written: Offsets,
    /// What was announced in the task's log. It may not have been read back yet.
    announced: Offsets,
    /// Whether the versions of `offsets` are those that decide.
    is_ready: bool,
}

impl ListsOfTask {
    /// `offsets`: those in the task's state.
    pub fn new(offsets: Offsets) -> ListsOfTask {
        ListsOfTask {
            written: offsets.clone(),
            announced: offsets.clone(),
            offsets,
            is_ready: false,
        }
    }

    /// How far the lists in force were read.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Takes in a notice. Its versions decide on what follows.
    pub fn take(&mut self, notice: &Offsets) {
        if self.offsets.is_behind(notice) {
            self.offsets.advance(notice);
            self.is_ready = false;
        }
    }

    /// The versions that decide from here on, if they are others than before. Before the first notice they are the newest.
    ///
    /// # Errors
    /// Why they are not ready.
    pub fn changed(&mut self, lists: &dyn Lists) -> Result<Option<Arc<ListSet>>, String> {
        if self.is_ready {
            return Ok(None);
        }
        let set = match self.offsets.is_empty() {
            true => lists.newest().ok_or("the lists have not been read yet")?,
            false => lists.at(&self.offsets)?,
        };
        self.offsets = set.offsets().clone();
        self.is_ready = true;
        Ok(Some(set))
    }

    /// The notice of these versions, if one of them was not announced yet. They count as announced then.
    pub fn announce<'l>(&mut self, newest: &'l ListSet) -> Option<&'l Offsets> {
        if !self.announced.is_behind(newest.offsets()) {
            return None;
        }
        self.announced.advance(newest.offsets());
        Some(newest.offsets())
    }

    /// The offsets, if others were in force at the last write.
    pub fn to_write(&self) -> Option<&Offsets> {
        (self.offsets != self.written).then_some(&self.offsets)
    }

    /// The offsets are written.
    pub fn written(&mut self) {
        self.written.clone_from(&self.offsets);
    }

    /// Goes back to the last write.
    pub fn restart(&mut self) {
        *self = ListsOfTask::new(std::mem::take(&mut self.written));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_topics_lists_are_empty_and_nothing_waits() {
        let mut lists = ListsOfTask::new(Offsets::default());
        let set = lists.changed(&NoLists).unwrap().expect("the first versions");
        assert_eq!(set.get(0, "a card", 0), None);
        assert!(lists.changed(&NoLists).unwrap().is_none());
        assert_eq!(lists.announce(&set), None, "there is nothing to announce");
        assert_eq!(lists.to_write(), None);
    }
}
