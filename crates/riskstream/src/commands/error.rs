//! Why a command did not succeed: the text for standard error and the exit code.

use crate::pipeline_file;
use crate::secret::SecretError;
use riskstream_definition::Report;
use std::process::ExitCode;

/// Why a command did not succeed.
#[derive(Debug)]
pub enum CommandError {
    /// A pipeline file or a roll-out file has diagnostics.
    InvalidFile(Report),
    /// Another input of the user is wrong: an argument, a setting, an environment variable.
    Configuration(anyhow::Error),
    /// Examples of the pipeline file give other results than the file says.
    Examples(Report),
    /// An operation failed.
    Failed(anyhow::Error),
}

impl CommandError {
    /// An error of the user's configuration.
    pub fn configuration(error: impl Into<anyhow::Error>) -> CommandError {
        CommandError::Configuration(error.into())
    }

    /// An operation that failed.
    pub fn failed(error: impl Into<anyhow::Error>) -> CommandError {
        CommandError::Failed(error.into())
    }

    /// Prints the error on standard error and returns the exit code.
    pub fn report(&self) -> ExitCode {
        eprint!("{}", self.text());
        ExitCode::from(self.exit_code())
    }

    /// 2 if the user's input is wrong, 1 if an operation failed.
    fn exit_code(&self) -> u8 {
        match self {
            CommandError::InvalidFile(_) | CommandError::Configuration(_) => 2,
            CommandError::Examples(_) | CommandError::Failed(_) => 1,
        }
    }

    fn text(&self) -> String {
        match self {
            CommandError::InvalidFile(report) | CommandError::Examples(report) => pipeline_file::render(report),
            CommandError::Configuration(error) | CommandError::Failed(error) => format!("error: {error:#}\n"),
        }
    }
}

impl From<Report> for CommandError {
    fn from(report: Report) -> CommandError {
        CommandError::InvalidFile(report)
    }
}

impl From<SecretError> for CommandError {
    fn from(error: SecretError) -> CommandError {
        CommandError::configuration(error)
    }
}

impl From<anyhow::Error> for CommandError {
    fn from(error: anyhow::Error) -> CommandError {
        CommandError::Failed(error)
    }
}
