//! Checks properties without connecting.

use riskstream_pipeline::log::LogError;

use crate::log::KafkaLog;
use crate::options::KafkaOptions;

/// Checks the properties as the clients of a worker will use them.
///
/// # Errors
/// `Fatal`: librdkafka does not know a property, refuses its value, or was built without what it asks for.
pub fn check(options: &KafkaOptions) -> Result<(), LogError> {
    let mut offline = options.clone();
    offline.brokers = String::new();
    KafkaLog::open(offline).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<const N: usize>(properties: [(&str, &str); N]) -> Result<(), LogError> {
        let mut options = KafkaOptions::new("localhost:9092", "group");
        let owned = properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
        options.overrides.extend(owned);
        check(&options)
    }

    #[test]
    fn properties_are_checked_without_a_broker() {
        with([("security.protocol", "ssl"), ("compression.type", "zstd")]).unwrap();
        let sasl = ("security.protocol", "sasl_ssl");
        for (properties, expected) in [
            ([sasl, ("sasl.pasword", "hunter2")], "sasl.pasword"),
            ([sasl, ("acks", "some")], "acks"),
            ([("security.protocol", "tls"), ("acks", "all")], "security.protocol"),
            (
                [("security.protocol", "ssl"), ("ssl.ca.location", "/no/file")],
                "ssl.ca.location",
            ),
            ([sasl, ("transactional.id", "mine")], "transactional.id"),
            (
                [sasl, ("sasl.mechanisms", "OAUTHBEARER")],
                "OAUTHBEARER needs a source of tokens",
            ),
            (
                [sasl, ("sasl.mechanisms", "PLAIN")],
                "sasl.username and sasl.password must be set",
            ),
        ] {
            let error = with(properties).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
    }

    /// The default build lacks what needs libraries of the system, and says which feature has it.
    #[test]
    fn what_a_build_lacks_is_named() {
        let sasl = ("security.protocol", "sasl_ssl");
        let oidc = [
            ("sasl.oauthbearer.method", "oidc"),
            ("sasl.oauthbearer.client.id", "risk"),
            ("sasl.oauthbearer.client.secret", "hunter2"),
            ("sasl.oauthbearer.token.endpoint.url", "https://localhost:1/token"),
        ];
        let [method, id, secret, url] = oidc;
        let oidc = with([sasl, ("sasl.mechanisms", "OAUTHBEARER"), method, id, secret, url]);
        let kerberos = with([sasl, ("sasl.mechanisms", "GSSAPI")]);
        for (result, is_built, expected) in [
            (
                oidc,
                cfg!(feature = "oidc"),
                "this build of riskstream lacks OAUTHBEARER with OIDC: build it with `--features oidc`",
            ),
            (
                kerberos,
                cfg!(feature = "kerberos"),
                "this build of riskstream lacks Kerberos (GSSAPI): build it with `--features kerberos`",
            ),
        ] {
            match result {
                Ok(()) => assert!(is_built, "{expected}"),
                Err(error) => assert!(!is_built && error.to_string().contains(expected), "{error}"),
            }
        }
    }
}
