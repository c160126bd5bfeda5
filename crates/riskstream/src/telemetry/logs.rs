//! Structured logs on standard error.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise
    #[default]
    Auto,
    /// One line of text for each event
    Text,
    /// One line with a JSON object for each event
    Json,
}

/// The arguments for logs.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// Filter of log lines: a level (error, warn, info, debug, trace), or a list such as `info,riskstream::kafka=debug`
    #[arg(
        long = "log",
        value_name = "FILTER",
        env = "RUST_LOG",
        default_value = "info",
        hide_env_values = true
    )]
    pub filter: String,
    /// Format of log lines
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// The filter cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("--log {filter}: {why}")]
pub struct FilterError {
    filter: String,
    why: String,
}

/// Starts logging for the whole process. Returns the format, which is not `Auto`, and an error if the filter cannot be parsed:
/// then `info` is the filter, so that the error can be logged. In the format `Json` panics are logged, too.
pub fn start(args: &LogArgs) -> (LogFormat, Result<(), FilterError>) {
    let parsed = EnvFilter::builder().parse(&args.filter);
    let (filter, result) = match parsed {
        Ok(filter) => (filter, Ok(())),
        Err(error) => {
            let filter = args.filter.clone();
            let why = error.to_string();
            (EnvFilter::new("info"), Err(FilterError { filter, why }))
        }
    };
    let terminal = std::io::stderr().is_terminal();
    let format = match args.log_format {
        LogFormat::Auto if terminal => LogFormat::Text,
        LogFormat::Auto => LogFormat::Json,
        format => format,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A line that cannot be written, as on a full disk, is lost. To say so on standard error would end the thread.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // In tests, logs may have been started before; then these stay.
    let _ = if format == LogFormat::Text {
        builder.with_ansi(terminal).finish().try_init()
    } else {
        std::panic::set_hook(Box::new(|panic| {
            tracing::error!(target: "riskstream", %panic, "a thread panicked");
        }));
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .finish()
            .try_init()
    };
    (format, result)
}
