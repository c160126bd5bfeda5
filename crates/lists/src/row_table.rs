//! A reference table in memory: rows of typed values, found by a value, by the range that a number lies in, or by the network
//! of an address.

use crate::columns::Columns;
use crate::row_index::RowIndex;
use crate::row_key::{RowKey, RowKeys};
use crate::row_values::{RowValues, RowValuesBuilder};
use riskstream_events::Value;
use std::sync::Arc;

/// What happens to a row of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange {
    /// Its key.
    pub key: RowKey,
    /// Its values, one for each column; `None` removes it.
    pub row: Option<Box<[Value]>>,
}

/// The rows of a table at one time. Immutable; cloning is cheap.
///
/// Where ranges overlap, the one that begins last counts, and of those that begin together the shortest. For networks this is
/// the longest prefix.
#[derive(Clone, Debug)]
pub struct RowTable {
    keys: RowKeys,
    columns: Columns,
    rows: Arc<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    index: RowIndex,
    values: RowValues,
}

/// A row of a table.
#[derive(Clone, Copy, Debug)]
pub struct RowRef<'t> {
    table: &'t RowTable,
    row: usize,
}

impl RowRef<'_> {
    /// Its value in the column at this index.
    #[inline]
    pub fn value(&self, column: usize) -> Value {
        let value_type = self.table.columns.value_type(column);
        self.table.rows.values.value(self.row, column, value_type)
    }
}

/// What a table says of a value.
#[derive(Clone, Copy, Debug)]
pub enum Found<'t> {
    /// The value is none that can be looked for: null, or a text that is no number or address.
    NoKey,
    /// There is no row for it.
    Nothing,
    /// Its row.
    Row(RowRef<'t>),
}

impl RowTable {
    /// A table without rows.
    pub fn empty(keys: RowKeys, columns: Columns) -> RowTable {
        RowTable {
            keys,
            columns,
            rows: Arc::default(),
        }
    }

    /// The row of a value.
    #[inline]
    pub fn find(&self, value: &Value) -> Found<'_> {
        let Some((is_v6, place)) = self.keys.place(value) else {
            return Found::NoKey;
        };
        match self.rows.index.find(self.keys, is_v6, place) {
            Some(row) => Found::Row(RowRef { table: self, row }),
            None => Found::Nothing,
        }
    }

    /// How its rows are found.
    pub fn keys(&self) -> RowKeys {
        self.keys
    }

    /// Its columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.index.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes in memory.
    pub fn memory(&self) -> usize {
        self.rows.index.memory() + self.rows.values.memory()
    }

    /// This table after these changes, in their order. Takes time in proportion to all rows.
    pub fn with<'c>(&self, changes: impl IntoIterator<Item = &'c RowChange>) -> RowTable {
        let mut changes: Vec<&RowChange> = changes.into_iter().collect();
        if changes.is_empty() {
            return self.clone();
        }
        // Stable: of two changes of one key the later stays behind.
        changes.sort_by_key(|change| change.key);
        let old = &self.rows;
        let mut keys = Vec::with_capacity(self.len() + changes.len());
        let mut values = RowValuesBuilder::new(&old.values, &self.columns, self.len() + changes.len());
        let mut at = 0;
        for of_key in changes.chunk_by(|a, b| a.key == b.key) {
            let change = of_key[of_key.len() - 1];
            while at < old.index.len() && old.index.key(self.keys, at) < change.key {
                keys.push(old.index.key(self.keys, at));
                values.keep(at);
                at += 1;
            }
            at += usize::from(at < old.index.len() && old.index.key(self.keys, at) == change.key);
            if let Some(row) = &change.row {
                keys.push(change.key);
                values.add(row);
            }
        }
        for rest in at..old.index.len() {
            keys.push(old.index.key(self.keys, rest));
            values.keep(rest);
        }
        RowTable {
            keys: self.keys,
            columns: self.columns.clone(),
            rows: Arc::new(Rows {
                index: RowIndex::new(self.keys, &keys),
                values: values.build(),
            }),
        }
    }
}
