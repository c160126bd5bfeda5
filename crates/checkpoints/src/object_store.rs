//! The operations of an object store that checkpoints use. Calls block: they are made on threads of their own.

use std::io::{Read, Write};

/// An object in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name from the store's root, with `/` between the parts.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was written, in milliseconds since 1970, by the store's clock.
    pub modified: u64,
}

/// Why a store did not do what it was asked to. Texts have no credentials.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no object of this name.
    #[error("{0} is not in the store")]
    NotFound(String),
    /// The store cannot be reached, or refuses; a later attempt may succeed.
    #[error("{name}: {why}")]
    Unavailable {
        /// The object, or the prefix, that was asked for.
        name: String,
        /// What went wrong.
        why: String,
    },
}

/// A store of objects, each of which is written and replaced as a whole.
pub trait ObjectStore: Send + Sync {
    /// The objects whose name begins with `prefix` and `/`, in any order.
    ///
    /// # Errors
    /// The store cannot be reached. A prefix without objects is no error.
    fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError>;

    /// Writes an object. Nobody sees a part of it.
    ///
    /// # Errors
    /// The store or `content` cannot be reached; the object is then as it was before.
    fn put(&self, name: &str, content: &mut dyn Read) -> Result<(), StoreError>;

    /// Copies an object into `sink`.
    ///
    /// # Errors
    /// There is none, the store cannot be reached, or `sink` takes no more.
    fn get(&self, name: &str, sink: &mut dyn Write) -> Result<(), StoreError>;

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// The store cannot be reached, or refuses.
    fn delete(&self, name: &str) -> Result<(), StoreError>;
}
