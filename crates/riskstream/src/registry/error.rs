//! Errors of the registry.

/// Why the registry gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// There is no such schema, subject or version.
    #[error("the schema registry at {url} does not know {what}")]
    Unknown {
        /// The registry's address.
        url: String,
        /// What was asked for.
        what: String,
    },
    /// The registry refuses the request. Repeating it does not help until the registry or its settings change.
    #[error("the schema registry at {url} refuses {what}: {why}")]
    Refused {
        /// The registry's address.
        url: String,
        /// What was asked for.
        what: String,
        /// The registry's reason.
        why: String,
    },
    /// There was no answer, or it is not one of a schema registry.
    #[error("the schema registry at {url} is out of reach: {why}")]
    Unavailable {
        /// The registry's address.
        url: String,
        /// What happened.
        why: String,
    },
}
