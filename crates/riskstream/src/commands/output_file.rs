//! A file that has its name only when it is complete. It is created before the work, so that a path that cannot be written is found
//! at once.

use anyhow::Context;
use riskstream_offline::PartialFile;
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// See the module.
pub(super) struct OutputFile {
    partial: PartialFile,
    file: File,
}

impl OutputFile {
    /// A file beside `path`.
    ///
    /// # Errors
    /// It cannot be created.
    pub(super) fn create(path: &Path) -> anyhow::Result<OutputFile> {
        let created = PartialFile::create(path).with_context(|| format!("cannot write {}", path.display()));
        created.map(|(partial, file)| OutputFile { partial, file })
    }

    /// Writes the content, and gives the file its name.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn finish(mut self, content: &[u8]) -> anyhow::Result<()> {
        let path = self.partial.path().to_owned();
        let written = self.file.write_all(content).and_then(|()| self.file.sync_all());
        let renamed = written.and_then(|()| self.partial.finish());
        renamed.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes a report as JSON, and gives the file its name.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn finish_json(self, report: &impl Serialize) -> anyhow::Result<()> {
        let mut content = serde_json::to_vec_pretty(report).context("the report as JSON")?;
        content.push(b'\n');
        self.finish(&content)
    }
}
