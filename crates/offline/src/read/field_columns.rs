//! Which column of a file each field is read from.

use super::error::ReadError;
use riskstream_events::{Field, InputFields};
use std::path::Path;

/// The column of each field by its dotted path; a required one must be there, and none twice.
pub(super) fn find(path: &Path, fields: &InputFields, names: &[&str]) -> Result<Vec<Option<usize>>, ReadError> {
    let find = |field: &Field| {
        let wanted = field.path.join(".");
        let mut places = names.iter().enumerate().filter(|(_, name)| **name == wanted);
        let found = places.next().map(|(place, _)| place);
        if found.is_none() && field.required {
            let (path, present) = (path.to_owned(), names.join(", "));
            return Err(ReadError::MissingColumn {
                path,
                column: wanted,
                present,
            });
        }
        match places.next() {
            Some(_) => Err(ReadError::AmbiguousColumn(path.to_owned(), wanted)),
            None => Ok(found),
        }
    };
    fields.fields.iter().map(find).collect()
}
