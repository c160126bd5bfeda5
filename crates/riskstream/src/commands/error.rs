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
    /// It was logged already; the exit code.
    Logged(u8),
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
    pub fn exit_code(&self) -> u8 {
        match self {
            CommandError::InvalidFile(_) | CommandError::Configuration(_) => 2,
            CommandError::Examples(_) | CommandError::Failed(_) => 1,
            CommandError::Logged(exit_code) => *exit_code,
        }
    }

    /// The text for standard error.
    pub fn text(&self) -> String {
        match self {
            CommandError::InvalidFile(report) | CommandError::Examples(report) => pipeline_file::render(report),
            CommandError::Configuration(error) | CommandError::Failed(error) => format!("error: {error:#}\n"),
            CommandError::Logged(_) => String::new(),
        }
    }

    /// Logs the error, for commands whose standard error holds one JSON object a line.
    #[cfg(feature = "kafka")]
    pub fn log(self) -> CommandError {
        let exit_code = self.exit_code();
        let text = self.text();
        let error = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        tracing::error!(target: "riskstream", error, exit_code, "ending");
        CommandError::Logged(exit_code)
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
