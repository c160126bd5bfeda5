//! `riskstream completions`: a completion script for a shell.

use super::error::CommandError;
use clap_complete::Shell;

/// The arguments of `riskstream completions`.
#[derive(clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script for `command`, the whole command line.
///
/// # Errors
/// None.
pub fn execute(args: Args, mut command: clap::Command) -> Result<(), CommandError> {
    let name = command.get_name().to_owned();
    clap_complete::generate(args.shell, &mut command, name, &mut std::io::stdout());
    Ok(())
}
