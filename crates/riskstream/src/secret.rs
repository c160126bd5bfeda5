//! The secret that pseudonyms of personal data are made with. It comes from the environment only.

use crate::commands::CommandError;
use anyhow::anyhow;
use riskstream_definition::Settings;

/// The secret that the pipeline file asks for; none if it declares no personal data.
///
/// # Errors
/// When a field is personal and the variable is missing or too short to withstand guessing.
pub fn secret(settings: &Settings) -> Result<Option<Vec<u8>>, CommandError> {
    if !settings.personal {
        return Ok(None);
    }
    let variable = settings.key_env.as_deref().unwrap_or("RISKSTREAM_PERSONAL_DATA_KEY");
    match std::env::var(variable) {
        Ok(secret) if secret.len() >= 16 => Ok(Some(secret.into_bytes())),
        Ok(_) => Err(CommandError::Configuration(anyhow!(
            "{variable} is too short: pseudonyms need a secret of 16 bytes or more"
        ))),
        Err(_) => Err(CommandError::Configuration(anyhow!(
            "the pipeline declares personal data, so {variable} must hold the secret that pseudonyms are made with; \
             for a trial: export {variable}=$(head -c 32 /dev/urandom | base64)"
        ))),
    }
}
