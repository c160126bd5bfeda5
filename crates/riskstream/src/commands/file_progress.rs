//! The display of a run over files.

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use riskstream_offline::backfill::Summary;
use std::time::Duration;

/// Records and decisions so far, on a terminal.
pub(super) struct FileProgress(ProgressBar);

impl FileProgress {
    /// Nothing yet.
    pub(super) fn new() -> FileProgress {
        let style = ProgressStyle::with_template("{spinner} {human_pos} records  {per_sec}  {msg}  {elapsed}");
        let bar = ProgressBar::new_spinner().with_style(style.expect("the template is fixed"));
        bar.enable_steady_tick(Duration::from_millis(200));
        FileProgress(bar)
    }

    /// Shows how far the run is.
    pub(super) fn show(&self, summary: &Summary) {
        self.0.set_position(summary.records);
        self.0.set_message(format!("{} decided", HumanCount(summary.decided)));
    }

    /// Removes the display.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
