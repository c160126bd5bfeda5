//! A client of the schema registry (Confluent's API, which Apicurio and others speak too).
//!
//! A schema's id never changes its meaning, so every answer is kept. A registry that does not answer is
//! left alone for a while, so that workers are not held up by it again and again.

mod client;
mod references;
mod subject;

pub use subject::{record_name, subject};

use crate::telemetry::metrics;
use client::{Answer, Client, Refusal};
use riskstream_events::{SchemaId, SchemaSource, SchemaSourceError};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How to prove who we are.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all.
    None,
    /// HTTP basic authentication.
    Basic {
        /// The user's name.
        username: String,
        /// The user's password.
        password: String,
    },
}

/// Says what kind they are, and nothing else.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::None => "None",
            Credentials::Basic { .. } => "Basic",
        })
    }
}

/// Why the registry gave no answer that is of use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// It knows no such schema, subject or version.
    #[error("the schema registry at {url} does not know {what}")]
    Unknown {
        /// The registry's address.
        url: String,
        /// What was asked for.
        what: String,
    },
    /// It answered that it will not do that; trying again does not help until somebody changes something.
    #[error("the schema registry at {url} refuses {what}: {why}")]
    Refused {
        /// The registry's address.
        url: String,
        /// What was asked for.
        what: String,
        /// What it said.
        why: String,
    },
    /// It did not answer, or not as a schema registry does.
    #[error("the schema registry at {url} is out of reach: {why}")]
    Unavailable {
        /// The registry's address.
        url: String,
        /// What happened instead.
        why: String,
    },
}

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
    schemas: HashMap<SchemaId, Arc<str>>,
    rest: Option<Rest>,
}

/// After a failure the registry is not asked before `until`.
struct Rest {
    until: Instant,
    pause: Duration,
    why: String,
}

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Registry {
    /// A client for the registry at `url`. Nothing is asked yet.
    pub fn new(url: &str, credentials: Credentials) -> Registry {
        let client = Client::new(url, credentials);
        Registry {
            shared: Arc::new(Shared {
                client,
                state: Mutex::default(),
            }),
        }
    }

    /// The JSON text of the schema with this id, with all schemas that it refers to put in its place.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn schema(&self, id: SchemaId) -> Result<Arc<str>, RegistryError> {
        if let Some(schema) = self.state().schemas.get(&id) {
            return Ok(Arc::clone(schema));
        }
        let what = format!("schema id {id}");
        let answer = self.ask(&what, |client| client.get(&format!("/schemas/ids/{id}")))?;
        let schema: Arc<str> = references::resolve(self, &answer)?.into();
        self.state().schemas.insert(id, Arc::clone(&schema));
        Ok(schema)
    }

    /// The id of `schema` under `subject`. It is registered if it is not yet; a user who may only read can
    /// have somebody else register it beforehand.
    ///
    /// # Errors
    /// See [`RegistryError`]. `Refused` if the subject holds a schema with which this one is not compatible.
    pub fn register(&self, subject: &str, schema: &str) -> Result<SchemaId, RegistryError> {
        let what = format!("subject {subject}");
        let path = format!("/subjects/{}", segment(subject));
        let body = json!({ "schema": schema });
        let answer = match self.ask(&what, |client| client.post(&path, &body)) {
            Err(RegistryError::Unknown { .. }) => {
                self.ask(&what, |client| client.post(&format!("{path}/versions"), &body))?
            }
            answer => answer?,
        };
        let id = answer
            .get("id")
            .and_then(Value::as_u64)
            .and_then(|id| SchemaId::try_from(id).ok());
        id.ok_or_else(|| self.unavailable("the answer has no schema id".to_owned()))
    }

    /// The schema text and references of one version of a subject.
    fn version(&self, subject: &str, version: u64) -> Result<Value, RegistryError> {
        let what = format!("version {version} of subject {subject}");
        let path = format!("/subjects/{}/versions/{version}", segment(subject));
        self.ask(&what, |client| client.get(&path))
    }

    fn ask(&self, what: &str, request: impl Fn(&Client) -> Answer) -> Result<Value, RegistryError> {
        if let Some(rest) = self.state().rest.as_ref().filter(|rest| Instant::now() < rest.until) {
            return Err(self.unavailable(rest.why.clone()));
        }
        let url = self.shared.client.url().to_owned();
        let what = what.to_owned();
        match request(&self.shared.client) {
            Err(Refusal::Unavailable(why)) => {
                self.state().failed(&url, &why);
                Err(self.unavailable(why))
            }
            answered => {
                self.state().answered(&url);
                answered.map_err(|refusal| match refusal {
                    Refusal::Unknown => RegistryError::Unknown { url, what },
                    Refusal::Refused(why) => RegistryError::Refused { url, what, why },
                    Refusal::Unavailable(why) => RegistryError::Unavailable { url, why },
                })
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
        // A panic elsewhere leaves a cache that is whole.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn failed(&mut self, url: &str, why: &str) {
        metrics::ERRORS.counter(&["registry"]).increment(1);
        let pause = match &self.rest {
            Some(rest) => (rest.pause * 2).min(LONGEST_PAUSE),
            None => {
                tracing::warn!(target: "riskstream::registry", url, why, "the schema registry is out of reach, trying on");
                FIRST_PAUSE
            }
        };
        self.rest = Some(Rest {
            until: Instant::now() + pause,
            pause,
            why: why.to_owned(),
        });
    }

    fn answered(&mut self, url: &str) {
        if self.rest.take().is_some() {
            tracing::info!(target: "riskstream::registry", url, "the schema registry is back");
        }
    }
}

impl SchemaSource for Registry {
    fn writer_schema(&mut self, id: SchemaId) -> Result<Arc<str>, SchemaSourceError> {
        self.schema(id).map_err(|error| match error {
            RegistryError::Unknown { .. } => SchemaSourceError::Unknown,
            // A refusal says nothing about the record: it waits until somebody has mended the access.
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

/// A text as one segment of a path.
fn segment(text: &str) -> String {
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
