//! The argument `--input [NAME=]FILE`: a file in place of an input's topic.

use super::error::CommandError;
use anyhow::anyhow;
use riskstream_definition::Compiled;
use std::path::PathBuf;

/// A file and the input that its records belong to.
pub(super) struct InputFileArgument {
    /// The input's index in the pipeline.
    pub(super) input: usize,
    /// The file.
    pub(super) path: PathBuf,
}

impl InputFileArgument {
    /// Parses `FILE`, which is for the transactions, or `NAME=FILE`.
    ///
    /// # Errors
    /// The pipeline has no input of this name.
    pub(super) fn parse(argument: &str, compiled: &Compiled) -> Result<InputFileArgument, CommandError> {
        let Some((name, path)) = argument.split_once('=') else {
            return Ok(InputFileArgument {
                input: 0,
                path: argument.into(),
            });
        };
        let input = compiled.inputs.iter().position(|input| input.name == name);
        let input = input.ok_or_else(|| {
            let names: Vec<&str> = compiled.inputs.iter().map(|input| input.name.as_str()).collect();
            CommandError::configuration(anyhow!(
                "the pipeline uses no input `{name}`; it has {}",
                names.join(", ")
            ))
        })?;
        Ok(InputFileArgument {
            input,
            path: path.into(),
        })
    }
}
