//! A broker that a test starts, stops and kills.

use super::process::wait_for;
use super::root;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A broker of a test's own.
pub struct Broker {
    directory: tempfile::TempDir,
    /// Its address. On a secure broker, that of a superuser.
    pub address: String,
}

impl Broker {
    /// A broker without security.
    pub fn start() -> Broker {
        Broker::start_with(&[])
    }

    /// A broker with an authorizer, and listeners with SASL and TLS.
    pub fn start_secure() -> Broker {
        Broker::start_with(&["--secure"])
    }

    fn start_with(flags: &[&str]) -> Broker {
        let directory = tempfile::tempdir().unwrap();
        let mut broker = Broker {
            directory,
            address: String::new(),
        };
        broker.address = broker.script("start", flags).trim().to_owned();
        broker
    }

    /// The address of a further listener of a secure broker: `sasl`, `tls` or `sasltls`.
    pub fn listener(&self, name: &str) -> String {
        let listeners = std::fs::read_to_string(self.path("listeners")).unwrap();
        let mut lines = listeners.lines().filter_map(|line| line.split_once('='));
        let found = lines.find(|(listener, _)| *listener == name);
        found.expect("a listener of that name").1.to_owned()
    }

    /// A file of the secure broker's certificates.
    pub fn certificate(&self, file: &str) -> String {
        self.path("tls").join(file).to_str().unwrap().to_owned()
    }

    /// Stops the process for the time `away`, and continues it.
    pub fn hang(&self, away: Duration) {
        match self.process() {
            Ok(pid) => command("kill", &["-STOP", &pid]),
            Err(container) => command("docker", &["pause", &container]),
        }
        std::thread::sleep(away);
        match self.process() {
            Ok(pid) => command("kill", &["-CONT", &pid]),
            Err(container) => command("docker", &["unpause", &container]),
        }
        self.wait_until_listed();
    }

    /// A broker that was away may list no brokers for a moment. A client of librdkafka that asks it then may never come back
    /// (docs/adr/0010); riskstream does, but the clients of a test should not be among them.
    fn wait_until_listed(&self) {
        wait_for("the broker in its own metadata", || {
            let mut config = ClientConfig::new();
            let client: BaseConsumer = config.set("bootstrap.servers", &self.address).create().ok()?;
            let metadata = client.fetch_metadata(None, Duration::from_secs(2)).ok()?;
            (!metadata.brokers().is_empty()).then_some(())
        });
    }

    /// Kills the process, and after the time `away` starts it again on the same data.
    pub fn kill(&self, away: Duration) {
        match self.process() {
            Ok(pid) => {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
                let line = String::from_utf8(line).unwrap();
                let mut words = line.trim_end_matches('\0').split('\0');
                let mut restart = Command::new(words.next().unwrap());
                restart
                    .args(words)
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null());
                command("kill", &["-KILL", &pid]);
                std::thread::sleep(away);
                let pid = restart.spawn().unwrap().id();
                std::fs::write(self.path("pid"), pid.to_string()).unwrap();
            }
            Err(container) => {
                command("docker", &["kill", &container]);
                std::thread::sleep(away);
                command("docker", &["start", &container]);
            }
        }
        self.wait_until_listed();
    }

    /// The id of its process, or of its container.
    fn process(&self) -> Result<String, String> {
        let read = |name| std::fs::read_to_string(self.path(name)).map(|text| text.trim().to_owned());
        read("pid").map_err(|_| read("container").unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("kafka").join(name)
    }

    fn script(&self, what: &str, flags: &[&str]) -> String {
        let output = Command::new(root().join("scripts/kafka"))
            .args([what, "--dir", self.path("").to_str().unwrap()])
            .args(flags)
            .env_remove("KAFKA_BOOTSTRAP_SERVERS")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.script("stop", &[]);
    }
}

fn command(program: &str, arguments: &[&str]) {
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}
