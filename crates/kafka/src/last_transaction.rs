//! What this process knows of the last transaction of a transactional id.

use std::sync::{Arc, Mutex, PoisonError};

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

/// The ending of the last transaction of a transactional id. Clones share it: those of the clients that follow each other under one id.
#[derive(Clone, Debug, Default)]
pub struct LastTransaction(Arc<Mutex<Ending>>);

impl LastTransaction {
    pub(crate) fn set(&self, ending: Ending) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ending;
    }

    pub(crate) fn ending(&self) -> Ending {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
