//! Structured logs on standard error: for people on a terminal, JSON otherwise.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise
    #[default]
    Auto,
    /// One line of text for each event
    Text,
    /// One JSON object on a line for each event
    Json,
}

/// What to log, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// What to log: a level (error, warn, info, debug, trace), or a list such as `info,riskstream::kafka=debug`
    #[arg(
        long = "log",
        value_name = "FILTER",
        env = "RUST_LOG",
        default_value = "info",
        hide_env_values = true
    )]
    pub filter: String,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// A filter that does not parse.
#[derive(Debug, thiserror::Error)]
#[error("--log {filter}: {why}")]
pub struct FilterError {
    filter: String,
    why: String,
}

/// Starts logging for the whole process.
///
/// # Errors
/// The filter does not parse.
pub fn start(args: &LogArgs) -> Result<(), FilterError> {
    let filter = EnvFilter::builder().parse(&args.filter);
    let filter = filter.map_err(|error| FilterError {
        filter: args.filter.clone(),
        why: error.to_string(),
    })?;
    let terminal = std::io::stderr().is_terminal();
    let text = match args.log_format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let _ = if text {
        builder.with_ansi(terminal).finish().try_init()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .finish()
            .try_init()
    };
    Ok(())
}
