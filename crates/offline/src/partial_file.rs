//! A file that gets its name only once it is complete: an interrupted run leaves no incomplete file under that name.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The name until then. Dropped before it is finished, the file is removed.
#[derive(Debug)]
pub struct PartialFile {
    path: PathBuf,
    partial: PathBuf,
}

impl PartialFile {
    /// Creates a file beside `path`, to be written through the handle.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn create(path: &Path) -> io::Result<(PartialFile, File)> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = path.with_file_name(name);
        let file = File::create(&partial)?;
        let path = path.to_owned();
        Ok((PartialFile { path, partial }, file))
    }

    /// The same file, which is to have another name.
    pub fn named(mut self, path: &Path) -> PartialFile {
        self.path = path.to_owned();
        self
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn finish(self) -> io::Result<()> {
        std::fs::rename(&self.partial, &self.path)
    }

    /// The name that it is to have.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // Gone if it was finished.
        let _ = std::fs::remove_file(&self.partial);
    }
}
