//! What this process knows of the last transaction of a transactional id.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::TopicPartitionList;

/// What became of a transaction.
#[derive(Clone, Debug, Default)]
pub(crate) enum Ending {
    /// It was committed or aborted, or there is none.
    #[default]
    Ended,
    /// Nobody needs its commit: it was not asked for, or the transaction has positions only, and later ones cover them.
    Dispensable,
    /// Its commit was asked for, and the answer did not come. It would commit these positions.
    Unknown(TopicPartitionList),
}

/// The last transaction of a transactional id. Clones share it: those of the clients that follow each other under one id.
#[derive(Clone, Debug, Default)]
pub struct LastTransaction(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    ending: Ending,
    /// Whether all brokers were down since it was begun.
    outage: bool,
}

impl LastTransaction {
    pub(crate) fn begun(&self) {
        *self.known() = Known {
            ending: Ending::Dispensable,
            outage: false,
        };
    }

    pub(crate) fn set(&self, ending: Ending) {
        self.known().ending = ending;
    }

    /// All brokers were down: they may have left it open (see `hanging`).
    pub(crate) fn note_outage(&self) {
        self.known().outage = true;
    }

    /// What became of a transaction that may be open in a partition though it is over for its coordinator.
    pub(crate) fn may_hang(&self) -> Ending {
        let known = self.known();
        match known.outage {
            true => known.ending.clone(),
            false => Ending::Ended,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
