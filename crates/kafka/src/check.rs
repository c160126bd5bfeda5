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
                [sasl, ("sasl.mechanisms", "GSSAPI")],
                "No provider for SASL mechanism GSSAPI",
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
}
