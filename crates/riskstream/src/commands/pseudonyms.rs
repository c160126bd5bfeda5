//! `riskstream pseudonyms`: the pseudonyms that decisions carry.

use super::argument_values;
use super::error::CommandError;
use crate::pipeline_file;
use crate::secret::{of_variable, secret, variable};
use anyhow::anyhow;
use compact_str::CompactString;
use riskstream_events::{Pseudonymizer, PublishedPseudonyms, is_pseudonym};
use std::io::Write;
use std::path::PathBuf;

/// The arguments of `riskstream pseudonyms`.
#[derive(clap::Args)]
pub struct Args {
    /// The pipeline file
    pipeline: PathBuf,
    /// Values in clear, or with --from pseudonyms; `-` reads them from standard input, one a line
    #[arg(required = true, value_name = "VALUE")]
    values: Vec<String>,
    /// What is given are pseudonyms of decisions that were made when this variable held the secret for published ones
    #[arg(long, value_name = "VARIABLE")]
    from: Option<String>,
}

/// Prints one pseudonym a line.
///
/// # Errors
/// The pipeline file has no personal data, a secret is missing, or what is given is no pseudonym.
pub fn execute(args: Args) -> Result<(), CommandError> {
    let compiled = pipeline_file::load(&args.pipeline)?;
    let secret = secret(&compiled.settings)?
        .ok_or_else(|| CommandError::configuration(anyhow!("{}: no field is `personal`", args.pipeline.display())))?;
    let source = match &args.from {
        None => Source::Clear(Pseudonymizer::new(&secret)),
        Some(from) if *from == variable(&compiled.settings) => Source::State,
        Some(from) => Source::Published(PublishedPseudonyms::new(&of_variable(from)?).into()),
    };
    let mut out = std::io::stdout().lock();
    for value in argument_values::values(args.values)? {
        let pseudonym = source.pseudonym(&value)?;
        let shown = match &compiled.plan.published {
            Some(published) => published.publish(&pseudonym),
            None => pseudonym,
        };
        writeln!(out, "{shown}").map_err(CommandError::failed)?;
    }
    Ok(())
}

/// What is given.
enum Source {
    /// Values in clear.
    Clear(Pseudonymizer),
    /// Pseudonyms of the state, which were published before there was another secret.
    State,
    /// Published ones.
    Published(Box<PublishedPseudonyms>),
}

impl Source {
    /// The state's pseudonym.
    fn pseudonym(&self, value: &str) -> Result<CompactString, CommandError> {
        let pseudonym = match self {
            Source::Clear(pseudonymizer) => Some(pseudonymizer.pseudonym(value.as_bytes())),
            Source::State => is_pseudonym(value).then(|| value.into()),
            Source::Published(published) => published.recover(value),
        };
        // Without the value: it may be in clear.
        pseudonym
            .ok_or_else(|| CommandError::configuration(anyhow!("a value is no pseudonym of 32 hexadecimal digits")))
    }
}
