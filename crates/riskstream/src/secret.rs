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
}

/// The secret that the pipeline needs; `None` if it declares no personal data.
///
/// # Errors
/// The environment variable is missing or too short.
pub fn secret(settings: &Settings) -> Result<Option<Vec<u8>>, SecretError> {
    if !settings.personal {
        return Ok(None);
    }
    let variable = variable(settings).to_owned();
    match std::env::var(&variable) {
        Ok(secret) if secret.len() >= SHORTEST => Ok(Some(secret.into_bytes())),
        Ok(_) => Err(SecretError::TooShort { variable }),
        Err(_) => Err(SecretError::Missing { variable }),
    }
}

/// The environment variable that holds the secret.
pub fn variable(settings: &Settings) -> &str {
    settings.key_env.as_deref().unwrap_or(DEFAULT_VARIABLE)
}

/// Tells a secret from others without revealing it: 32 hexadecimal digits. It can be used to try out secrets that are easy to
/// guess, as every pseudonym can.
pub fn fingerprint(secret: &[u8]) -> String {
    Pseudonymizer::new(secret).pseudonym(FINGERPRINT_OF).into_string()
}
