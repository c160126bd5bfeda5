//! The service: a machine that loses its state.

use crate::support::kafka::brokers;
use crate::support::process::wait_for;
use crate::support::trial::{Setup, Trial};
use crate::support::unique;
use std::fs;

#[test]
fn a_new_machine_restores_its_states_and_replays_only_the_tail() {
    let (brokers, name) = (brokers(), unique("checkpoints"));
    let store = tempfile::tempdir().unwrap();
    let further = format!(
        "state: {{checkpoints: {{url: \"{}\", every: 1s}}}}",
        store.path().display()
    );
    let trial = Trial::new(&Setup {
        further: &further,
        ..Setup::new(&brokers, &name)
    });
    let before = 2_000;
    let mut service = trial.start();
    service.wait_until_ready();
    trial.send_good(0..before);
    trial.wait_for_decided(&mut service, before as usize);
    // All states have stood still for some seconds, so the newest checkpoints have all of it.
    let written =
        |service: &crate::support::process::Service| service.metric("riskstream_checkpoints_total", "written");
    let mut last = (0.0, std::time::Instant::now());
    wait_for("the last checkpoints", || {
        let now = written(&service);
        if now != last.0 {
            last = (now, std::time::Instant::now());
        }
        (now > 0.0 && last.1.elapsed().as_secs() >= 4).then_some(())
    });
    assert_eq!(service.metric("riskstream_checkpoints_total", "failed"), 0.0);
    assert!(service.metric("riskstream_checkpoint_time_seconds", "entity=") > 1e9);
    trial.send_good(before..before + 100);
    trial.wait_for_decided(&mut service, before as usize + 100);
    service.kill();
    fs::remove_dir_all(trial.state()).unwrap();

    let mut service = trial.start();
    service.wait_until_ready();
    wait_for("a state that is restored", || {
        let log = fs::read_to_string(trial.log()).unwrap();
        log.contains("state restored from a checkpoint").then_some(())
    });
    trial.send_good(before + 100..before + 200);
    trial.wait_for_decided(&mut service, before as usize + 200);
    let read = service.metric("riskstream_records_total", "transactions");
    assert!(read < before as f64, "{read} records were read again");
    assert!(service.metric("riskstream_restorations_total", "restored") >= 1.0);
    trial.finish(service, before + 200, 0, |n| trial.payment(n));
}
