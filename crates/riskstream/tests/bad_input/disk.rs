//! A full disk under the state directory. It is simulated by a limit on the size of files: writes fail, with another
//! error text. A directory that cannot be written at all is tested in tests/service/refusals.rs.

use crate::support::kafka::brokers;
use crate::support::process::Service;
use crate::support::trial::{GOOD, Setup, Trial};
use crate::support::unique;
use std::process::Command;

/// Starts the service with a limit of `kilobytes` on the size of files.
fn start_limited(trial: &Trial, kilobytes: u32) -> Service {
    let limited = format!("trap '' XFSZ; ulimit -S -f {kilobytes}; exec \"$@\"");
    let wrapper = ["bash", "-c", &limited, "bash"];
    Service::start_through(&wrapper, &trial.pipeline, &trial.state(), &trial.log(), &[], &[])
}

#[test]
fn the_service_waits_for_a_disk_that_is_full_at_start() {
    let (brokers, name) = (brokers(), unique("full"));
    let trial = Trial::new(&Setup::new(&brokers, &name));
    trial.send_good(0..GOOD);
    let mut service = start_limited(&trial, 4);
    service.wait_until_unready("hop-shop[1]: state store: ");
    service.wait_until_unready("cannot be opened: IO error: ");
    assert!(trial.results().decisions.is_empty());
    // Now there is room.
    let enlarged = Command::new("prlimit")
        .args(["--pid", &service.id().to_string(), "--fsize=unlimited"])
        .status();
    assert!(enlarged.unwrap().success());
    service.wait_until_ready();
    trial.finish(service, GOOD, 0, |n| trial.payment(n));
}

#[test]
fn a_disk_that_becomes_full_ends_the_run_without_loss() {
    let (brokers, name) = (brokers(), unique("fills"));
    let trial = Trial::new(&Setup::new(&brokers, &name));
    let payments = 3_000;
    let service = {
        let mut service = start_limited(&trial, 64);
        service.wait_until_ready();
        trial.send_good(0..payments);
        service
    };
    let status = service.wait();
    let log = std::fs::read_to_string(trial.log()).unwrap();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("state store: ") && log.contains("File too large"), "{log}");
    trial.finish(trial.start(), payments, 0, |n| trial.payment(n));
}
