//! Writes a recording, or continues one.

use super::error::RecordingError;
use super::files;
use super::manifest::{File, Manifest, Partition};
use super::{Record, read};
use crate::partial_file::PartialFile;
use arrow_array::builder::{BinaryBuilder, Int64Builder, ListBuilder, StringBuilder, StructBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of records after which a row group ends: what a writer and a reader hold in memory.
const GROUP_BYTES: usize = 8 << 20;

/// Bytes of records after which a file ends: what is recorded again after a kill.
const FILE_BYTES: usize = 256 << 20;

/// A recording that is being written.
pub struct RecordingWriter {
    directory: PathBuf,
    manifest: Manifest,
    /// Locked as long as this recorder lives.
    _lock: fs::File,
}

impl RecordingWriter {
    /// Goes on with the recording in `directory`, or begins one with `manifest`, which holds no files.
    ///
    /// # Errors
    /// The directory holds something else, cannot be written, or another process records to it.
    pub fn open(directory: &Path, manifest: Manifest) -> Result<RecordingWriter, RecordingError> {
        files::make_directory(directory).map_err(RecordingError::file(directory))?;
        let found = Manifest::read(directory)?;
        if found.is_none() && files::holds_others(directory).map_err(RecordingError::file(directory))? {
            return Err(RecordingError::Other(format!(
                "{}: this directory holds other files and no recording: give --output a new directory",
                directory.display()
            )));
        }
        let lock = files::lock(directory).map_err(RecordingError::file(directory))?;
        let lock = lock
            .ok_or_else(|| RecordingError::Other(format!("{}: another process records to it", directory.display())))?;
        let manifest = match found {
            Some(manifest) => manifest,
            None => {
                manifest.write(directory)?;
                manifest
            }
        };
        Ok(RecordingWriter {
            directory: directory.to_owned(),
            manifest,
            _lock: lock,
        })
    }

    /// What is recorded so far.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Changes what the manifest says besides files.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn update(&mut self, change: impl FnOnce(&mut Manifest)) -> Result<(), RecordingError> {
        change(&mut self.manifest);
        self.manifest.write(&self.directory)
    }

    /// Goes on with a partition of the topic with this index in the manifest.
    pub fn partition(&mut self, topic: usize, partition: usize) -> PartitionWriter<'_> {
        PartitionWriter {
            end: self.manifest.topics[topic].partitions[partition].end(),
            recorder: self,
            topic,
            partition,
            group: Vec::new(),
            group_bytes: 0,
            file: None,
        }
    }
}

/// Writes the records of one partition.
pub struct PartitionWriter<'r> {
    recorder: &'r mut RecordingWriter,
    topic: usize,
    partition: usize,
    /// The offset after the last record taken in.
    end: i64,
    group: Vec<Record>,
    group_bytes: usize,
    file: Option<OpenFile>,
}

struct OpenFile {
    partial: PartialFile,
    handle: fs::File,
    writer: ArrowWriter<fs::File>,
    begin: i64,
    records: u64,
    /// Bytes of records.
    bytes: usize,
}

impl PartitionWriter<'_> {
    /// The next record to be recorded.
    pub fn position(&self) -> i64 {
        self.end
    }

    /// Adds the next record.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn push(&mut self, record: Record) -> Result<(), RecordingError> {
        self.end = record.offset + 1;
        self.group_bytes += record.size() + 64;
        self.group.push(record);
        if self.group_bytes < GROUP_BYTES {
            return Ok(());
        }
        self.write_group()?;
        match &self.file {
            Some(file) if file.bytes >= FILE_BYTES => self.finish_file(),
            _ => Ok(()),
        }
    }

    /// Ends the last file. `end`: the offset up to which there are no more records.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self, end: i64) -> Result<(), RecordingError> {
        self.end = self.end.max(end);
        let recorded = self.place().end();
        if self.end > recorded {
            self.write_group()?;
            self.finish_file()?;
        }
        Ok(())
    }

    fn place(&self) -> &Partition {
        &self.recorder.manifest.topics[self.topic].partitions[self.partition]
    }

    fn folder(&self) -> PathBuf {
        read::folder(
            &self.recorder.directory,
            &self.recorder.manifest.topics[self.topic].name,
            self.partition,
        )
    }

    fn open_file(&mut self) -> Result<&mut OpenFile, RecordingError> {
        if self.file.is_none() {
            let begin = self.place().end();
            let folder = self.folder();
            files::make_directory(&folder).map_err(RecordingError::file(&folder))?;
            let known = self.place().files.iter();
            let known: Vec<String> = known.map(|file| read::file_name(file.begin, file.end)).collect();
            files::remove_others(&folder, &known).map_err(RecordingError::file(&folder))?;
            // The name that it gets says where it ends, which is not known yet.
            let path = folder.join("unfinished.parquet");
            let failed = RecordingError::file(&path);
            let (partial, handle) = files::create(&path).map_err(&failed)?;
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).expect("zstd has a level 3")))
                .build();
            let written_to = handle.try_clone().map_err(&failed)?;
            let writer = ArrowWriter::try_new(written_to, read::schema(), Some(properties));
            self.file = Some(OpenFile {
                partial,
                handle,
                writer: writer.map_err(|error| failed(of_parquet(error)))?,
                begin,
                records: 0,
                bytes: 0,
            });
        }
        Ok(self.file.as_mut().expect("it was opened just now"))
    }

    fn write_group(&mut self) -> Result<(), RecordingError> {
        let (records, bytes) = (std::mem::take(&mut self.group), std::mem::take(&mut self.group_bytes));
        let file = self.open_file()?;
        let failed = RecordingError::file(file.partial.path());
        let batch = batch(&read::schema(), &records);
        let written = file.writer.write(&batch).and_then(|()| file.writer.flush());
        written.map_err(|error| failed(of_parquet(error)))?;
        file.records += records.len() as u64;
        file.bytes += bytes;
        Ok(())
    }

    fn finish_file(&mut self) -> Result<(), RecordingError> {
        let folder = self.folder();
        let Some(file) = self.file.take() else { return Ok(()) };
        let OpenFile {
            partial,
            handle,
            writer,
            begin,
            records,
            ..
        } = file;
        let end = self.end;
        let path = folder.join(read::file_name(begin, end));
        let failed = RecordingError::file(&path);
        writer.close().map_err(|error| failed(of_parquet(error)))?;
        files::finish(partial.named(&path), &handle).map_err(&failed)?;
        let (bytes, sha256) = files::checksum(&path).map_err(&failed)?;
        let (topic, partition) = (self.topic, self.partition);
        self.recorder.update(|manifest| {
            manifest.topics[topic].partitions[partition].files.push(File {
                begin,
                end,
                records,
                bytes,
                sha256,
            });
        })
    }
}

/// What the operating system said, such as that the disk is full.
fn of_parquet(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    }
}

fn batch(schema: &SchemaRef, records: &[Record]) -> RecordBatch {
    let (mut offsets, mut timestamps) = (Int64Builder::new(), Int64Builder::new());
    let (mut keys, mut values) = (BinaryBuilder::new(), BinaryBuilder::new());
    let header = StructBuilder::new(
        read::header_fields(),
        vec![Box::new(StringBuilder::new()), Box::new(BinaryBuilder::new())],
    );
    let mut headers = ListBuilder::new(header).with_field(read::header_item());
    for record in records {
        offsets.append_value(record.offset);
        timestamps.append_option(record.timestamp);
        keys.append_option(record.key.as_deref());
        values.append_option(record.value.as_deref());
        for (name, value) in &record.headers {
            let header = headers.values();
            let names = header.field_builder::<StringBuilder>(0);
            names.expect("a header's name is a text").append_value(name);
            let values = header.field_builder::<BinaryBuilder>(1);
            values
                .expect("a header's value is bytes")
                .append_option(value.as_deref());
            header.append(true);
        }
        headers.append(true);
    }
    let timestamps = timestamps
        .finish()
        .reinterpret_cast::<arrow_array::types::TimestampMillisecondType>();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(offsets.finish()),
        Arc::new(timestamps.with_timezone("UTC")),
        Arc::new(keys.finish()),
        Arc::new(values.finish()),
        Arc::new(headers.finish()),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns).expect("the columns are those of the schema")
}
