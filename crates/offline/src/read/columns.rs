//! Batches of Arrow columns as records: of a Parquet file, or of a table in memory. Nested fields are struct columns, found by
//! their path.

use super::cells::Cells;
use super::column_types::{OF_UUID, field_types, refusal};
use super::error::{ReadError, malformed};
use super::field_columns::find;
use super::rows::{Next, Rows};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{ArrowError, DataType, Fields};
use riskstream_events::{InputFields, Rejection, Row};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Batches of the same columns.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>;

pub(super) struct Columns {
    /// The file, or what messages call the table.
    path: PathBuf,
    batches: Batches,
    fields: InputFields,
    leaves: Vec<Leaf>,
    /// The column of each leaf in the current batch.
    columns: Vec<Column>,
    in_batch: usize,
    batch_len: usize,
    /// Records read.
    read: u64,
}

/// A column that a field is read from.
pub(super) struct Leaf {
    /// The field's index.
    field: usize,
    /// The names from the outside in.
    pub(super) path: Vec<String>,
    is_uuid: bool,
}

struct Column {
    /// The values; of a dictionary, its values.
    array: ArrayRef,
    /// Of a dictionary, where among its values the value of each row is.
    keys: Option<Vec<usize>>,
    /// Where neither the value nor a group around it is null; none if no value is null.
    validity: Option<NullBuffer>,
}

impl Columns {
    /// The records of batches that have the chosen columns.
    pub(super) fn new(path: &Path, batches: Batches, fields: &InputFields, leaves: Vec<Leaf>) -> Columns {
        Columns {
            path: path.to_owned(),
            batches,
            fields: fields.clone(),
            leaves,
            columns: Vec::new(),
            in_batch: 0,
            batch_len: 0,
            read: 0,
        }
    }

    fn load(&mut self, batch: RecordBatch) -> Result<(), ReadError> {
        (self.in_batch, self.batch_len) = (0, batch.num_rows());
        let batch = StructArray::from(batch);
        self.columns.clear();
        for leaf in &self.leaves {
            let absent = || malformed(&self.path, format!("there is no column `{}`", leaf.path.join(".")));
            self.columns.push(column(&batch, &leaf.path).ok_or_else(absent)?);
        }
        Ok(())
    }

    fn fill(&self, row: &mut Row) -> Result<(), Rejection> {
        self.fields.reset(row);
        for (leaf, column) in self.leaves.iter().zip(&self.columns) {
            let is_null = column
                .validity
                .as_ref()
                .is_some_and(|nulls| nulls.is_null(self.in_batch));
            if is_null || column.array.data_type() == &DataType::Null {
                continue;
            }
            let cells = Cells {
                fields: &self.fields,
                field: leaf.field,
                array: &column.array,
                is_uuid: leaf.is_uuid,
            };
            let at = column.keys.as_ref().map_or(self.in_batch, |keys| keys[self.in_batch]);
            cells.store(at, row)?;
        }
        self.fields.finish(row)
    }
}

impl Rows for Columns {
    fn next(&mut self, row: &mut Row) -> Result<Next, ReadError> {
        while self.in_batch == self.batch_len {
            match self.batches.next() {
                None => return Ok(Next::End),
                Some(Ok(batch)) => self.load(batch)?,
                Some(Err(error)) => {
                    return Err(malformed(&self.path, error));
                }
            }
        }
        let filled = self.fill(row);
        self.in_batch += 1;
        self.read += 1;
        Ok(match filled {
            Ok(()) => Next::Row,
            Err(rejection) => Next::Rejected(self.read, rejection),
        })
    }
}

/// The columns that fields are read from, out of all.
///
/// # Errors
/// A required one is not there, one is there twice, or one is of a type that its field is not read from.
pub(super) fn choose(
    path: &Path,
    all: &Fields,
    fields: &InputFields,
    is_uuid: &dyn Fn(&[String]) -> bool,
) -> Result<Vec<Leaf>, ReadError> {
    let all = leaves(all);
    let names: Vec<String> = all.iter().map(|(leaf, _)| leaf.join(".")).collect();
    let places = find(path, fields, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut chosen = Vec::new();
    for (field, place) in places.into_iter().enumerate() {
        let Some((leaf, data_type)) = place.map(|place| &all[place]) else {
            continue;
        };
        let is_uuid = is_uuid(leaf);
        let readable = match is_uuid {
            true => OF_UUID,
            false => field_types(data_type),
        };
        if !readable.contains(&fields.fields[field].value_type) {
            return Err(refusal(path, &fields.fields[field], data_type, readable));
        }
        let path = leaf.clone();
        chosen.push(Leaf { field, path, is_uuid });
    }
    Ok(chosen)
}

/// The names of all columns, nested names joined by dots.
pub(super) fn column_names(fields: &Fields) -> Vec<String> {
    leaves(fields).into_iter().map(|(leaf, _)| leaf.join(".")).collect()
}

/// Paths and types of all columns; a column is what is no struct. A dictionary is read as its values.
fn leaves(fields: &Fields) -> Vec<(Vec<String>, DataType)> {
    let mut found = Vec::new();
    for field in fields {
        let name = field.name().clone();
        match field.data_type() {
            DataType::Struct(inner) => {
                let within = leaves(inner).into_iter();
                found.extend(within.map(|(path, data_type)| ([vec![name.clone()], path].concat(), data_type)));
            }
            DataType::Dictionary(_, values) => found.push((vec![name], (**values).clone())),
            data_type => found.push((vec![name], data_type.clone())),
        }
    }
    found
}

/// The column at a path, null where a group around it is.
fn column(batch: &StructArray, path: &[String]) -> Option<Column> {
    let (first, rest) = path.split_first()?;
    let mut array = Arc::clone(batch.column_by_name(first)?);
    let mut validity = array.logical_nulls();
    for name in rest {
        let child = Arc::clone(array.as_any().downcast_ref::<StructArray>()?.column_by_name(name)?);
        array = child;
        validity = NullBuffer::union(validity.as_ref(), array.logical_nulls().as_ref());
    }
    Some(decoded(array, validity))
}

/// A column with the values of its dictionary, if it has one.
fn decoded(array: ArrayRef, validity: Option<NullBuffer>) -> Column {
    let Some(dictionary) = array.as_any_dictionary_opt() else {
        return Column {
            array,
            keys: None,
            validity,
        };
    };
    let values = Arc::clone(dictionary.values());
    // Without values every key is null, and none is looked up.
    let is_empty = values.is_empty();
    Column {
        keys: (!is_empty).then(|| dictionary.normalized_keys()),
        validity: if is_empty {
            Some(NullBuffer::new_null(array.len()))
        } else {
            validity
        },
        array: values,
    }
}
