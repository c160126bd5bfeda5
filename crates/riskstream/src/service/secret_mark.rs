//! The fingerprint of the secret for pseudonyms, in the state directory. Under another secret every card would be a new
//! entity, and its state would not be found.

use super::private_files;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "pseudonyms";

/// Why the state must not be used with this secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretMarkError {
    /// It was made with another one.
    #[error(
        "the state in {} was made with another secret for pseudonyms: with this one every card would count as a new one. Set \
         {variable} to the former secret, or replace what decisions carry with `key_env: [NEW, FORMER]`; other ways out, and what they cost: docs/operations.md, section \"Another secret\"",
        directory.display()
    )]
    Other {
        /// The state directory.
        directory: PathBuf,
        /// The environment variable of the secret.
        variable: String,
    },
    /// The file cannot be read or written.
    #[error("{} cannot be used: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Checks that the state in `directory` was made with the secret of this fingerprint. Notes the fingerprint if none is there:
/// then the state is new, or of a version that noted none.
///
/// # Errors
/// See [`SecretMarkError`].
pub fn check(directory: &Path, fingerprint: &str, variable: &str) -> Result<(), SecretMarkError> {
    let path = directory.join(FILE);
    match private_files::read_or_create(directory, FILE, fingerprint) {
        Ok(found) if found.trim() == fingerprint => Ok(()),
        Ok(_) => Err(SecretMarkError::Other {
            directory: directory.to_owned(),
            variable: variable.to_owned(),
        }),
        Err(error) => Err(SecretMarkError::File { path, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::fingerprint;

    #[test]
    fn another_secret_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (
            fingerprint(b"a secret of 24 bytes, 1."),
            fingerprint(b"a secret of 24 bytes, 2."),
        );
        assert_ne!(one, other);
        for _ in 0..2 {
            check(directory.path(), &one, "KEY").unwrap();
        }
        let error = check(directory.path(), &other, "KEY").unwrap_err().to_string();
        assert!(
            error.contains("another secret") && error.contains("Set KEY to"),
            "{error}"
        );
        check(directory.path(), &one, "KEY").unwrap();
    }
}
