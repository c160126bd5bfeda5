//! One request to the registry, and what its answer means.

use super::Credentials;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::time::Duration;
use ureq::Agent;
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A worker waits for this at most, and then not again for a while.
const TIMEOUT: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: u64 = 8 << 20;
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// What a request came to.
pub(super) type Answer = Result<Value, Refusal>;

/// Why there is no answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No such thing.
    Unknown,
    /// Not allowed, or not possible.
    Refused(String),
    /// Not now.
    Unavailable(String),
}

/// Where the registry is and how to talk to it.
pub(super) struct Client {
    agent: Agent,
    url: String,
    authorization: Option<String>,
}

impl Client {
    pub(super) fn new(url: &str, credentials: Credentials) -> Client {
        let (url, in_url) = split_credentials(url);
        let credentials = if credentials == Credentials::None {
            in_url
        } else {
            credentials
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::NativeTls)
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(TIMEOUT))
            .max_idle_age(Duration::from_secs(5))
            .http_status_as_error(false)
            .user_agent(concat!("riskstream/", env!("CARGO_PKG_VERSION")))
            .build();
        Client {
            agent: agent.into(),
            url,
            authorization: authorization(credentials),
        }
    }

    /// The address without credentials.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        let send = || {
            let mut request = self
                .agent
                .get(format!("{}{path}", self.url))
                .header("accept", MEDIA_TYPE);
            if let Some(authorization) = &self.authorization {
                request = request.header("authorization", authorization);
            }
            request.call()
        };
        // A kept connection may have been closed by the other side: once more, on a new one.
        let response = match send() {
            Err(ureq::Error::Io(_) | ureq::Error::Protocol(_)) => send(),
            response => response,
        };
        understand(response)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Answer {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("accept", MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        understand(request.content_type(MEDIA_TYPE).send(body.to_string()))
    }
}

fn authorization(credentials: Credentials) -> Option<String> {
    match credentials {
        Credentials::None => None,
        Credentials::Basic { username, password } => {
            Some(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
        }
    }
}

/// Takes `user:password@` out of an address, so that it is shown nowhere.
fn split_credentials(url: &str) -> (String, Credentials) {
    let url = url.trim_end_matches('/');
    let Some((scheme, rest)) = url.split_once("://") else {
        return (url.to_owned(), Credentials::None);
    };
    let authority_end = rest.find('/').unwrap_or(rest.len());
    let Some((user, _)) = rest[..authority_end].rsplit_once('@') else {
        return (url.to_owned(), Credentials::None);
    };
    let (username, password) = user.split_once(':').unwrap_or((user, ""));
    let credentials = Credentials::Basic {
        username: username.to_owned(),
        password: password.to_owned(),
    };
    (format!("{scheme}://{}", &rest[user.len() + 1..]), credentials)
}

fn understand(response: Result<Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut response = response.map_err(|error| Refusal::Unavailable(error.to_string()))?;
    let status = response.status().as_u16();
    let text = response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string();
    let text = text.map_err(|error| Refusal::Unavailable(error.to_string()))?;
    let body: Option<Value> = serde_json::from_str(&text).ok();
    match (status, body) {
        (200..=299, Some(body)) => Ok(body),
        (200..=299, None) => Err(Refusal::Unavailable(format!(
            "status {status}, but the answer is not JSON: {HINT}"
        ))),
        // Only a registry says so in JSON; a web server without one under this path does not.
        (404, Some(body)) if body.get("error_code").is_some() => Err(Refusal::Unknown),
        (404, _) => Err(Refusal::Unavailable(format!("status 404: {HINT}"))),
        (408 | 429 | 500..=599, body) => Err(Refusal::Unavailable(said(status, body.as_ref()))),
        (401 | 403, _) => Err(Refusal::Refused(format!(
            "status {status}: check the user name and password"
        ))),
        (status, body) => Err(Refusal::Refused(said(status, body.as_ref()))),
    }
}

const HINT: &str = "is the address complete? (Apicurio: http://host:port/apis/ccompat/v7)";

/// The status and the registry's own words, shortened.
fn said(status: u16, body: Option<&Value>) -> String {
    let message = body
        .and_then(|body| body.get("message"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let short: String = message.chars().take(300).collect();
    if short.is_empty() {
        format!("status {status}")
    } else {
        format!("status {status}: {short}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_address() {
        let basic = |username: &str, password: &str| Credentials::Basic {
            username: username.into(),
            password: password.into(),
        };
        let cases = [
            ("http://host:8081", "http://host:8081", Credentials::None),
            ("http://host:8081/", "http://host:8081", Credentials::None),
            (
                "https://ann:secret@host/api/",
                "https://host/api",
                basic("ann", "secret"),
            ),
            ("https://ann:s@cret@host", "https://host", basic("ann", "s@cret")),
            ("https://ann@host", "https://host", basic("ann", "")),
            ("http://host/a@b", "http://host/a@b", Credentials::None),
        ];
        for (url, expected, credentials) in cases {
            assert_eq!(split_credentials(url), (expected.to_owned(), credentials), "{url}");
        }
    }
}
