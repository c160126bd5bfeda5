//! `--json` and `--html`: files that have their names only when they are complete.

use crate::commands::output_file::OutputFile;
use riskstream_backtest::html;
use riskstream_backtest::report::Report;
use std::path::{Path, PathBuf};

/// The arguments.
#[derive(clap::Args)]
pub(super) struct OutputArgs {
    /// A file for all numbers of the report
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A file for the report as one HTML page, which needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// The files. They are created before the run, so that a path that cannot be written is found at once.
pub(super) struct Outputs {
    json: Option<OutputFile>,
    html: Option<OutputFile>,
}

impl OutputArgs {
    /// Creates the files.
    ///
    /// # Errors
    /// One cannot be created.
    pub(super) fn create(&self) -> anyhow::Result<Outputs> {
        let create = |path: &Option<PathBuf>| path.as_deref().map(OutputFile::create).transpose();
        Ok(Outputs {
            json: create(&self.json)?,
            html: create(&self.html)?,
        })
    }

    /// The path of one of them, beside which temporary files may lie; empty without one.
    pub(super) fn path(&self) -> &Path {
        let path = self.json.as_deref().or(self.html.as_deref());
        path.unwrap_or(Path::new(""))
    }
}

impl Outputs {
    /// Writes the report.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn finish(self, report: &Report) -> anyhow::Result<()> {
        if let Some(file) = self.json {
            file.finish_json(report)?;
        }
        match self.html {
            Some(file) => file.finish(html(report).as_bytes()),
            None => Ok(()),
        }
    }
}
