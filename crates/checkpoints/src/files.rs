//! The files of a state's directory with their checksums.

use crate::digest::HashingReader;
use crate::error::CheckpointError;
use crate::manifest::is_plain;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its content.
    pub sha256: String,
}

/// The identity of a file, which differs from that of any earlier file: device, inode, size, and time of the last change in nanoseconds.
type Identity = (u64, u64, u64, i64, i64);

/// The checksums of files that were read before. Most of a state's files stay as they are from one checkpoint to the next.
#[derive(Debug, Default)]
pub struct KnownDigests(HashMap<Identity, String>);

impl KnownDigests {
    /// The files in `directory`. Those whose checksum is not known are read.
    ///
    /// # Errors
    /// A file cannot be read, or is none of a state.
    pub fn files(&mut self, directory: &Path) -> Result<Vec<LocalFile>, CheckpointError> {
        let mut files = Vec::new();
        let mut known = HashMap::new();
        for entry in fs::read_dir(directory).map_err(CheckpointError::file(directory))? {
            let entry = entry.map_err(CheckpointError::file(directory))?;
            let path = entry.path();
            let name = entry.file_name().into_string().unwrap_or_default();
            // RocksDB's lock, and its log with messages for people, are no state.
            if name == "LOCK" || name.starts_with("LOG") {
                continue;
            }
            let data = entry.metadata().map_err(CheckpointError::file(&path))?;
            if !data.is_file() || !is_plain(&name) {
                let error = io::Error::other("this is no file of a state");
                return Err(CheckpointError::File { path, error });
            }
            let identity = (data.dev(), data.ino(), data.len(), data.mtime(), data.mtime_nsec());
            let sha256 = match self.0.remove(&identity) {
                Some(sha256) => sha256,
                None => read(&path)?,
            };
            known.insert(identity, sha256.clone());
            let bytes = data.len();
            files.push(LocalFile {
                path,
                name,
                bytes,
                sha256,
            });
        }
        self.0 = known;
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }
}

fn read(path: &Path) -> Result<String, CheckpointError> {
    let file = fs::File::open(path).map_err(CheckpointError::file(path))?;
    let mut reader = HashingReader::new(file);
    io::copy(&mut reader, &mut io::sink()).map_err(CheckpointError::file(path))?;
    Ok(reader.finish())
}
