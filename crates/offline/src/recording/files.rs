//! Files that only their owner may read, and that get their names only once they are complete and synced.

use crate::partial_file::PartialFile;
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Makes a directory, and those that it lies in.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The name of the file that a recorder locks.
const LOCK: &str = "lock";

/// Locks a directory; none if another process has.
pub(super) fn lock(directory: &Path) -> io::Result<Option<File>> {
    let file = File::create(directory.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether a directory without a manifest holds anything that a recorder does not leave behind.
pub(super) fn holds_others(directory: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if name != LOCK && name != "manifest.json.partial" {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes Parquet files other than these: they were not finished.
pub(super) fn remove_others(folder: &Path, known: &[String]) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_ours = name.ends_with(".parquet") || name.ends_with(".parquet.partial");
        if is_ours && !known.iter().any(|known| *known == name) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Begins a file.
pub(super) fn create(path: &Path) -> io::Result<(PartialFile, File)> {
    let (partial, file) = PartialFile::create(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok((partial, file))
}

/// Makes a file that was written durable, and gives it its name.
pub(super) fn finish(partial: PartialFile, file: &File) -> io::Result<()> {
    file.sync_all()?;
    let path = partial.path().to_owned();
    partial.finish()?;
    sync_directory(&path)
}

/// Replaces a file.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let (partial, mut file) = create(path)?;
    file.write_all(content)?;
    finish(partial, &file)
}

fn sync_directory(of: &Path) -> io::Result<()> {
    match of.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// The size of a file, and the SHA-256 of its content in hexadecimal digits.
pub(super) fn checksum(path: &Path) -> io::Result<(u64, String)> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
    Ok((bytes, digits(&hasher.finalize())))
}

/// The SHA-256 of a text in hexadecimal digits.
pub fn sha256(text: &[u8]) -> String {
    digits(&Sha256::digest(text))
}

fn digits(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
