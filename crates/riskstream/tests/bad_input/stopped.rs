//! A process that is stopped for longer than its session lasts, as by SIGSTOP, a debugger or a frozen container.

use crate::support::kafka::brokers;
use crate::support::trial::{GOOD, Setup, Trial};
use crate::support::unique;
use std::process::Command;
use std::time::Duration;

#[test]
fn a_process_that_was_stopped_says_so_and_goes_on() {
    let (brokers, name) = (brokers(), unique("stopped"));
    let trial = Trial::new(&Setup::new(&brokers, &name));
    let mut service = trial.start();
    trial.send_good(0..20);
    trial.wait_for_decided(&mut service, 20);
    let signal = |signal: &str| {
        let status = Command::new("kill").args([signal, &service.id().to_string()]).status();
        assert!(status.unwrap().success());
    };
    signal("-STOP");
    trial.send_good(20..GOOD);
    std::thread::sleep(Duration::from_secs(12));
    signal("-CONT");
    trial.finish(service, GOOD, 0, |n| trial.payment(n));
    let log = std::fs::read_to_string(trial.log()).unwrap();
    assert!(log.contains("this process did not run for some time"), "{log}");
    assert!(!log.contains("has been in a call to the broker"), "{log}");
}
