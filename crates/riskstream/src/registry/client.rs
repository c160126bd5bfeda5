//! One HTTP request to the registry, and the meaning of its response.

use super::credentials::{Credentials, split_url};
use serde_json::Value;
use std::time::Duration;
use ureq::Agent;
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Limit of a whole request: a worker waits for it.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Kept connections are closed after this.
const MAX_IDLE_AGE: Duration = Duration::from_secs(5);
const MAX_RESPONSE_BYTES: u64 = 8 << 20;
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// The JSON of a response, or why there is none.
pub(super) type RequestResult = Result<Value, RequestError>;

/// Why a request has no result.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RequestError {
    /// The registry does not have what was asked for.
    Unknown,
    /// There is no such path under its address.
    NoSuchPath,
    /// The registry refuses the request.
    Refused(String),
    /// There was no response, or not one of a registry. The request may succeed later.
    Unavailable(String),
}

/// Sends requests to one registry.
pub(super) struct Client {
    agent: Agent,
    url: String,
    authorization: Option<String>,
}

impl Client {
    /// A client for the registry at `url`. `credentials` take precedence over those in the address.
    pub(super) fn new(url: &str, credentials: &Credentials) -> Client {
        let (url, in_url) = split_url(url);
        let authorization = credentials.header().or(in_url.header());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::NativeTls)
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(TIMEOUT))
            .max_idle_age(MAX_IDLE_AGE)
            .http_status_as_error(false)
            .user_agent(concat!("riskstream/", env!("CARGO_PKG_VERSION")))
            .build();
        Client {
            agent: agent.into(),
            url,
            authorization,
        }
    }

    /// The address without credentials.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn get(&self, path: &str) -> RequestResult {
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
        // The server may have closed a kept connection: the request is repeated on a new one.
        let response = match send() {
            Err(ureq::Error::Io(_) | ureq::Error::Protocol(_)) => send(),
            response => response,
        };
        interpret(response)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> RequestResult {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("accept", MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        interpret(request.content_type(MEDIA_TYPE).send(body.to_string()))
    }
}

fn interpret(response: Result<Response<ureq::Body>, ureq::Error>) -> RequestResult {
    let mut response = response.map_err(|error| RequestError::Unavailable(error.to_string()))?;
    let status = response.status().as_u16();
    let text = response
        .body_mut()
        .with_config()
        .limit(MAX_RESPONSE_BYTES)
        .read_to_string();
    let text = text.map_err(|error| RequestError::Unavailable(error.to_string()))?;
    let body: Option<Value> = serde_json::from_str(&text).ok();
    match (status, body) {
        (200..=299, Some(body)) => Ok(body),
        (200..=299, None) => Err(RequestError::Unavailable(format!(
            "status {status}, but the answer is not JSON: {HINT}"
        ))),
        // A registry answers with an error code. Another web server under this address does not.
        (404, Some(body)) if body.get("error_code").is_some() => Err(RequestError::Unknown),
        (404, _) => Err(RequestError::NoSuchPath),
        (408 | 429 | 500..=599, body) => Err(RequestError::Unavailable(status_and_message(status, body.as_ref()))),
        (401 | 403, _) => Err(RequestError::Refused(format!(
            "status {status}: check the user name and password"
        ))),
        (status, body) => Err(RequestError::Refused(status_and_message(status, body.as_ref()))),
    }
}

/// What may be wrong if the answer is not a registry's.
pub(super) const HINT: &str = "is the address complete? (Apicurio: http://host:port/apis/ccompat/v7)";

/// The status and the first 300 characters of the registry's message.
fn status_and_message(status: u16, body: Option<&Value>) -> String {
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
