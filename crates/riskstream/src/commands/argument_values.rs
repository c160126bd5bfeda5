//! Values from arguments, or from standard input, one a line, so that none is in the history of the shell.

use super::error::CommandError;
use std::io::BufRead;

/// The arguments; `-` stands for the lines of standard input that are not empty.
///
/// # Errors
/// Standard input cannot be read.
pub fn values(arguments: Vec<String>) -> Result<Vec<String>, CommandError> {
    let mut values = Vec::with_capacity(arguments.len());
    for argument in arguments {
        match argument.as_str() {
            "-" => values.extend(lines()?),
            _ => values.push(argument),
        }
    }
    Ok(values)
}

fn lines() -> Result<Vec<String>, CommandError> {
    let lines: Result<Vec<String>, _> = std::io::stdin().lock().lines().collect();
    let lines = lines.map_err(CommandError::failed)?;
    let trimmed = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
    Ok(trimmed.map(str::to_owned).collect())
}
