//! Loading the models that the subcommands are given.

use crate::commands::error::CommandError;
use anyhow::{Context, anyhow};
use riskstream_definition::cards::Card;
use riskstream_models::{LoadOptions, Model, ModelError, ScoreOutput};
use std::fmt;
use std::path::Path;

/// Loads a model. One that cannot be read is a wrong argument.
///
/// # Errors
/// The model cannot be read or used.
pub fn load(file: &Path, score: Option<ScoreOutput>) -> Result<Model, CommandError> {
    let options = LoadOptions {
        score,
        ..LoadOptions::default()
    };
    Model::load(file, &options).map_err(|error| match error {
        ModelError::Read { .. } => CommandError::Configuration(whole_message(error)),
        error => CommandError::Failed(whole_message(error)),
    })
}

/// The score output that the card names.
///
/// # Errors
/// It is no name of an output.
pub fn card_score(card: Option<&Card>) -> Result<Option<ScoreOutput>, CommandError> {
    let parsed = card.map(|card| card.score.output.parse()).transpose();
    parsed.context("the model's card").map_err(CommandError::Configuration)
}

/// An error without its causes, for types whose message already contains them.
pub fn whole_message(error: impl fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}
