//! Who started a run over files: a command on a terminal, or a program that calls this crate.

use super::error::CommandError;
use crate::pipeline_file;
use crate::shutdown::Shutdown;
use anyhow::anyhow;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use riskstream_definition::Report;
use riskstream_offline::backfill::Summary;
use std::time::Duration;

/// Is shown what a run has to say while it runs, and may end it.
pub trait Host {
    /// Shows the warnings of a pipeline file.
    fn warn(&mut self, warnings: &Report);

    /// Shows a remark.
    fn remark(&mut self, text: &str);

    /// Shows how far a pass over the files is; whether it is to go on. Called every thousand records.
    fn progressed(&mut self, summary: &Summary) -> bool;

    /// A pass is over.
    ///
    /// # Errors
    /// It was ended early.
    fn ended(&mut self) -> Result<(), CommandError>;
}

/// A terminal: remarks on standard error, a display of how far a pass is, Ctrl-C ends the run.
pub(super) struct Terminal<'a> {
    /// What becomes of transactions.
    word: &'static str,
    shutdown: &'a Shutdown,
    bar: Option<ProgressBar>,
}

impl Terminal<'_> {
    pub(super) fn new<'a>(word: &'static str, shutdown: &'a Shutdown) -> Terminal<'a> {
        Terminal {
            word,
            shutdown,
            bar: None,
        }
    }
}

impl Host for Terminal<'_> {
    fn warn(&mut self, warnings: &Report) {
        eprint!("{}", pipeline_file::render(warnings));
    }

    fn remark(&mut self, text: &str) {
        eprintln!("{text}");
    }

    fn progressed(&mut self, summary: &Summary) -> bool {
        let bar = self.bar.get_or_insert_with(progress_bar);
        bar.set_position(summary.records);
        bar.set_message(format!("{} {}", HumanCount(summary.decided), self.word));
        !self.shutdown.requested()
    }

    fn ended(&mut self) -> Result<(), CommandError> {
        let bar = self.bar.take();
        let records = HumanCount(bar.as_ref().map_or(0, ProgressBar::position));
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        match self.shutdown.requested() {
            false => Ok(()),
            true => Err(anyhow!("interrupted after {records} records; nothing was written").into()),
        }
    }
}

/// Records and decisions so far, on a terminal.
fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {human_pos} records  {per_sec}  {msg}  {elapsed}");
    let bar = ProgressBar::new_spinner().with_style(style.expect("the template is fixed"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
