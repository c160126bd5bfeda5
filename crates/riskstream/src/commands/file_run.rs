//! A run of a pipeline over files, with a display of how far it is.

use super::error::CommandError;
use super::temporary_stores::TemporaryStores;
use crate::shutdown::Shutdown;
use anyhow::anyhow;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use riskstream_engine::Engine;
use riskstream_engine::plan::Plan;
use riskstream_offline::backfill::{
    Backfill, BackfillError, GoOn, InputFile, Options, Order, Partitions, SORT_MEMORY, Sink, Summary,
};
use riskstream_scoring::DecisionSet;
use std::sync::Arc;
use std::time::Duration;

/// What decides on which files.
pub(super) struct FileRun {
    pub plan: Arc<Plan>,
    pub decision: Arc<DecisionSet>,
    pub files: Vec<InputFile>,
    pub order: Order,
    pub partitions: Option<Partitions>,
    pub stores: TemporaryStores,
}

impl FileRun {
    /// Gives all decisions to `sink`.
    ///
    /// # Errors
    /// A file cannot be read, state or results cannot be written, or a shutdown was requested.
    pub(super) fn decide(mut self, sink: &mut dyn Sink, shutdown: &Shutdown) -> Result<Summary, CommandError> {
        let options = Options {
            order: self.order,
            partitions: self.partitions,
            sort_memory: SORT_MEMORY,
            directory: self.stores.directory().to_owned(),
        };
        let mut engine = Engine::new(self.plan);
        let backfill = Backfill::new(&mut engine, self.decision, &mut self.stores, self.files, options, sink);
        let backfill = backfill.map_err(CommandError::failed)?;
        with_progress("decided", shutdown, |go_on| backfill.run(go_on))
    }
}

/// Runs over files with a display of how far it is; the word says what became of transactions.
///
/// # Errors
/// The run fails, or a shutdown was requested.
pub(super) fn with_progress<T>(
    word: &str,
    shutdown: &Shutdown,
    run: impl FnOnce(GoOn<'_>) -> Result<T, BackfillError>,
) -> Result<T, CommandError> {
    let bar = progress_bar();
    let ran = run(&mut |summary: &Summary| {
        bar.set_position(summary.records);
        bar.set_message(format!("{} {word}", HumanCount(summary.decided)));
        !shutdown.requested()
    });
    bar.finish_and_clear();
    let result = ran.map_err(CommandError::failed)?;
    match shutdown.requested() {
        false => Ok(result),
        true => {
            let records = HumanCount(bar.position());
            Err(anyhow!("interrupted after {records} records; nothing was written").into())
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
