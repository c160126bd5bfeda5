//! The subcommands: a module, a variant of [`Command`] and a line of [`Command::execute`] for each. The features
//! are described in Cargo.toml.

mod argument_values;
#[cfg(feature = "backfill")]
pub mod backfill;
#[cfg(feature = "backfill")]
pub mod backtest;
pub mod check;
pub mod completions;
#[cfg(feature = "kafka")]
mod decision_topic;
pub mod demo;
pub mod error;
pub mod explain;
#[cfg(feature = "backfill")]
mod file_run;
#[cfg(feature = "kafka")]
pub mod generate;
#[cfg(feature = "backfill")]
pub mod host;
pub mod input_files;
#[cfg(feature = "kafka")]
pub mod lists;
pub mod models;
#[cfg(feature = "backfill")]
mod output_file;
pub mod pseudonyms;
#[cfg(all(feature = "kafka", feature = "backfill"))]
pub mod record;
#[cfg(feature = "backfill")]
mod record_key;
#[cfg(all(feature = "kafka", feature = "backfill"))]
pub mod replay;
#[cfg(feature = "kafka")]
pub mod rollout;
#[cfg(all(feature = "kafka", feature = "backfill"))]
pub mod rules;
#[cfg(feature = "kafka")]
pub mod run;
pub mod run_report;
#[cfg(feature = "kafka")]
pub mod state;
#[cfg(feature = "kafka")]
mod target;
#[cfg(feature = "backfill")]
pub mod temporary_stores;
#[cfg(any(feature = "backfill", feature = "kafka"))]
mod time;
#[cfg(all(feature = "kafka", feature = "backfill"))]
mod time_argument;
#[cfg(feature = "kafka")]
pub mod topics;
#[cfg(all(feature = "kafka", feature = "backfill"))]
pub mod verify;

use clap::Subcommand;
use error::CommandError;

/// The subcommands of riskstream.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Run a pipeline on simulated transactions in this process; needs no Kafka
    Demo(demo::Args),
    /// Score the transactions of a Kafka cluster as a member of a consumer group
    #[cfg(feature = "kafka")]
    Run(run::Args),
    /// Check a pipeline file: show all diagnostics at once, then run its examples
    Check(check::Args),
    /// Generate simulated transactions and labels with planted fraud
    #[cfg(feature = "kafka")]
    Generate(generate::Args),
    /// Inspect model files, verify them against their cards, and write first cards
    Models(models::Args),
    /// Change what decides in a running pipeline: propose, approve, apply, take back
    #[cfg(feature = "kafka")]
    Rollout(rollout::Args),
    /// Report what the rules of a running pipeline find
    #[cfg(all(feature = "kafka", feature = "backfill"))]
    Rules(rules::Args),
    /// Change and show the entries of a pipeline's lists
    #[cfg(feature = "kafka")]
    Lists(lists::Args),
    /// List the topics that a pipeline needs, and create those that are missing
    #[cfg(feature = "kafka")]
    Topics(topics::Args),
    /// Build states from files; list, verify, write and restore checkpoints; set positions back when an input's topic is another one
    #[cfg(feature = "kafka")]
    State(state::Args),
    /// Compute features and decisions over files
    #[cfg(feature = "backfill")]
    Backfill(backfill::Args),
    /// Judge decisions on history: this pipeline, and what other rules, thresholds and models would have done
    #[cfg(feature = "backfill")]
    Backtest(Box<backtest::Args>),
    /// Compute the pseudonyms that decisions carry, or turn those of a former secret into today's
    Pseudonyms(pseudonyms::Args),
    /// Record a pipeline's topics in files, to replay them later and elsewhere
    #[cfg(all(feature = "kafka", feature = "backfill"))]
    Record(record::Args),
    /// Make recorded decisions again and compare them with those that were made
    #[cfg(all(feature = "kafka", feature = "backfill"))]
    Replay(replay::Args),
    /// Check that what a service decided is what its inputs give: by feature, for a job that runs every night
    #[cfg(all(feature = "kafka", feature = "backfill"))]
    Verify(verify::Args),
    /// Explain decisions: the rules that fired and the features that moved the score
    Explain(explain::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

impl Command {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// What was given is wrong, or what was tried failed.
    pub fn execute(self) -> Result<(), CommandError> {
        match self {
            Command::Demo(args) => demo::execute(args),
            #[cfg(feature = "kafka")]
            Command::Run(args) => run::execute(args),
            Command::Check(args) => check::execute(args),
            #[cfg(feature = "kafka")]
            Command::Generate(args) => generate::execute(args),
            Command::Models(args) => models::execute(args),
            #[cfg(feature = "kafka")]
            Command::Rollout(args) => rollout::execute(args),
            #[cfg(all(feature = "kafka", feature = "backfill"))]
            Command::Rules(args) => rules::execute(&args),
            #[cfg(feature = "kafka")]
            Command::Lists(args) => lists::execute(args),
            #[cfg(feature = "kafka")]
            Command::Topics(args) => topics::execute(args),
            #[cfg(feature = "kafka")]
            Command::State(args) => state::execute(args),
            #[cfg(feature = "backfill")]
            Command::Backfill(args) => backfill::execute(args),
            #[cfg(feature = "backfill")]
            Command::Backtest(args) => backtest::execute(&args),
            Command::Pseudonyms(args) => pseudonyms::execute(args),
            #[cfg(all(feature = "kafka", feature = "backfill"))]
            Command::Record(args) => record::execute(&args),
            #[cfg(all(feature = "kafka", feature = "backfill"))]
            Command::Replay(args) => replay::execute(&args),
            #[cfg(all(feature = "kafka", feature = "backfill"))]
            Command::Verify(args) => verify::execute(&args),
            Command::Explain(args) => explain::execute(args),
            Command::Completions(args) => {
                completions::execute(args, Command::augment_subcommands(clap::Command::new("riskstream")))
            }
        }
    }
}
