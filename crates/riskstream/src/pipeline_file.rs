//! Loading of pipeline files and roll-out files.

use riskstream_definition::{Compiled, Report, Style, prepare, read_rollout, with_key};
use riskstream_scoring::DecisionSet;
use std::io::{self, IsTerminal};
use std::path::Path;

/// Limit for the size of a roll-out file.
const MAX_ROLLOUT_BYTES: u64 = 1 << 20;

/// The width of a terminal that diagnostics are laid out for.
const WIDTH: usize = 120;

/// [`load`], and reads these fields as well, where the file declares them.
///
/// # Errors
/// All diagnostics of the file, or that it cannot be read.
pub fn load_reading(path: &Path, fields: &[String]) -> Result<Compiled, Report> {
    let compiled = read_fields(path, fields)?;
    if let Some(warnings) = compiled.warnings() {
        eprint!("{}", render(&warnings));
    }
    Ok(compiled)
}

/// Reads and compiles a pipeline file. `${NAME}` in the file is replaced by the environment variable NAME.
///
/// # Errors
/// All diagnostics of the file, or that it cannot be read.
pub fn read(path: &Path) -> Result<Compiled, Report> {
    read_fields(path, &[])
}

/// [`read`], and reads these fields as well, where the file declares them.
///
/// # Errors
/// All diagnostics of the file, or that it cannot be read.
pub fn read_fields(path: &Path, fields: &[String]) -> Result<Compiled, Report> {
    riskstream_definition::load_reading(path, &|variable| std::env::var(variable).ok(), fields)
}

/// [`read`] for a command with a terminal: prints the file's warnings on standard error.
///
/// # Errors
/// All diagnostics of the file, or that it cannot be read.
pub fn load(path: &Path) -> Result<Compiled, Report> {
    load_reading(path, &[])
}

/// A report as text for standard error.
pub fn render(report: &Report) -> String {
    let style = match io::stderr().is_terminal() {
        true => Style::Coloured,
        false => Style::Plain,
    };
    report.render(style, WIDTH)
}

/// Reads a roll-out file and checks it: all that it says, its models, and the examples.
///
/// # Errors
/// All diagnostics of the file, or that it cannot be read.
pub fn load_rollout(path: &Path, pipeline: &Compiled) -> Result<DecisionSet, Report> {
    let name = path.display().to_string();
    let text = read_rollout_text(path).map_err(|error| Report::unreadable(&name, &error))?;
    prepare(&name, &text, pipeline)
}

/// [`load_rollout`] of a file that need not have a revision yet.
///
/// # Errors
/// All diagnostics of the file, or that it cannot be read.
pub fn load_draft(path: &Path, pipeline: &Compiled) -> Result<DecisionSet, Report> {
    let name = path.display().to_string();
    let text = read_rollout_text(path).map_err(|error| Report::unreadable(&name, &error))?;
    let text = match read_rollout(&name, &text)?.revision {
        Some(_) => text,
        None => with_key(&text, "revision", &1.into()),
    };
    prepare(&name, &text, pipeline)
}

/// Reads the text of a roll-out file.
///
/// # Errors
/// The file cannot be read.
pub fn read_rollout_text(path: &Path) -> io::Result<String> {
    let size = std::fs::metadata(path)?.len();
    if size > MAX_ROLLOUT_BYTES {
        return Err(io::Error::other(format!("it is longer than {MAX_ROLLOUT_BYTES} bytes")));
    }
    std::fs::read_to_string(path)
}
