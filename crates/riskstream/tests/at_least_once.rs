//! `delivery: at_least_once`: in spite of kills every transaction is decided. Repeated decisions are equal.
//!
//! Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

mod support;

use support::kafka::{Ends, Writer, brokers};
use support::process::wait_for;
use support::trial::{Setup, Trial};
use support::unique;

const KILLS: u64 = 5;
/// New payments before each kill.
const PAYMENTS_PER_KILL: u64 = 800;

#[test]
fn kills_lose_no_decisions() {
    let (brokers, name) = (brokers(), unique("at-least"));
    // Small batches give many commits in which a kill can happen. The short session timeout makes the group notice a
    // kill soon.
    let properties = "{session.timeout.ms: 2000, heartbeat.interval.ms: 300, max.partition.fetch.bytes: 4096, \
                      queued.max.messages.kbytes: 8, queued.min.messages: 20}";
    let mut trial = Trial::new(&Setup {
        properties,
        further: "delivery: at_least_once\n",
        ..Setup::new(&brokers, &name)
    });
    trial.writer = Writer::with(&brokers, &[("batch.num.messages", "10"), ("linger.ms", "0")]);
    let ends = Ends::new(&brokers);
    let decided = || ends.of(&trial.topic("decisions"), 2);
    for kill in 0..KILLS {
        trial.send_good(kill * PAYMENTS_PER_KILL..(kill + 1) * PAYMENTS_PER_KILL);
        let until = decided() + PAYMENTS_PER_KILL as i64 / 2;
        let mut service = trial.start();
        wait_for(&format!("decisions before kill {kill}"), || {
            service.check_running();
            (decided() >= until).then_some(())
        });
        service.kill();
    }
    let payments = (KILLS + 1) * PAYMENTS_PER_KILL;
    trial.send_good(KILLS * PAYMENTS_PER_KILL..payments);
    let before = trial.results().decisions.len();
    let repeated = trial.finish_at_least_once(trial.start(), payments);
    println!("{before} of {payments} decided after {KILLS} kills; {repeated} decisions were repeated");
}
