//! The shipped pipeline and its model, which are part of the program: the demo runs in any directory.

use anyhow::Context;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The pipeline file among [`FILES`].
const PIPELINE: &str = "pipelines/card-fraud.yaml";

/// The files, by their paths in the repository. The pipeline file names the model.
const FILES: [(&str, &[u8]); 3] = [
    (PIPELINE, include_bytes!("../../../../../pipelines/card-fraud.yaml")),
    (
        "models/card-fraud.onnx",
        include_bytes!("../../../../../models/card-fraud.onnx"),
    ),
    (
        "models/card-fraud.card.yaml",
        include_bytes!("../../../../../models/card-fraud.card.yaml"),
    ),
];

/// The files in a temporary directory, which is removed when this is dropped.
pub(super) struct ShippedPipeline(TempDir);

impl ShippedPipeline {
    /// Writes the files.
    ///
    /// # Errors
    /// There is no directory for temporary files, or it cannot be written.
    pub(super) fn write() -> anyhow::Result<ShippedPipeline> {
        let directory = TempDir::with_prefix("riskstream-demo-");
        let directory = directory.context("cannot make a temporary directory for the shipped pipeline; set TMPDIR")?;
        for (path, content) in FILES {
            write(&directory.path().join(path), content)
                .with_context(|| format!("cannot write the shipped {path} to {}", directory.path().display()))?;
        }
        Ok(ShippedPipeline(directory))
    }

    /// The pipeline file.
    pub(super) fn path(&self) -> PathBuf {
        self.0.path().join(PIPELINE)
    }
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, content)
}
