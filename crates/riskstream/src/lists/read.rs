//! The versions of lists that are read, shared by the workers and the follower.

use riskstream_lists::{ListSet, Offsets};
use riskstream_pipeline::Lists;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The newest versions, and older ones that tasks ask for. Cheap to clone.
#[derive(Clone, Default)]
pub struct ReadLists {
    shared: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    newest: Option<Arc<ListSet>>,
    /// Sets of other versions that were made for tasks. The tasks own those that are in force.
    older: Vec<Older>,
    /// What tasks wait for, each with the reason why it is not ready.
    wanted: Vec<(Offsets, String)>,
}

/// A set that was asked for by these offsets. Its own may be more: those of lists without an offset in the question.
struct Older {
    asked: Offsets,
    set: Weak<ListSet>,
}

impl ReadLists {
    /// Puts the newest versions in place of those before.
    pub(super) fn put(&self, newest: Arc<ListSet>) {
        self.lock().newest = Some(newest);
    }

    /// What tasks wait for.
    pub(super) fn wanted(&self) -> Vec<Offsets> {
        self.lock().wanted.iter().map(|(offsets, _)| offsets.clone()).collect()
    }

    /// Stores the versions that a task waits for, or the reason why they cannot be made yet.
    pub(super) fn provide(&self, asked: &Offsets, made: Result<&Arc<ListSet>, String>) {
        let mut state = self.lock();
        state.wanted.retain(|(offsets, _)| offsets != asked);
        match made {
            Ok(set) => {
                state.older.retain(|older| older.set.strong_count() > 0);
                state.older.push(Older {
                    asked: asked.clone(),
                    set: Arc::downgrade(set),
                });
            }
            Err(why) => state.wanted.push((asked.clone(), why)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No change can be left half done, so a poisoned lock is usable.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lists for ReadLists {
    fn newest(&self) -> Option<Arc<ListSet>> {
        self.lock().newest.clone()
    }

    fn at(&self, offsets: &Offsets) -> Result<Arc<ListSet>, String> {
        let mut state = self.lock();
        if let Some(newest) = state.newest.as_ref().filter(|newest| newest.offsets() == offsets) {
            return Ok(Arc::clone(newest));
        }
        let mut older = state.older.iter().filter(|older| older.asked == *offsets);
        if let Some(set) = older.find_map(|older| older.set.upgrade()) {
            return Ok(set);
        }
        if let Some((_, why)) = state.wanted.iter().find(|(wanted, _)| wanted == offsets) {
            return Err(why.clone());
        }
        let why = format!("the lists as of {offsets} are being read");
        state.wanted.push((offsets.clone(), why.clone()));
        Err(why)
    }
}
