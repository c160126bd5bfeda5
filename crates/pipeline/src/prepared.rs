//! Line-ups and lists that are prepared outside of a worker and come into force at an offset of its log.

use crate::lists::{Lists, NoLists};
use crate::rollout::{NoRollouts, Rollouts};

/// See the module.
pub struct Prepared {
    /// Decision sets.
    pub rollouts: Box<dyn Rollouts + Send>,
    /// Versions of lists.
    pub lists: Box<dyn Lists + Send>,
}

impl Prepared {
    /// Nothing: the pipeline file's decision set decides, and lists are empty.
    pub fn nothing() -> Prepared {
        Prepared {
            rollouts: Box::new(NoRollouts),
            lists: Box::new(NoLists),
        }
    }
}
