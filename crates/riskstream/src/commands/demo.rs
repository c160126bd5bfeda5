//! `riskstream demo`: the whole main job on the in-process log.

use super::CommandError;
use crate::demo;
use crate::simulated::World;
use std::path::PathBuf;

/// The arguments of `riskstream demo`.
#[derive(clap::Args)]
pub struct Args {
    /// The simulated world
    #[command(flatten)]
    pub world: World,
    /// The pipeline file
    #[arg(long, default_value = "pipelines/card-fraud.yaml")]
    pub pipeline: PathBuf,
    /// Your own transactions (.jsonl, .csv, .parquet) instead of simulated ones; NAME=FILE for other inputs
    #[arg(long = "input", value_name = "[NAME=]FILE")]
    pub inputs: Vec<String>,
    /// Where to write the decisions, one JSON object a line
    #[arg(long, value_name = "FILE", default_value = "decisions.jsonl")]
    pub output: PathBuf,
}

/// Runs the demo.
pub fn execute(args: Args) -> Result<(), CommandError> {
    demo::run(&args)
}
