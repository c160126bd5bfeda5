//! librdkafka's errors as errors of the log.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use riskstream_pipeline::log::LogError;

/// A short description. It does not contain the values of properties, which may be secrets.
pub(crate) fn describe(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, _, name, _) => {
            format!("the Kafka property {name} is unknown or its value is not allowed")
        }
        KafkaError::Transaction(error) => error.string(),
        error => match error.rdkafka_error_code() {
            Some(code) => code.to_string(),
            None => error.to_string(),
        },
    }
}

/// Whether retries cannot help: a permission or a setting has to be changed.
pub(crate) fn is_permanent(code: Code) -> bool {
    matches!(
        code,
        Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::InvalidTransactionTimeout
            | Code::InvalidTopic
            | Code::MessageSizeTooLarge
            | Code::InvalidConfig
            | Code::UnsupportedVersion
            | Code::UnsupportedSASLMechanism
            | Code::SaslAuthenticationFailed
            | Code::Authentication
            | Code::InconsistentGroupProtocol
            | Code::InvalidSessionTimeout
    )
}

/// Whether a broker cannot be reached, or does not let this client in. librdkafka keeps trying.
pub(crate) fn is_connection(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::SSL
            | Code::BrokerNotAvailable
            | Code::NodeUpdate
            | Code::Authentication
            | Code::SaslAuthenticationFailed
    )
}

/// Whether the log no longer has, or does not have yet, the record at the position that is read.
pub(crate) fn is_out_of_range(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(code, Some(Code::AutoOffsetReset | Code::OffsetOutOfRange))
}

/// Whether the brokers, or librdkafka's copy of their metadata, do not list the topic or partition.
pub(crate) fn is_unknown_topic(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition)
    )
}

/// The error of a request that changes nothing, such as reading positions.
pub(crate) fn request_error(what: &str, error: &KafkaError) -> LogError {
    let text = format!("{what}: {}", describe(error));
    match error.rdkafka_error_code() {
        Some(code) if is_permanent(code) => LogError::Fatal(text),
        _ => LogError::Unavailable(text),
    }
}

/// What a build can lack: how librdkafka says it, its name, the feature that has it, and the Debian package that this needs.
const LACKING: [(&str, &str, &str, &str); 2] = [
    (
        "OAuth/OIDC depends on libcurl",
        "OAUTHBEARER with OIDC",
        "oidc",
        "libcurl4-openssl-dev",
    ),
    (
        "No provider for SASL mechanism GSSAPI",
        "Kerberos (GSSAPI)",
        "kerberos",
        "libsasl2-dev",
    ),
];

/// The error of creating a client.
pub(crate) fn configuration_error(error: &KafkaError) -> LogError {
    let refusal = match error {
        KafkaError::ClientConfig(_, refusal, _, _) | KafkaError::ClientCreation(refusal) => refusal.as_str(),
        _ => "",
    };
    let lacking = LACKING.iter().find(|(said, ..)| refusal.contains(said));
    LogError::Fatal(match lacking {
        Some((_, what, feature, package)) => format!(
            "this build of riskstream lacks {what}: build it with `--features {feature}`, where {package} is installed"
        ),
        None => describe(error),
    })
}
