//! Where workers find line-ups that are ready.

use riskstream_pipeline::Rollouts;
use riskstream_scoring::Lineup;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Line-ups that are ready, and documents in the log that wait to be. Cheap to clone; shared by the workers and the follower.
#[derive(Clone, Default)]
pub struct LoadedRollouts {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    newest: Option<Arc<Lineup>>,
    /// By document. Tasks hold those that are in force.
    ready: HashMap<String, Weak<Lineup>>,
    /// Documents that a task waits for, and why they are not ready.
    wanted: BTreeMap<String, String>,
}

impl LoadedRollouts {
    /// Makes a line-up ready. It takes over if it is newer than that which did last.
    pub fn put(&self, lineup: Lineup) {
        let lineup = Arc::new(lineup);
        let mut state = self.lock();
        state.ready.retain(|_, ready| ready.strong_count() > 0);
        state.wanted.remove(&*lineup.document);
        state.ready.insert(lineup.document.to_string(), Arc::downgrade(&lineup));
        if state.newest_revision() < lineup.revision {
            state.newest = Some(lineup);
        }
    }

    /// The revision that is ready to take over, or did; 0 if there is none.
    pub fn newest_revision(&self) -> u64 {
        self.lock().newest_revision()
    }

    /// The documents that tasks wait for; waits `timeout` for the first.
    pub(super) fn wanted(&self, timeout: Duration) -> Vec<String> {
        let state = self.lock();
        let (_, changed) = &*self.shared;
        let waited = changed.wait_timeout_while(state, timeout, |state| state.wanted.is_empty());
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.wanted.keys().cloned().collect()
    }

    /// Makes the line-up of a wanted document ready, or says why it cannot be.
    pub(super) fn answer(&self, document: &str, prepared: Result<Lineup, String>) -> Option<Arc<Lineup>> {
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
        // Every change is complete before the lock is let go.
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
