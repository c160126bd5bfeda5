//! Versions of lists, and which of them are in force together.

use crate::entry::EntryRef;
use crate::offsets::Offsets;
use crate::table::Table;
use std::sync::Arc;

/// A list as of an offset of its topic.
#[derive(Clone, Debug)]
pub struct ListVersion {
    /// The topic.
    pub topic: Arc<str>,
    /// The offset of the first record that it does not hold; `None` if it is not from a topic.
    pub offset: Option<i64>,
    /// The entries.
    pub table: Table,
}

/// A version of each list of a pipeline, in the order of the plan. Without lists it is empty, as it is where no entries are
/// given: every list then has none.
#[derive(Clone, Debug, Default)]
pub struct ListSet {
    versions: Vec<ListVersion>,
    offsets: Offsets,
}

impl ListSet {
    /// A set of these versions.
    pub fn new(versions: Vec<ListVersion>) -> ListSet {
        let of_topics = versions.iter();
        let offsets = of_topics.filter_map(|version| Some((&*version.topic, version.offset?)));
        ListSet {
            offsets: offsets.collect(),
            versions,
        }
    }

    /// The versions in the order of the plan.
    pub fn versions(&self) -> &[ListVersion] {
        &self.versions
    }

    /// The entry of a key in the list at this index, if it counts for an event of this time.
    #[inline]
    pub fn get(&self, list: usize, key: &str, event_time: i64) -> Option<EntryRef<'_>> {
        let entry = self.versions.get(list)?.table.get(key)?;
        entry.counts_at(event_time).then_some(entry)
    }

    /// The offset of each list that is from a topic.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }
}
