//! `riskstream state`: operations on the state of tasks and on positions.

#[cfg(feature = "backfill")]
mod build;
mod checkpoints;
mod list;
mod repeat;
mod reset;

use super::error::CommandError;

/// The arguments of `riskstream state`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Build the states of a pipeline that begins, from files: its windows are full when it decides for the first time
    ///
    /// Files take the place of what the topics of the inputs hold before the offsets `--until`. The command builds the state of each
    /// task, in the state directory and, if the pipeline file has `checkpoints:`, as a checkpoint; and it sets the group's positions
    /// to the offsets. Then `riskstream run` decides what follows. The topics have to exist (`riskstream topics create`); no copy
    /// of the pipeline may run, and none may have run under its name. The same command again builds the same states, where they were
    /// lost.
    #[cfg(feature = "backfill")]
    Build(Box<build::Args>),
    /// List the states in the state directory, and the checkpoints of a pipeline
    ///
    /// A state is that of a task which `riskstream run` works on here, or a standby copy of one that another process works on. Of
    /// checkpoints the furthest come first; one that the pipeline cannot use has the reason.
    List(checkpoints::LocalArgs),
    /// Read all checkpoints of a pipeline and compare their checksums
    Verify(checkpoints::Args),
    /// Write a checkpoint of each state in the state directory
    ///
    /// End the copies of the pipeline that use the directory first: `riskstream run` writes checkpoints itself.
    Export(checkpoints::LocalArgs),
    /// Restore the states that the state directory lacks from their checkpoints
    ///
    /// From the furthest that is whole, for each task that has checkpoints. A state that is there and not damaged stays as it is.
    /// `riskstream run` restores states itself when it reads their partitions; it also refuses a restored state if its topic does
    /// not reach back to it.
    Restore(checkpoints::LocalArgs),
    /// Read an input's topic from its beginning, as another topic than before
    ///
    /// For a topic that was deleted and created again, or that has lost records. Features keep what they know. Every record of
    /// the topic is a new event: it is decided, and counts in features; one that was decided before is decided again, with the same
    /// `decision_id`. End all copies of the pipeline first.
    Reset(reset::Args),
    /// Decide once more what was decided
    ///
    /// Sets the positions of the topic that decisions are made from back to its beginning. Decisions on records before the former
    /// positions then have the flag `repeated`. End all copies of the pipeline first, and remove the states that the command names.
    Repeat(repeat::Args),
}

/// Runs the subcommand.
///
/// # Errors
/// What was given is wrong, or what was tried failed.
pub fn execute(args: Args) -> Result<(), CommandError> {
    match args.action {
        #[cfg(feature = "backfill")]
        Action::Build(args) => build::execute(&args),
        Action::List(args) => list::execute(&args),
        Action::Verify(args) => checkpoints::verify(&args),
        Action::Export(args) => checkpoints::export(&args),
        Action::Restore(args) => checkpoints::restore(&args),
        Action::Reset(args) => reset::execute(&args),
        Action::Repeat(args) => repeat::execute(&args),
    }
}
