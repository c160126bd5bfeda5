//! The reason why the brokers cannot be reached, from librdkafka's callbacks.

use std::sync::{Mutex, PoisonError};

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::options::KafkaOptions;
use crate::tls::Trust;

/// What librdkafka says if a client without TLS has reached a listener with TLS.
const NEEDS_TLS: &str = "SSL listener?";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    trust: Trust,
    reason: Mutex<Reason>,
}

/// The last reason, empty if there was none.
#[derive(Clone, Debug, Default)]
struct Reason {
    text: String,
    /// Whether it does not go away by itself. Then other reasons do not replace it, as they may follow from it.
    is_lasting: bool,
}

impl Outage {
    /// Of clients with these options.
    pub(crate) fn new(options: &KafkaOptions) -> Outage {
        Outage {
            trust: Trust::of(options),
            reason: Mutex::default(),
        }
    }

    /// Notes why a broker cannot be reached. A failure of TLS is examined until one is explained, which may take some seconds.
    pub(crate) fn note(&self, code: Code, reason: &str) {
        if self.get().is_lasting {
            return;
        }
        let (text, is_lasting) = match code {
            Code::SSL => match self.trust.explain(reason) {
                Some(explained) => (explained, true),
                None => (reason.to_owned(), false),
            },
            Code::Authentication | Code::SaslAuthenticationFailed => (reason.to_owned(), true),
            _ if ended_handshake(reason) => (format!("{reason}: it may be a listener without TLS"), true),
            _ => (reason.to_owned(), reason.contains(NEEDS_TLS)),
        };
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Reason { text, is_lasting };
    }

    /// A broker was reached: forgets the reason.
    pub(crate) fn end(&self) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Reason::default();
    }

    /// The reason; empty if none is known.
    pub(crate) fn reason(&self) -> String {
        self.get().text
    }

    /// The reason, if it does not go away by itself.
    pub(crate) fn lasting(&self) -> Option<String> {
        Some(self.get())
            .filter(|reason| reason.is_lasting)
            .map(|reason| reason.text)
    }

    /// `text` with the reason, if one is known.
    pub(crate) fn with_reason(&self, text: &str) -> String {
        match self.reason() {
            reason if reason.is_empty() => text.to_owned(),
            reason => format!("{text} ({reason})"),
        }
    }

    fn get(&self) -> Reason {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether the other side closed the connection instead of answering to TLS. librdkafka says so in two ways.
fn ended_handshake(reason: &str) -> bool {
    reason.contains("Disconnected")
        && (reason.contains("SSL handshake failed") || reason.contains("state SSL_HANDSHAKE"))
}

/// Whether librdkafka's message `N/M brokers are down` says that none is left. The numbers are read after the event: a broker
/// that is back by then makes it `0/1`, which is no outage.
pub(crate) fn are_all_down(reason: &str) -> bool {
    let numbers = reason.split_once(' ').and_then(|(counts, _)| counts.split_once('/'));
    numbers.is_none_or(|(down, all)| down == all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_is_back_already_is_no_outage() {
        for (reason, expected) in [
            ("0/1 brokers are down", false),
            ("2/3 brokers are down", false),
            ("3/3 brokers are down", true),
            ("1/1 brokers are down", true),
            ("No `bootstrap.servers` configured", true),
        ] {
            assert_eq!(are_all_down(reason), expected, "{reason}");
        }
    }

    #[test]
    fn a_reason_that_lasts_is_kept_until_a_broker_is_reached() {
        let outage = Outage::default();
        outage.note(Code::BrokerTransportFailure, "Connection refused");
        assert_eq!(
            (outage.reason().as_str(), outage.lasting()),
            ("Connection refused", None)
        );
        let password = "SASL authentication error: Authentication failed: Invalid username or password";
        outage.note(Code::Authentication, password);
        outage.note(Code::BrokerTransportFailure, "Connection refused");
        assert_eq!(outage.lasting().as_deref(), Some(password));
        assert_eq!(outage.with_reason("no answer"), format!("no answer ({password})"));
        outage.end();
        assert_eq!(outage.with_reason("no answer"), "no answer");
    }

    #[test]
    fn a_listener_without_tls_is_suspected() {
        for reason in [
            "ssl://broker:9092/bootstrap: SSL handshake failed: Disconnected: connection closed by peer: connecting to a \
             PLAINTEXT broker listener?",
            "ssl://broker:9092/bootstrap: Disconnected: SSL connection closed by peer (after 13ms in state SSL_HANDSHAKE)",
        ] {
            let outage = Outage::default();
            outage.note(Code::BrokerTransportFailure, reason);
            let expected = format!("{reason}: it may be a listener without TLS");
            assert_eq!(outage.lasting(), Some(expected));
        }
    }
}
