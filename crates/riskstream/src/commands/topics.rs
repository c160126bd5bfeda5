//! `riskstream topics`. Not yet written.

use super::Failure;

/// The arguments of `riskstream topics`.
#[derive(clap::Args)]
pub struct Args {}

/// Says that it is not there yet.
pub fn execute(_args: Args) -> Result<(), Failure> {
    Err(anyhow::anyhow!("`riskstream topics` is not part of this build").into())
}
