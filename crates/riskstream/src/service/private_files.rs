//! Files and directories that only their owner may read.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

const DIRECTORY: u32 = 0o700;
const FILE: u32 = 0o600;

/// Creates a directory, with its parents, or takes the rights of others on an existing one, unless it is another user's.
///
/// # Errors
/// It cannot be created.
pub fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY).create(path)?;
    if std::fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        match std::fs::set_permissions(path, Permissions::from_mode(DIRECTORY)) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Opens a file for a lock; it is created if it does not exist.
///
/// # Errors
/// It cannot be opened.
pub fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(FILE)
        .open(path)
}

/// The text of the file `name` in a directory of [`create_directory`]. If it does not exist it is created with `text`.
/// Processes that do this at the same time agree.
///
/// # Errors
/// It cannot be read or written.
pub fn read_or_create(directory: &Path, name: &str, text: &str) -> io::Result<String> {
    let lock = open_lock(&directory.join("instance.lock"))?;
    lock.lock()?;
    let path = directory.join(name);
    match std::fs::read_to_string(&path) {
        Ok(found) if !found.is_empty() => return Ok(found),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let fresh = directory.join(format!("{name}.new"));
    let mut options = File::options();
    let mut file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(FILE)
        .open(&fresh)?;
    writeln!(file, "{text}")?;
    std::fs::rename(fresh, path)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_may_read() {
        let root = tempfile::tempdir().unwrap();
        let (new, old) = (root.path().join("state/a"), root.path().join("b"));
        std::fs::create_dir(&old).unwrap();
        std::fs::set_permissions(&old, Permissions::from_mode(0o755)).unwrap();
        for directory in [&new, &old] {
            create_directory(directory).unwrap();
            assert_eq!(read_or_create(directory, "file", "first").unwrap(), "first");
            assert_eq!(read_or_create(directory, "file", "second").unwrap().trim(), "first");
            let modes = [
                directory.clone(),
                directory.join("file"),
                directory.join("instance.lock"),
            ]
            .map(|path| mode(&path));
            assert_eq!(modes, [0o700, 0o600, 0o600]);
        }
    }
}
