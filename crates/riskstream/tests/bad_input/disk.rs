//! A full disk under the state directory. It is simulated by a limit on the size of files: writes fail, with another
//! error text. A directory that cannot be written at all is tested in tests/service/refusals.rs.

use crate::support::kafka::brokers;
use crate::support::process::{Service, wait_for};
use crate::support::trial::{GOOD, Setup, Trial};
use crate::support::unique;
use std::process::Command;

/// Starts the service with a limit of `kilobytes` on the size of files.
fn start_limited(trial: &Trial, kilobytes: u32) -> Service {
    let limited = format!("trap '' XFSZ; ulimit -S -f {kilobytes}; exec \"$@\"");
    let wrapper = ["bash", "-c", &limited, "bash"];
    Service::start_through(&wrapper, &trial.pipeline, &trial.state(), &trial.log(), &[], &[])
}

/// Ends the limit.
fn make_room(service: &Service) {
    let enlarged = Command::new("prlimit")
        .args(["--pid", &service.id().to_string(), "--fsize=unlimited"])
        .status();
    assert!(enlarged.unwrap().success());
}

#[test]
fn the_service_waits_for_a_disk_that_is_full_at_start() {
    let (brokers, name) = (brokers(), unique("full"));
    let trial = Trial::new(&Setup::new(&brokers, &name));
    trial.send_good(0..GOOD);
    let mut service = start_limited(&trial, 4);
    service.wait_until_unready("hop-shop[1]: state_not_opened: ");
    service.wait_until_unready("cannot be opened: IO error: ");
    assert!(trial.results().decisions.is_empty());
    make_room(&service);
    service.wait_until_ready();
    trial.finish(service, GOOD, 0, |n| trial.payment(n));
}

#[test]
fn the_service_waits_while_a_disk_is_full_and_loses_nothing() {
    let (brokers, name) = (brokers(), unique("fills"));
    let trial = Trial::new(&Setup::new(&brokers, &name));
    let payments = 3_000;
    let mut service = start_limited(&trial, 64);
    service.wait_until_ready();
    trial.send_good(0..payments);
    service.wait_until_unready("File too large");
    let failures = r#"riskstream_errors_total{kind="state"}"#;
    wait_for("a failure that is counted", || {
        let metrics = service.get("/metrics")?.1;
        metrics.lines().any(|line| line.starts_with(failures)).then_some(())
    });
    service.check_running();
    make_room(&service);
    service.wait_until_ready();
    trial.finish(service, payments, 0, |n| trial.payment(n));
}
