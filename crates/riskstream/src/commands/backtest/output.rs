//! A file that has its name only when it is complete.

use anyhow::Context;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// See the module. It is created before the run, so that a path that cannot be written is found at once.
pub(super) struct OutputFile {
    path: PathBuf,
    partial: PathBuf,
    file: File,
}

impl OutputFile {
    /// A file beside `path`.
    ///
    /// # Errors
    /// It cannot be created.
    pub(super) fn create(path: &Path) -> anyhow::Result<OutputFile> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = path.with_file_name(name);
        let file = File::create(&partial).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(OutputFile {
            path: path.to_owned(),
            partial,
            file,
        })
    }

    /// Writes the content, and gives the file its name.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn finish(mut self, content: &[u8]) -> anyhow::Result<()> {
        let written = self.file.write_all(content).and_then(|()| self.file.sync_all());
        let renamed = written.and_then(|()| std::fs::rename(&self.partial, &self.path));
        renamed.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        // Gone if it was finished; an interrupted run leaves nothing behind.
        let _ = std::fs::remove_file(&self.partial);
    }
}
