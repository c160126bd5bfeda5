//! The line-ups of roll-outs that are loaded and checked, shared by the workers and the follower.

use riskstream_pipeline::Rollouts;
use riskstream_scoring::Lineup;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Line-ups that are ready, and documents in the log whose line-ups tasks wait for. Cheap to clone.
#[derive(Clone, Default)]
pub struct LoadedRollouts {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    newest: Option<Arc<Lineup>>,
    /// By document. The tasks own those that are in force.
    ready: HashMap<String, Weak<Lineup>>,
    /// Documents that tasks wait for, each with the reason why its line-up is not ready.
    wanted: BTreeMap<String, String>,
}

impl LoadedRollouts {
    /// Adds a line-up of a new roll-out. Tasks put it in force if its revision is the largest so far.
    pub fn add(&self, lineup: Lineup) {
        let lineup = Arc::new(lineup);
        let mut state = self.lock();
        state.ready.retain(|_, ready| ready.strong_count() > 0);
        state.wanted.remove(&*lineup.document);
        state.ready.insert(lineup.document.to_string(), Arc::downgrade(&lineup));
        if state.newest_revision() < lineup.revision {
            state.newest = Some(lineup);
        }
    }

    /// The largest revision that is loaded; 0 if there is none.
    pub fn newest_revision(&self) -> u64 {
        self.lock().newest_revision()
    }

    /// The documents that tasks wait for. Waits up to `timeout` for the first.
    pub(super) fn wanted(&self, timeout: Duration) -> Vec<String> {
        let state = self.lock();
        let (_, changed) = &*self.shared;
        let waited = changed.wait_timeout_while(state, timeout, |state| state.wanted.is_empty());
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.wanted.keys().cloned().collect()
    }

    /// Stores the line-up of a document that a task waits for, or the reason why it cannot be loaded.
    pub(super) fn provide(&self, document: &str, prepared: Result<Lineup, String>) -> Option<Arc<Lineup>> {
        let mut state = self.lock();
        match prepared {
            Ok(lineup) => {
                let lineup = Arc::new(lineup);
                state.ready.insert(document.to_owned(), Arc::downgrade(&lineup));
                state.wanted.remove(document);
                Some(lineup)
            }
            Err(why) => {
                state.wanted.insert(document.to_owned(), why);
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No change can be left half done, so a poisoned lock is usable.
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn newest_revision(&self) -> u64 {
        self.newest.as_ref().map_or(0, |newest| newest.revision)
    }
}

impl Rollouts for LoadedRollouts {
    fn newest(&self) -> Option<Arc<Lineup>> {
        self.lock().newest.clone()
    }

    fn prepared(&self, document: &str) -> Result<Arc<Lineup>, String> {
        let mut state = self.lock();
        if let Some(ready) = state.ready.get(document).and_then(Weak::upgrade) {
            return Ok(ready);
        }
        let wanted = state.wanted.entry(document.to_owned());
        let why = wanted
            .or_insert_with(|| "its models are being loaded".to_owned())
            .clone();
        self.shared.1.notify_all();
        Err(why)
    }
}
