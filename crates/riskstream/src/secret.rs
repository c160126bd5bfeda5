//! The secret for pseudonyms of personal data. It is read from an environment variable only.

use riskstream_definition::Settings;
use riskstream_events::Pseudonymizer;

/// The shortest secret that is accepted, in bytes: a shorter one can be guessed.
const SHORTEST: usize = 16;
/// The variable that is read if the pipeline file names none.
const DEFAULT_VARIABLE: &str = "RISKSTREAM_PERSONAL_DATA_KEY";

/// What the fingerprint of a secret is the pseudonym of.
const FINGERPRINT_OF: &[u8] = b"riskstream: the fingerprint of this secret";

/// Why there is no secret although the pipeline needs one.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or is not UTF-8.
    #[error(
        "the pipeline declares personal data, so {variable} must hold the secret for pseudonyms; \
         for a trial: export {variable}=$(head -c 32 /dev/urandom | base64)"
    )]
    Missing {
        /// The environment variable.
        variable: String,
    },
    /// The variable holds fewer than 16 bytes.
    #[error("{variable} is too short: pseudonyms need a secret of {SHORTEST} bytes or more")]
    TooShort {
        /// The environment variable.
        variable: String,
    },
    /// There is one secret where there must be two.
    #[error(
        "{published} and {state} hold the same secret: what is published needs one of its own; for a trial: \
         export {published}=$(head -c 32 /dev/urandom | base64)"
    )]
    Same {
        /// The variable of the secret for what is published.
        published: String,
        /// That of the state's.
        state: String,
    },
}

/// The state's secret, if the pipeline declares personal data: decoders make pseudonyms with it. Where what is published has a
/// secret of its own, checks that as well; the compiled pipeline holds it.
///
/// # Errors
/// An environment variable is missing or too short, or both hold the same.
pub fn secret(settings: &Settings) -> Result<Option<Vec<u8>>, SecretError> {
    if !settings.personal {
        return Ok(None);
    }
    let state = of_variable(variable(settings))?;
    if let Some(variable) = published_variable(settings)
        && of_variable(variable)? == state
    {
        return Err(SecretError::Same {
            published: variable.to_owned(),
            state: self::variable(settings).to_owned(),
        });
    }
    Ok(Some(state))
}

/// The secret in an environment variable.
///
/// # Errors
/// It is missing or too short.
pub fn of_variable(variable: &str) -> Result<Vec<u8>, SecretError> {
    let variable = variable.to_owned();
    match std::env::var(&variable) {
        Ok(secret) if secret.len() >= SHORTEST => Ok(secret.into_bytes()),
        Ok(_) => Err(SecretError::TooShort { variable }),
        Err(_) => Err(SecretError::Missing { variable }),
    }
}

/// The environment variable that holds the state's secret.
pub fn variable(settings: &Settings) -> &str {
    settings
        .key_env
        .as_ref()
        .map_or(DEFAULT_VARIABLE, |variables| &variables.state)
}

/// That of the secret for what is published, if it is another one.
fn published_variable(settings: &Settings) -> Option<&str> {
    settings.key_env.as_ref()?.published.as_deref()
}

/// The fingerprint of that secret.
pub fn published_fingerprint(settings: &Settings) -> Option<String> {
    let secret = std::env::var(published_variable(settings)?).ok()?;
    settings.personal.then(|| fingerprint(secret.as_bytes()))
}

/// Tells a secret from others without revealing it: 32 hexadecimal digits. It can be used to try out secrets that are easy to
/// guess, as every pseudonym can.
pub fn fingerprint(secret: &[u8]) -> String {
    Pseudonymizer::new(secret).pseudonym(FINGERPRINT_OF).into_string()
}
