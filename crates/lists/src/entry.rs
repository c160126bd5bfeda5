//! An entry of a list.

use compact_str::CompactString;

/// What is known of a key. All of it may be absent: then the key is on the list, and that is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// A value that rules may use, such as a limit.
    pub value: Option<CompactString>,
    /// Why it is on the list.
    pub reason: Option<CompactString>,
    /// Who put it there.
    pub author: Option<CompactString>,
    /// The event time from which on it counts no longer, in microseconds since the epoch.
    pub until: Option<i64>,
}

/// An entry in a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryRef<'a> {
    /// See [`Entry::value`].
    pub value: Option<&'a str>,
    /// See [`Entry::reason`].
    pub reason: Option<&'a str>,
    /// See [`Entry::author`].
    pub author: Option<&'a str>,
    /// See [`Entry::until`].
    pub until: Option<i64>,
}

impl Entry {
    /// The entry, borrowed.
    pub fn as_ref(&self) -> EntryRef<'_> {
        EntryRef {
            value: self.value.as_deref(),
            reason: self.reason.as_deref(),
            author: self.author.as_deref(),
            until: self.until,
        }
    }
}

impl EntryRef<'_> {
    /// Whether it counts for an event of this time, in microseconds since the epoch.
    #[inline]
    pub fn counts_at(&self, event_time: i64) -> bool {
        self.until.is_none_or(|until| event_time < until)
    }
}
