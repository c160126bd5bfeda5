//! Reads the records of a recorded partition.

use super::Record;
use super::error::RecordingError;
use super::files;
use super::manifest::{File, Manifest};
use super::period::Period;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// Records that are decoded together.
const BATCH: usize = 1024;

/// The folder of a partition's files.
pub(super) fn folder(directory: &Path, topic: &str, partition: usize) -> PathBuf {
    directory.join(topic).join(partition.to_string())
}

/// The name of the file with the offsets from `begin` to before `end`.
pub(super) fn file_name(begin: i64, end: i64) -> String {
    format!("{begin:020}-{end:020}.parquet")
}

/// The columns of a file.
pub(super) fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        Arc::new(Schema::new(vec![
            Field::new("offset", DataType::Int64, false),
            Field::new("timestamp", time, true),
            Field::new("key", DataType::Binary, true),
            Field::new("value", DataType::Binary, true),
            Field::new("headers", DataType::List(header_item()), false),
        ]))
    });
    Arc::clone(&SCHEMA)
}

pub(super) fn header_item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(header_fields()), false))
}

pub(super) fn header_fields() -> Fields {
    Fields::from(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("value", DataType::Binary, true),
    ])
}

/// A file that is being read: the records yet to come from it, and their least offset.
type Reading = (PathBuf, ParquetRecordBatchReader, u64, i64);

/// The index of the column of timestamps.
const TIMESTAMP: usize = 1;

/// The records of a partition in the order of their offsets. Each file is compared with its checksum before it is read.
pub struct Records {
    folder: PathBuf,
    files: VecDeque<File>,
    /// Row groups without a record of this period are passed over.
    period: Period,
    reading: Option<Reading>,
    ready: VecDeque<Record>,
}

impl Records {
    /// The records of a partition of a recorded topic; none if it is not recorded.
    pub fn of(directory: &Path, manifest: &Manifest, topic: &str, partition: usize) -> Records {
        let recorded = manifest.topic(topic).and_then(|topic| topic.partitions.get(partition));
        Records {
            folder: folder(directory, topic, partition),
            files: recorded.map_or_else(VecDeque::new, |partition| partition.files.iter().cloned().collect()),
            period: Period::default(),
            reading: None,
            ready: VecDeque::new(),
        }
    }

    /// The same, without row groups that have no record of a period; records outside of it may still come. Files without such a
    /// group are not compared with their checksums.
    pub fn written_in(self, period: Period) -> Records {
        Records { period, ..self }
    }

    /// Reads the next record; none behind the last.
    ///
    /// # Errors
    /// A file is gone, cannot be read, or is not what was recorded.
    pub fn read_next(&mut self) -> Result<Option<Record>, RecordingError> {
        while self.ready.is_empty() {
            if self.reading.is_none() {
                let Some(file) = self.files.pop_front() else {
                    return Ok(None);
                };
                self.reading = self.open(&file)?;
            }
            self.read_batch()?;
        }
        Ok(self.ready.pop_front())
    }

    /// Opens a file; none if it has no record of the period.
    fn open(&self, file: &File) -> Result<Option<Reading>, RecordingError> {
        let path = self.folder.join(file_name(file.begin, file.end));
        let damaged = |error: ParquetError| RecordingError::damaged(&path, error);
        let mut groups = None;
        if self.period != Period::default() {
            let handle = std::fs::File::open(&path).map_err(RecordingError::file(&path))?;
            let builder = ParquetRecordBatchReaderBuilder::try_new(handle).map_err(damaged)?;
            let all = builder.metadata().row_groups().iter().enumerate();
            let found: Vec<(usize, u64)> = all
                .filter(|(_, group)| self.may_hold(group))
                .map(|(index, group)| (index, group.num_rows() as u64))
                .collect();
            if found.is_empty() {
                return Ok(None);
            }
            groups = Some(found);
        }
        let (bytes, sha256) = files::checksum(&path).map_err(RecordingError::file(&path))?;
        if (bytes, &sha256) != (file.bytes, &file.sha256) {
            return Err(RecordingError::damaged(
                &path,
                format!(
                    "it is not what was recorded: it has {bytes} bytes with the SHA-256 {sha256}, the manifest says {} and {}",
                    file.bytes, file.sha256
                ),
            ));
        }
        let handle = std::fs::File::open(&path).map_err(RecordingError::file(&path))?;
        let mut builder = ParquetRecordBatchReaderBuilder::try_new(handle).map_err(damaged)?;
        let mut records = file.records;
        if let Some(groups) = groups {
            records = groups.iter().map(|(_, rows)| rows).sum();
            builder = builder.with_row_groups(groups.into_iter().map(|(index, _)| index).collect());
        }
        let reader = builder.with_batch_size(BATCH).build().map_err(damaged)?;
        Ok(Some((path, reader, records, file.begin)))
    }

    /// Whether a row group may hold a record of the period, by the statistics of its timestamps.
    fn may_hold(&self, group: &RowGroupMetaData) -> bool {
        match group.column(TIMESTAMP).statistics() {
            Some(Statistics::Int64(timestamps)) if timestamps.null_count_opt() == Some(0) => {
                match (timestamps.min_opt(), timestamps.max_opt()) {
                    (Some(least), Some(greatest)) => self.period.meets(*least, *greatest),
                    _ => true,
                }
            }
            _ => true,
        }
    }

    fn read_batch(&mut self) -> Result<(), RecordingError> {
        let Some((path, reader, left, least)) = &mut self.reading else {
            return Ok(());
        };
        let Some(batch) = reader.next() else {
            if *left > 0 {
                return Err(RecordingError::damaged(path, format!("{left} records are missing")));
            }
            self.reading = None;
            return Ok(());
        };
        let batch = batch.map_err(|error| RecordingError::damaged(path, error))?;
        let records = records(&batch).ok_or_else(|| RecordingError::damaged(path, "it has other columns"))?;
        for record in records {
            if record.offset < *least || *left == 0 {
                return Err(RecordingError::damaged(
                    path,
                    "its records are not those of the manifest",
                ));
            }
            (*least, *left) = (record.offset + 1, *left - 1);
            self.ready.push_back(record);
        }
        Ok(())
    }
}

fn records(batch: &RecordBatch) -> Option<Vec<Record>> {
    let [offsets, timestamps, keys, values, headers] = batch.columns() else {
        return None;
    };
    let offsets = offsets.as_primitive_opt::<Int64Type>()?;
    let timestamps = timestamps.as_primitive_opt::<TimestampMillisecondType>()?;
    let (keys, values) = (keys.as_binary_opt::<i32>()?, values.as_binary_opt::<i32>()?);
    let headers = headers.as_list_opt::<i32>()?;
    let header = headers.values().as_struct_opt()?;
    let (names, contents) = (
        header.column(0).as_string_opt::<i32>()?,
        header.column(1).as_binary_opt::<i32>()?,
    );
    let ends = headers.value_offsets();
    let record = |row: usize| {
        let headers = (ends[row] as usize..ends[row + 1] as usize).map(|at| {
            let value = contents.is_valid(at).then(|| contents.value(at).to_vec());
            (names.value(at).to_owned(), value)
        });
        Record {
            offset: offsets.value(row),
            timestamp: timestamps.is_valid(row).then(|| timestamps.value(row)),
            key: keys.is_valid(row).then(|| keys.value(row).to_vec()),
            value: values.is_valid(row).then(|| values.value(row).to_vec()),
            headers: headers.collect(),
        }
    };
    Some((0..batch.num_rows()).map(record).collect())
}
