//! `riskstream completions`: a completion script for a shell.

use super::{Command, CommandError};
use clap::Subcommand;
use clap_complete::Shell;

/// The arguments of `riskstream completions`.
#[derive(clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn execute(args: &Args) -> Result<(), CommandError> {
    let mut command = Command::augment_subcommands(clap::Command::new("riskstream"));
    clap_complete::generate(args.shell, &mut command, "riskstream", &mut std::io::stdout());
    Ok(())
}
