//! What the topic of a list or a table holds, and what its records say.

use crate::columns::Columns;
use crate::record::{EntryChange, Keys, Unusable, read_change};
use crate::row_key::RowKeys;
use crate::row_record::read_row;
use crate::row_table::{RowChange, RowTable};
use crate::table::Table;

/// What the records of a topic are.
#[derive(Clone, Debug)]
pub enum Records {
    /// Entries of a list, with these keys.
    Entries(Keys),
    /// Rows of a table.
    Rows {
        /// How rows are found.
        keys: RowKeys,
        /// What exact keys are.
        of: Keys,
        /// The columns.
        columns: Columns,
    },
}

impl Records {
    /// What a topic without records holds.
    pub fn nothing(&self) -> Content {
        match self {
            Records::Entries(_) => Content::Entries(Table::default()),
            Records::Rows { keys, columns, .. } => Content::Rows(RowTable::empty(*keys, columns.clone())),
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// It cannot be used, for this reason. What the topic holds stays as it is.
    pub fn read(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Change, Unusable> {
        match self {
            Records::Entries(keys) => read_change(key, value, *keys).map(Change::Entry),
            Records::Rows { keys, of, columns } => read_row(key, value, (*keys, *of), columns).map(Change::Row),
        }
    }
}

/// What a record does.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// To an entry of a list.
    Entry(EntryChange),
    /// To a row of a table.
    Row(RowChange),
}

impl From<EntryChange> for Change {
    fn from(change: EntryChange) -> Change {
        Change::Entry(change)
    }
}

/// What a topic holds at one time. Immutable; cloning is cheap.
#[derive(Clone, Debug)]
pub enum Content {
    /// The entries of a list.
    Entries(Table),
    /// The rows of a table.
    Rows(RowTable),
}

impl From<Table> for Content {
    fn from(table: Table) -> Content {
        Content::Entries(table)
    }
}

impl Content {
    /// The same after these changes, in their order.
    pub fn with<'c>(&self, changes: impl IntoIterator<Item = &'c Change>) -> Content {
        let changes = changes.into_iter();
        match self {
            Content::Entries(table) => Content::Entries(table.with(changes.filter_map(|change| match change {
                Change::Entry(change) => Some(change),
                Change::Row(_) => None,
            }))),
            Content::Rows(table) => Content::Rows(table.with(changes.filter_map(|change| match change {
                Change::Entry(_) => None,
                Change::Row(change) => Some(change),
            }))),
        }
    }

    /// The entries, if it is a list.
    pub fn entries(&self) -> Option<&Table> {
        match self {
            Content::Entries(table) => Some(table),
            Content::Rows(_) => None,
        }
    }

    /// The rows, if it is a table.
    pub fn rows(&self) -> Option<&RowTable> {
        match self {
            Content::Entries(_) => None,
            Content::Rows(table) => Some(table),
        }
    }

    /// Number of entries or rows.
    pub fn len(&self) -> usize {
        match self {
            Content::Entries(table) => table.len(),
            Content::Rows(table) => table.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes in memory, shared ones too.
    pub fn memory(&self) -> usize {
        match self {
            Content::Entries(table) => table.memory(),
            Content::Rows(table) => table.memory(),
        }
    }
}
