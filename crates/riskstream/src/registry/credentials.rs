//! Credentials for the registry.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// Credentials for the registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// No authentication.
    None,
    /// HTTP basic authentication.
    Basic {
        /// The user's name.
        username: String,
        /// The user's password.
        password: String,
    },
}

impl Credentials {
    /// The value of the header `authorization`.
    pub(super) fn header(&self) -> Option<String> {
        match self {
            Credentials::None => None,
            Credentials::Basic { username, password } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
            }
        }
    }
}

/// Shows the kind of authentication only.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::None => "None",
            Credentials::Basic { .. } => "Basic",
        })
    }
}

/// Removes `user:password@` from an address, so that messages can show the address.
pub(super) fn split_url(url: &str) -> (String, Credentials) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_removed_from_the_address() {
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
            assert_eq!(split_url(url), (expected.to_owned(), credentials), "{url}");
        }
    }
}
