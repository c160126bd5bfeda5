//! The decision sets of roll-outs that are compiled and checked, shared by the workers and the follower.

use riskstream_pipeline::Rollouts;
use riskstream_scoring::DecisionSet;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Decision sets that are ready, and documents in the log whose sets tasks wait for. Cheap to clone.
#[derive(Clone, Default)]
pub struct LoadedRollouts {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    newest: Option<Arc<DecisionSet>>,
    /// By document. The tasks own those that are in force.
    ready: HashMap<String, Weak<DecisionSet>>,
    /// Documents that tasks wait for, each with the reason why its set is not ready.
    wanted: BTreeMap<String, String>,
}

impl LoadedRollouts {
    /// Adds the decision set of a new roll-out. Tasks put it in force if its revision is the largest so far.
    pub fn add(&self, set: DecisionSet) {
        let set = Arc::new(set);
        let mut state = self.lock();
        state.ready.retain(|_, ready| ready.strong_count() > 0);
        state.wanted.remove(&*set.document);
        state.ready.insert(set.document.to_string(), Arc::downgrade(&set));
        if state.newest_revision() < set.revision {
            state.newest = Some(set);
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

    /// Stores the decision set of a document that a task waits for, or the reason why it cannot be loaded.
    pub(super) fn provide(&self, document: &str, prepared: Result<DecisionSet, String>) -> Option<Arc<DecisionSet>> {
        let mut state = self.lock();
        match prepared {
            Ok(set) => {
                let set = Arc::new(set);
                state.ready.insert(document.to_owned(), Arc::downgrade(&set));
                state.wanted.remove(document);
                Some(set)
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
    fn newest(&self) -> Option<Arc<DecisionSet>> {
        self.lock().newest.clone()
    }

    fn prepared(&self, document: &str) -> Result<Arc<DecisionSet>, String> {
        let mut state = self.lock();
        if let Some(ready) = state.ready.get(document).and_then(Weak::upgrade) {
            return Ok(ready);
        }
        let wanted = state.wanted.entry(document.to_owned());
        let why = wanted.or_insert_with(|| "it is being compiled".to_owned()).clone();
        self.shared.1.notify_all();
        Err(why)
    }
}
