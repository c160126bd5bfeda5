//! A broker that is out of reach at start, that hangs, and that is down.

use crate::relay::{Relay, free_address};
use crate::support::broker::Broker;
use crate::support::kafka::brokers;
use crate::support::process::Service;
use crate::support::trial::{GOOD, Setup, Trial};
use crate::support::unique;
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
    send_during(&trials, 20..35, &mut services, || broker.hang(away()));
    send_during(&trials, 35..50, &mut services, || broker.kill(away()));
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
        trial.writer.flush();
    }
    trouble();
    for (trial, service) in trials.iter().zip(services) {
        service.check_running();
        trial.wait_for_decided(service, numbers.end as usize);
        service.wait_until_ready();
    }
}
