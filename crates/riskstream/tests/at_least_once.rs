//! `delivery: at_least_once`: through kills every transaction is decided, some perhaps twice, and then the same way.
//!
//! Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

mod support;

use support::kafka::{Ends, Writer, brokers};
use support::process::wait_for;
use support::trial::{Setup, Trial};
use support::unique;

const KILLS: u64 = 5;
/// Payments that are new in each life.
const PIECE: u64 = 800;

#[test]
fn kills_lose_nothing() {
    let (brokers, name) = (brokers(), unique("at-least"));
    // Little is written and fetched at a time, so that there are many commits to be killed in; a member that was killed
    // is found out soon.
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
        trial.send_good(kill * PIECE..(kill + 1) * PIECE);
        let until = decided() + PIECE as i64 / 2;
        let mut service = trial.start();
        wait_for(&format!("decisions before kill {kill}"), || {
            service.check_running();
            (decided() >= until).then_some(())
        });
        service.kill();
    }
    let payments = (KILLS + 1) * PIECE;
    trial.send_good(KILLS * PIECE..payments);
    let before = trial.outcome().decisions.len();
    let repeated = trial.finish_at_least_once(trial.start(), payments);
    println!("{before} of {payments} decided after {KILLS} kills; {repeated} decisions were repeated");
}
