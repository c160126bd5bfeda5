//! The subcommands, a file for each. Cargo.toml says which feature brings which of them.

#[cfg(feature = "backfill")]
pub mod backfill;
pub mod check;
pub mod completions;
pub mod demo;
pub mod explain;
#[cfg(feature = "kafka")]
pub mod generate;
pub mod models;
#[cfg(feature = "kafka")]
pub mod rollout;
#[cfg(feature = "kafka")]
pub mod run;
#[cfg(feature = "kafka")]
pub mod topics;

use riskstream_definition::{Report, Style};
use std::io::IsTerminal;

/// What riskstream can be told to do.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Watch the whole job run on simulated transactions; nothing to install
    Demo(demo::Args),
    /// Score a Kafka cluster's transactions as a member of a consumer group
    #[cfg(feature = "kafka")]
    Run(run::Args),
    /// Check a pipeline file: all diagnostics at once, then its examples
    Check(check::Args),
    /// Make transactions and labels with planted fraud
    #[cfg(feature = "kafka")]
    Generate(generate::Args),
    /// Look into model files, and verify them against their cards
    Models(models::Args),
    /// Let other models take over while a pipeline runs, and take that back
    #[cfg(feature = "kafka")]
    Rollout(rollout::Args),
    /// Create the topics that a pipeline needs
    #[cfg(feature = "kafka")]
    Topics(topics::Args),
    /// Compute features and decisions over a file
    #[cfg(feature = "backfill")]
    Backfill(backfill::Args),
    /// Show why decisions are what they are: rules that fired, features that moved the score
    Explain(explain::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

impl Command {
    /// Does it.
    pub fn execute(self) -> Result<(), CommandError> {
        match self {
            Command::Demo(args) => demo::execute(args),
            #[cfg(feature = "kafka")]
            Command::Run(args) => run::execute(args),
            Command::Check(args) => check::execute(&args),
            #[cfg(feature = "kafka")]
            Command::Generate(args) => generate::execute(args),
            Command::Models(args) => models::execute(&args),
            #[cfg(feature = "kafka")]
            Command::Rollout(args) => rollout::execute(&args),
            #[cfg(feature = "kafka")]
            Command::Topics(args) => topics::execute(args),
            #[cfg(feature = "backfill")]
            Command::Backfill(args) => backfill::execute(args),
            Command::Explain(args) => explain::execute(&args),
            Command::Completions(args) => completions::execute(&args),
        }
    }
}

/// Why a command did not succeed.
#[derive(Debug)]
pub enum CommandError {
    /// The pipeline file is wrong.
    Pipeline(Report),
    /// Something else that the user told us is wrong: an argument, a setting, a missing topic.
    Configuration(anyhow::Error),
    /// The pipeline file's examples do not come out as it says.
    Examples(Report),
    /// It was tried and failed.
    Failed(anyhow::Error),
}

impl CommandError {
    /// 2 if what we were told is wrong, 1 if what we tried failed.
    pub fn exit_code(&self) -> u8 {
        match self {
            CommandError::Pipeline(_) | CommandError::Configuration(_) => 2,
            CommandError::Examples(_) | CommandError::Failed(_) => 1,
        }
    }

    /// The failure as text for standard error.
    pub fn render(&self) -> String {
        match self {
            CommandError::Pipeline(report) | CommandError::Examples(report) => {
                let style = if std::io::stderr().is_terminal() {
                    Style::Coloured
                } else {
                    Style::Plain
                };
                report.render(style, 120)
            }
            CommandError::Configuration(error) | CommandError::Failed(error) => format!("error: {error:#}\n"),
        }
    }
}

impl From<Report> for CommandError {
    fn from(report: Report) -> CommandError {
        CommandError::Pipeline(report)
    }
}

impl From<anyhow::Error> for CommandError {
    fn from(error: anyhow::Error) -> CommandError {
        CommandError::Failed(error)
    }
}
