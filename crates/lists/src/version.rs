//! Versions of lists, and which of them are in force together.

use crate::content::Content;
use crate::entry::EntryRef;
use crate::offsets::Offsets;
use crate::row_table::RowTable;
use std::sync::Arc;

/// A list or table as of an offset of its topic.
#[derive(Clone, Debug)]
pub struct ListVersion {
    /// The topic.
    pub topic: Arc<str>,
    /// The offset of the first record that it does not hold; `None` if it is not from a topic.
    pub offset: Option<i64>,
    /// The entries, or rows.
    pub content: Content,
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
        let entry = self.versions.get(list)?.content.entries()?.get(key)?;
        entry.counts_at(event_time).then_some(entry)
    }

    /// The rows of the table at this index.
    #[inline]
    pub fn rows(&self, table: usize) -> Option<&RowTable> {
        self.versions.get(table)?.content.rows()
    }

    /// The offset of each list that is from a topic.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }
}
