//! An entry of a list.

use compact_str::CompactString;
use riskstream_events::{Value, ValueType};

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

/// A field of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryField {
    /// See [`Entry::value`].
    Value,
    /// See [`Entry::reason`].
    Reason,
    /// See [`Entry::author`].
    Author,
    /// See [`Entry::until`].
    Until,
}

impl EntryField {
    /// All fields, with their names in rules and their types.
    pub const ALL: [(EntryField, &'static str, ValueType); 4] = [
        (EntryField::Value, "value", ValueType::Text),
        (EntryField::Reason, "reason", ValueType::Text),
        (EntryField::Author, "author", ValueType::Text),
        (EntryField::Until, "until", ValueType::Timestamp),
    ];
}

impl EntryRef<'_> {
    /// A field's value.
    #[inline]
    pub fn field(&self, field: EntryField) -> Value {
        let text = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Text(text.into()));
        match field {
            EntryField::Value => text(self.value),
            EntryField::Reason => text(self.reason),
            EntryField::Author => text(self.author),
            EntryField::Until => self.until.map_or(Value::Null, Value::Timestamp),
        }
    }

    /// Whether it counts for an event of this time, in microseconds since the epoch.
    #[inline]
    pub fn counts_at(&self, event_time: i64) -> bool {
        self.until.is_none_or(|until| event_time < until)
    }
}
