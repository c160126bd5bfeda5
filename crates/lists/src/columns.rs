//! The columns of a reference table, and how their values are read.

use riskstream_events::{
    DecodeError, Field, FieldError, InputFields, JsonDecoder, ReasonCode, Rejection, Value, ValueType,
};

/// Columns at most: each has a bit in the word of a row that says which of its values are null.
pub const MAX_COLUMNS: usize = 64;

/// The columns of a table besides its key: their names and types.
#[derive(Clone, Debug)]
pub struct Columns {
    fields: InputFields,
    json: JsonDecoder,
}

impl Columns {
    /// Columns of these names and types, in this order.
    ///
    /// # Errors
    /// Two have the same name, or one is a list.
    pub fn new<'n>(columns: impl IntoIterator<Item = (&'n str, ValueType)>) -> Result<Columns, FieldError> {
        let columns = columns.into_iter().enumerate();
        let fields = columns.map(|(slot, (name, value_type))| Field::at(name, value_type, slot));
        let fields = InputFields::new(fields.collect(), None)?;
        Ok(Columns {
            json: JsonDecoder::new(&fields),
            fields,
        })
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.fields.fields.len()
    }

    /// Whether there are none: the table then only says which keys it has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the column at this index.
    pub fn value_type(&self, column: usize) -> ValueType {
        self.fields.fields[column].value_type
    }

    /// A row without values.
    pub fn empty_row(&self) -> Vec<Value> {
        vec![Value::Null; self.len()]
    }

    /// The row of a JSON object, whose members are converted as docs/conversions.md says. Those that are no columns are passed
    /// over; columns that it lacks are null.
    ///
    /// # Errors
    /// It is no object, or a member cannot be converted to its column's type.
    pub fn read_json(&self, object: &[u8]) -> Result<Vec<Value>, Rejection> {
        let mut row = self.empty_row();
        match self.json.decode(object, &mut row) {
            Ok(()) => Ok(row),
            Err(DecodeError::Rejected(rejection)) => Err(rejection),
            // Only decoders with a schema registry give another error.
            Err(error) => Err(Rejection::new(ReasonCode::NotJson, error.to_string())),
        }
    }

    /// Puts a cell of a text file into its column of a row, converted as docs/conversions.md says. An empty one is null.
    ///
    /// # Errors
    /// It cannot be converted to the column's type.
    pub fn read_cell(&self, column: usize, cell: &str, row: &mut Vec<Value>) -> Result<(), Rejection> {
        match cell {
            "" => Ok(()),
            cell => self.fields.set_text(column, cell, row),
        }
    }
}
