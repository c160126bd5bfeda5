//! Says why TLS with a broker fails. librdkafka only says that a certificate could not be verified.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use native_tls::{Certificate, HandshakeError, TlsConnector};

use crate::options::KafkaOptions;

/// The timeout of each step of a handshake.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Which certificates a client accepts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    /// The file of the CAs; `None`: those of the system.
    ca_file: Option<String>,
    ca_pem: Option<String>,
    accepts_any_host: bool,
}

impl Trust {
    /// The certificates that clients with these options accept.
    pub(crate) fn of(options: &KafkaOptions) -> Trust {
        let property = |name: &str| options.overrides.get(name).cloned();
        Trust {
            ca_file: property("ssl.ca.location").filter(|file| file != "probe"),
            ca_pem: property("ssl.ca.pem"),
            accepts_any_host: property("ssl.endpoint.identification.algorithm").as_deref() == Some("none"),
        }
    }

    /// Repeats the handshake that failed for librdkafka's `reason`, which names the broker, and says what is wrong with the
    /// broker's certificate. `None` if this handshake succeeds, or fails for another reason.
    pub(crate) fn explain(&self, reason: &str) -> Option<String> {
        let address = broker(reason)?;
        let (host, _) = address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let socket = address.to_socket_addrs().ok()?.next()?;
        let stream = TcpStream::connect_timeout(&socket, TIMEOUT).ok()?;
        stream.set_read_timeout(Some(TIMEOUT)).ok()?;
        stream.set_write_timeout(Some(TIMEOUT)).ok()?;
        match self.connector()?.connect(host, stream) {
            Err(HandshakeError::Failure(error)) => in_words(address, &error.to_string()),
            Ok(_) | Err(HandshakeError::WouldBlock(_)) => None,
        }
    }

    fn connector(&self) -> Option<TlsConnector> {
        let mut builder = TlsConnector::builder();
        builder.danger_accept_invalid_hostnames(self.accepts_any_host);
        let file = self.ca_file.as_ref().map(std::fs::read_to_string).transpose().ok()?;
        if let Some(pem) = file.as_ref().or(self.ca_pem.as_ref()) {
            builder.disable_built_in_roots(true);
            for certificate in pem.split_inclusive("-----END CERTIFICATE-----") {
                if let Ok(certificate) = Certificate::from_pem(certificate.as_bytes()) {
                    builder.add_root_certificate(certificate);
                }
            }
        }
        builder.build().ok()
    }
}

/// `HOST:PORT` of a message about a broker, such as `sasl_ssl://HOST:PORT/bootstrap: SSL handshake failed`.
fn broker(reason: &str) -> Option<&str> {
    let (_, rest) = reason.split_once("ssl://")?;
    let end = rest.find(['/', ' ']).unwrap_or(rest.len());
    Some(rest[..end].trim_end_matches(':'))
}

/// OpenSSL's result of a verification as a sentence with its remedy.
fn in_words(address: &str, error: &str) -> Option<String> {
    let certificate = format!("the certificate of {address}");
    let says = |part: &str| error.contains(part);
    if says("certificate has expired") {
        Some(format!("{certificate} has expired: the broker needs a new one"))
    } else if says("certificate is not yet valid") {
        Some(format!("{certificate} is not valid yet: compare the clocks"))
    } else if says("Hostname mismatch") || says("IP address mismatch") {
        Some(format!(
            "{certificate} is for another host: reach the broker by a name in its certificate, also in its \
             advertised.listeners"
        ))
    } else if says("self-signed certificate") || says("unable to get local issuer certificate") {
        Some(format!(
            "{certificate} is signed by a CA that this client does not trust: set ssl.ca.location to the file of that CA"
        ))
    } else if says("certificate verify failed") {
        Some(format!("{certificate} could not be verified: {error}"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_is_found_in_the_reason() {
        for (reason, expected) in [
            (
                "ssl://broker:9093/bootstrap: SSL handshake failed: error",
                Some("broker:9093"),
            ),
            (
                "sasl_ssl://[::1]:9093/1: SSL handshake failed: error",
                Some("[::1]:9093"),
            ),
            ("broker:9092/bootstrap: Connect failed", None),
        ] {
            assert_eq!(broker(reason), expected, "{reason}");
        }
    }
}
