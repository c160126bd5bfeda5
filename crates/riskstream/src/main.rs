//! riskstream: streaming fraud scoring beside Kafka.
#![forbid(unsafe_code)]

use clap::Parser;
use riskstream::commands::Command;
use std::process::ExitCode;

/// State is many small buffers that grow and shrink for months. glibc's allocator fragments under this load.
#[cfg(feature = "kafka")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Streaming fraud scoring beside Kafka: exact features, your model, explained decisions.
#[derive(Parser)]
#[command(name = "riskstream", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    match CommandLine::parse().command.execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
