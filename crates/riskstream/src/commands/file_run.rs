//! A run of a pipeline over files, with a display of how far it is.

use super::error::CommandError;
use super::host::Host;
use super::temporary_stores::TemporaryStores;
use riskstream_engine::Engine;
use riskstream_engine::plan::Plan;
use riskstream_offline::backfill::{
    Backfill, BackfillError, GoOn, InputFile, Options, Order, Partitions, SORT_MEMORY, Sink, Summary,
};
use riskstream_scoring::DecisionSet;
use std::sync::Arc;

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
    /// A file cannot be read, state or results cannot be written, or `host` ended the run.
    pub(super) fn decide(mut self, sink: &mut dyn Sink, host: &mut dyn Host) -> Result<Summary, CommandError> {
        let options = Options {
            order: self.order,
            partitions: self.partitions,
            sort_memory: SORT_MEMORY,
            directory: self.stores.directory().to_owned(),
        };
        let mut engine = Engine::new(self.plan);
        let backfill = Backfill::new(&mut engine, self.decision, &mut self.stores, self.files, options, sink);
        let backfill = backfill.map_err(CommandError::failed)?;
        with_progress(host, |go_on| backfill.run(go_on))
    }
}

/// Runs over files with a display of how far it is.
///
/// # Errors
/// The run fails, or `host` ended it.
pub(super) fn with_progress<T>(
    host: &mut dyn Host,
    run: impl FnOnce(GoOn<'_>) -> Result<T, BackfillError>,
) -> Result<T, CommandError> {
    let ran = run(&mut |summary: &Summary| host.progressed(summary));
    let ended = host.ended();
    let result = ran.map_err(CommandError::failed)?;
    ended.map(|()| result)
}
