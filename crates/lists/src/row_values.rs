//! The values of a reference table's rows.

use crate::columns::Columns;
use compact_str::CompactString;
use riskstream_events::{Value, ValueType};
use std::collections::HashMap;

/// For each row a word whose bits say which values are null, and a word for each value. Equal texts are kept once.
#[derive(Debug, Default)]
pub(crate) struct RowValues {
    words: Box<[u64]>,
    /// Words of a row.
    width: usize,
    texts: Box<[CompactString]>,
}

impl RowValues {
    /// The value in a column, which has this type.
    #[inline]
    pub(crate) fn value(&self, row: usize, column: usize, value_type: ValueType) -> Value {
        let words = &self.words[row * self.width..][..self.width];
        if words[0] >> column & 1 == 1 {
            return Value::Null;
        }
        let word = words[column + 1];
        match value_type {
            ValueType::Bool => Value::Bool(word == 1),
            ValueType::Int => Value::Int(word as i64),
            ValueType::Float => Value::Float(f64::from_bits(word)),
            ValueType::Timestamp => Value::Timestamp(word as i64),
            ValueType::Text => Value::Text(self.texts[word as usize].clone()),
            ValueType::List => Value::Null,
        }
    }

    /// Bytes in memory.
    pub(crate) fn memory(&self) -> usize {
        let on_heap = self.texts.iter().filter(|text| text.is_heap_allocated());
        let on_heap: usize = on_heap.map(|text| text.len()).sum();
        size_of_val(&*self.words) + size_of_val(&*self.texts) + on_heap
    }
}

/// Puts the values of another table together from rows of the one before and new ones.
pub(crate) struct RowValuesBuilder<'t> {
    old: &'t RowValues,
    types: Vec<ValueType>,
    words: Vec<u64>,
    texts: Vec<CompactString>,
    numbers: HashMap<CompactString, u64>,
    /// The number of each old text, once it has one.
    moved: Vec<Option<u64>>,
}

impl<'t> RowValuesBuilder<'t> {
    /// At most `rows` rows will come.
    pub(crate) fn new(old: &'t RowValues, columns: &Columns, rows: usize) -> RowValuesBuilder<'t> {
        let types: Vec<ValueType> = (0..columns.len()).map(|column| columns.value_type(column)).collect();
        RowValuesBuilder {
            words: Vec::with_capacity(rows * (types.len() + 1)),
            texts: Vec::new(),
            numbers: HashMap::new(),
            moved: vec![None; old.texts.len()],
            old,
            types,
        }
    }

    /// The next row is this one of the table before.
    pub(crate) fn keep(&mut self, row: usize) {
        let words = &self.old.words[row * self.old.width..][..self.old.width];
        self.words.push(words[0]);
        for column in 0..self.types.len() {
            let word = words[column + 1];
            let is_null = words[0] >> column & 1 == 1;
            let kept = match self.types[column] {
                ValueType::Text if !is_null => self.moved(word as usize),
                _ => word,
            };
            self.words.push(kept);
        }
    }

    /// The next row has these values. One of another type than its column counts as null.
    pub(crate) fn add(&mut self, row: &[Value]) {
        let start = self.words.len();
        self.words.push(0);
        for column in 0..self.types.len() {
            let word = match (row.get(column), self.types[column]) {
                (Some(Value::Bool(value)), ValueType::Bool) => Some(u64::from(*value)),
                (Some(Value::Int(value)), ValueType::Int) => Some(*value as u64),
                (Some(Value::Float(value)), ValueType::Float) => Some(value.to_bits()),
                (Some(Value::Timestamp(value)), ValueType::Timestamp) => Some(*value as u64),
                (Some(Value::Text(text)), ValueType::Text) => Some(self.number(text)),
                _ => None,
            };
            if word.is_none() {
                self.words[start] |= 1 << column;
            }
            self.words.push(word.unwrap_or(0));
        }
    }

    pub(crate) fn build(self) -> RowValues {
        RowValues {
            words: self.words.into(),
            width: self.types.len() + 1,
            texts: self.texts.into(),
        }
    }

    fn moved(&mut self, old: usize) -> u64 {
        if let Some(number) = self.moved[old] {
            return number;
        }
        let number = self.number(&self.old.texts[old]);
        self.moved[old] = Some(number);
        number
    }

    fn number(&mut self, text: &CompactString) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u64;
        self.texts.push(text.clone());
        self.numbers.insert(text.clone(), number);
        number
    }
}
