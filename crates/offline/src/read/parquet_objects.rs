//! Parquet files as JSON objects.

use super::error::{ReadError, io, malformed};
use super::object_lines::from_lines;
use arrow_json::LineDelimitedWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};
use std::fs::File;
use std::path::Path;

/// Hands each row to `take`, until it answers false.
pub(super) fn from_parquet(path: &Path, take: &mut dyn FnMut(&Map<String, Value>) -> bool) -> Result<(), ReadError> {
    let file = File::open(path).map_err(io(path))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(4096).build())
        .map_err(|error| malformed(path, error))?;
    for batch in reader {
        let batch = batch.map_err(|error| malformed(path, error))?;
        let mut lines = LineDelimitedWriter::new(Vec::new());
        let written = lines.write(&batch).and_then(|()| lines.finish());
        written.map_err(|error| malformed(path, error))?;
        if !from_lines(path, lines.into_inner().as_slice(), take)? {
            break;
        }
    }
    Ok(())
}
