//! `riskstream models`: inspects model files, verifies them against their cards, and writes first cards.

pub mod card;
mod inspect;
pub mod load;
pub mod rows;
mod score_file;
pub mod verify;

use super::error::CommandError;

/// The arguments of `riskstream models`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Print the contents of a model file: inputs, outputs, score, operators, trees, hash
    Inspect(inspect::Args),
    /// Compare model files with their cards: hash, number of inputs, scores of the golden rows
    Verify(verify::Args),
    /// Write the first version of a model's card, with rows of a file
    Card(card::Args),
}

/// Inspects, verifies, or writes a card.
///
/// # Errors
/// A file cannot be read or written, a model cannot be used, or a model differs from its card or from known scores.
pub fn execute(args: Args) -> Result<(), CommandError> {
    match args.action {
        Action::Inspect(args) => inspect::execute(&args),
        Action::Verify(args) => verify::execute(&args),
        Action::Card(args) => card::execute(&args),
    }
}
