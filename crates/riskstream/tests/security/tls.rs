//! What is wrong with TLS is said within five seconds, by the service and by `riskstream topics`.

use crate::secure_broker;
use crate::support::broker::Broker;
use crate::support::process::{Service, run};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server on 127.0.0.1 that speaks TLS with one of the certificates of the secure broker.
struct TlsServer {
    process: Child,
    address: String,
}

impl TlsServer {
    fn start(broker: &Broker, certificate: &str) -> TlsServer {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .to_string();
        let process = Command::new("openssl")
            .args([
                "s_server",
                "-quiet",
                "-accept",
                &address,
                "-cert",
                &broker.certificate(certificate),
            ])
            .args(["-key", &broker.certificate(certificate)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while std::net::TcpStream::connect(&address).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        TlsServer { process, address }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn pipeline(directory: &Path, brokers: &str, ca: &str) -> PathBuf {
    let path = directory.join("pipeline.yaml");
    let text = format!(
        "
name: tls
inputs:
  transactions:
    topic: tls-transactions
    key: card
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, card: text}}
entities: {{card: {{key: card}}}}
features: {{payments: {{entity: card, count: transactions, window: 1d}}}}
decision: {{decline: payments > 1000}}
outputs: {{decisions: tls-decisions, dead_letters: tls-dead-letters}}
kafka: {{brokers: \"{brokers}\", properties: {{security.protocol: ssl, ssl.ca.location: {ca}}}}}
"
    );
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn each_failure_of_tls_is_named_within_five_seconds() {
    let broker = secure_broker();
    let [expired, stranger, server] =
        ["expired.pem", "stranger.pem", "server.pem"].map(|certificate| TlsServer::start(&broker, certificate));
    for (brokers, ca, expected) in [
        (&expired.address, "ca.crt", "has expired"),
        (&stranger.address, "ca.crt", "is for another host"),
        (
            &server.address,
            "other.crt",
            "is signed by a CA that this client does not trust",
        ),
        (&broker.address, "ca.crt", "it may be a listener without TLS"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let pipeline = pipeline(directory.path(), brokers, &broker.certificate(ca));
        let began = Instant::now();
        let (code, _, errors) = run(&["topics", pipeline.to_str().unwrap()], &[]);
        assert!(code == Some(1) && errors.contains(expected), "{expected}: {errors}");
        assert!(errors.contains(brokers.as_str()), "{errors}");
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "{expected}: {:?}",
            began.elapsed()
        );

        let path = |name: &str| directory.path().join(name);
        let mut service = Service::start(&pipeline, &path("state"), &path("log"), &[], &[]);
        service.wait_until_unready(expected);
        service.end();
        let log = std::fs::read_to_string(path("log")).unwrap();
        let lost = log
            .lines()
            .find(|line| line.contains("Kafka cannot be reached, retrying"));
        assert!(lost.is_some_and(|line| line.contains(expected)), "{expected}: {log}");
    }
}
