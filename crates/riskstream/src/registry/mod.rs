//! A client of the schema registry (Confluent's API, which Apicurio and others have too).
//!
//! Schemas are cached without limit of time: the schema of an id never changes. After a failed request no requests are
//! sent for a while, so that a registry that is out of reach does not hold up the workers with each record.

mod backoff;
mod client;
mod credentials;
mod error;
mod references;
mod subject;

pub use credentials::Credentials;
pub use error::RegistryError;
pub use subject::{record_name, subject};

use crate::telemetry::metrics;
use backoff::Backoff;
use client::{Client, HINT, RequestError, RequestResult};
use references::ReferenceError;
use riskstream_events::uuid::uuid_text;
use riskstream_events::{SchemaId, SchemaReference, SchemaSource, SchemaSourceError};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why a registry has no schema by GUID.
const NO_GUIDS: &str = "it does not find schemas by GUID (/schemas/guids): use one that does, such as Confluent Platform 8, or \
                        let the producer write ids";

/// A registry, shared by all workers. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    schemas: HashMap<SchemaReference, Arc<str>>,
    backoff: Option<Backoff>,
}

impl Registry {
    /// A client for the registry at `url`. It sends no request yet.
    pub fn new(url: &str, credentials: Credentials) -> Registry {
        let client = Client::new(url, &credentials);
        Registry {
            shared: Arc::new(Shared {
                client,
                state: Mutex::default(),
            }),
        }
    }

    /// The schema with this id or GUID as JSON. Schemas that it refers to are inlined.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn schema(&self, reference: SchemaReference) -> Result<Arc<str>, RegistryError> {
        if let Some(schema) = self.state().schemas.get(&reference) {
            return Ok(Arc::clone(schema));
        }
        let path = match &reference {
            SchemaReference::Id(id) => format!("/schemas/ids/{id}"),
            SchemaReference::Guid(guid) => format!("/schemas/guids/{}", uuid_text(guid, &mut [0; 36])),
        };
        let get = |client: &Client| match (client.get(&path), reference) {
            (Err(RequestError::NoSuchPath), SchemaReference::Guid(_)) => {
                Err(RequestError::Refused(NO_GUIDS.to_owned()))
            }
            (answer, _) => answer,
        };
        let answer = self.request(&reference.to_string(), get)?;
        let schema = references::resolve(&answer, &|subject, version| self.version(subject, version));
        let schema: Arc<str> = match schema {
            Ok(schema) => schema.into(),
            Err(ReferenceError::Fetch(error)) => return Err(error),
            Err(ReferenceError::Malformed(why)) => return Err(self.unavailable(why)),
        };
        self.state().schemas.insert(reference, Arc::clone(&schema));
        Ok(schema)
    }

    /// The id of `schema` under `subject`. If the schema is not registered yet, this registers it. If it is, read access
    /// to the registry is enough.
    ///
    /// # Errors
    /// See [`RegistryError`]. `Refused` if the schema is not compatible with the subject's schemas.
    pub fn register(&self, subject: &str, schema: &str) -> Result<SchemaId, RegistryError> {
        let what = format!("subject {subject}");
        let path = format!("/subjects/{}", path_segment(subject));
        let body = json!({ "schema": schema });
        let answer = match self.request(&what, |client| client.post(&path, &body)) {
            Err(RegistryError::Unknown { .. }) => {
                self.request(&what, |client| client.post(&format!("{path}/versions"), &body))?
            }
            answer => answer?,
        };
        let id = answer
            .get("id")
            .and_then(Value::as_u64)
            .and_then(|id| SchemaId::try_from(id).ok());
        id.ok_or_else(|| self.unavailable("the answer has no schema id".to_owned()))
    }

    /// The schema and the references of one version of a subject.
    fn version(&self, subject: &str, version: u64) -> Result<Value, RegistryError> {
        let what = format!("version {version} of subject {subject}");
        let path = format!("/subjects/{}/versions/{version}", path_segment(subject));
        self.request(&what, |client| client.get(&path))
    }

    /// Sends a request for `what`, unless a pause after a failure is not over yet.
    fn request(&self, what: &str, send: impl Fn(&Client) -> RequestResult) -> Result<Value, RegistryError> {
        if let Some(backoff) = self.state().backoff.as_ref().filter(|backoff| !backoff.is_over()) {
            return Err(self.unavailable(backoff.why.clone()));
        }
        let url = self.shared.client.url().to_owned();
        let what = what.to_owned();
        let failed = |why: String| {
            self.state().failed(&url, &why);
            Err(self.unavailable(why))
        };
        match send(&self.shared.client) {
            Err(RequestError::Unavailable(why)) => failed(why),
            Err(RequestError::NoSuchPath) => failed(format!("status 404: {HINT}")),
            Err(RequestError::Unknown) => {
                self.state().answered(&url);
                Err(RegistryError::Unknown { url, what })
            }
            Err(RequestError::Refused(why)) => {
                self.state().answered(&url);
                Err(RegistryError::Refused { url, what, why })
            }
            Ok(answer) => {
                self.state().answered(&url);
                Ok(answer)
            }
        }
    }

    fn unavailable(&self, why: String) -> RegistryError {
        RegistryError::Unavailable {
            url: self.shared.client.url().to_owned(),
            why,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No change can be left half done, so a poisoned lock is usable.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn failed(&mut self, url: &str, why: &str) {
        metrics::ERRORS.counter(&["registry"]).increment(1);
        if self.backoff.is_none() {
            tracing::warn!(target: "riskstream::registry", url, why, "the schema registry is out of reach, retrying");
        }
        self.backoff = Some(Backoff::after(self.backoff.as_ref(), why));
    }

    fn answered(&mut self, url: &str) {
        if self.backoff.take().is_some() {
            tracing::info!(target: "riskstream::registry", url, "the schema registry is back");
        }
    }
}

impl SchemaSource for Registry {
    fn writer_schema(&mut self, reference: SchemaReference) -> Result<Arc<str>, SchemaSourceError> {
        self.schema(reference).map_err(|error| match error {
            RegistryError::Unknown { .. } => SchemaSourceError::Unknown,
            // A refusal is not the record's fault: the record waits until the access is repaired.
            error => SchemaSourceError::Unavailable(error.to_string()),
        })
    }
}

/// Shows the address, never the credentials.
impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("url", &self.shared.client.url())
            .finish_non_exhaustive()
    }
}

/// A text as one percent-encoded segment of a path.
fn path_segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'~' => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
