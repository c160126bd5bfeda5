//! A broker that is out of reach at start, that hangs, and that is down.

use crate::relay::{Relay, free_address};
use crate::support::kafka::brokers;
use crate::support::process::{Service, wait_for};
use crate::support::trial::{GOOD, Setup, Trial};
use crate::support::{root, unique};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn the_service_waits_for_a_broker_that_is_out_of_reach_at_start() {
    let (brokers, name, address) = (brokers(), unique("start"), free_address());
    let trial = Trial::new(&Setup {
        environment: &[("BROKERS", address.to_string())],
        ..Setup::new(&brokers, &name)
    });
    trial.send_good(0..GOOD);
    let mut service = trial.start();
    service.wait_until_unready("worker 0 waits: ");
    assert_eq!(service.get("/healthz").unwrap().0, 200, "a restart would not help");
    let _relay = Relay::start(address, &brokers);
    trial.finish(service, GOOD, 0, |n| trial.payment(n));
}

/// How long the broker is away each time: longer than the timeouts of a session and of a transaction, so that both are
/// lost.
fn away() -> Duration {
    let seconds = std::env::var("RISKSTREAM_TEST_BROKER_AWAY").map_or(13, |seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds)
}

/// Both kinds of delivery in one test, which saves time: a broker starts slowly.
#[test]
fn the_service_waits_for_a_broker_that_hangs_or_is_down() {
    let broker = Broker::start();
    let names = ["exactly", "at-least"].map(unique);
    let exactly = Trial::new(&Setup::new(&broker.address, &names[0]));
    let at_least = Trial::new(&Setup {
        further: "delivery: at_least_once\n",
        ..Setup::new(&broker.address, &names[1])
    });
    let trials = [&exactly, &at_least];
    let mut services = trials.map(|trial| {
        let mut service = trial.start();
        service.wait_until_ready();
        trial.send_good(0..20);
        trial.wait_for_decided(&mut service, 20);
        service
    });
    // Payments are sent before, so that some are in flight when the broker stops.
    send_during(&trials, 20..35, &mut services, || broker.hang());
    send_during(&trials, 35..50, &mut services, || broker.kill());
    send_during(&trials, 50..GOOD, &mut services, || {});
    let [first, second] = services;
    exactly.finish(first, GOOD, 0, |n| exactly.payment(n));
    at_least.finish_at_least_once(second, GOOD);
}

/// Sends payments, causes `trouble` while they are in flight, and waits until they are decided.
fn send_during(trials: &[&Trial; 2], numbers: std::ops::Range<u64>, services: &mut [Service; 2], trouble: impl Fn()) {
    for trial in trials {
        for n in numbers.clone() {
            trial.send(n, &trial.payment(n));
        }
    }
    trouble();
    for (trial, service) in trials.iter().zip(services) {
        service.check_running();
        trial.writer.flush();
        trial.wait_for_decided(service, numbers.end as usize);
        service.wait_until_ready();
    }
}

/// A broker of this test's own.
struct Broker {
    directory: tempfile::TempDir,
    address: String,
}

impl Broker {
    fn start() -> Broker {
        let directory = tempfile::tempdir().unwrap();
        let mut broker = Broker {
            directory,
            address: String::new(),
        };
        broker.address = broker.script("start").trim().to_owned();
        broker
    }

    /// Stops the process for a while, and continues it.
    fn hang(&self) {
        match self.process() {
            Ok(pid) => command("kill", &["-STOP", &pid]),
            Err(container) => command("docker", &["pause", &container]),
        }
        std::thread::sleep(away());
        match self.process() {
            Ok(pid) => command("kill", &["-CONT", &pid]),
            Err(container) => command("docker", &["unpause", &container]),
        }
    }

    /// Kills the process, and after a while starts it again on the same data.
    fn kill(&self) {
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
                std::thread::sleep(away());
                let pid = restart.spawn().unwrap().id();
                std::fs::write(self.path("pid"), pid.to_string()).unwrap();
            }
            Err(container) => {
                command("docker", &["kill", &container]);
                std::thread::sleep(away());
                command("docker", &["start", &container]);
            }
        }
        wait_for("the broker", || std::net::TcpStream::connect(&self.address).ok());
    }

    /// The id of its process, or of its container.
    fn process(&self) -> Result<String, String> {
        let read = |name| std::fs::read_to_string(self.path(name)).map(|text| text.trim().to_owned());
        read("pid").map_err(|_| read("container").unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("kafka").join(name)
    }

    fn script(&self, what: &str) -> String {
        let output = Command::new(root().join("scripts/kafka"))
            .args([what, "--dir", self.path("").to_str().unwrap()])
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
        self.script("stop");
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
