//! Two revisions of 2,000 rules, proposed, approved and applied while payments run on two copies, one of which is killed. Every
//! decision is as the offset of the change in its log says: an independent client reads the logs and the decisions, and computes them
//! again.

use crate::support::kafka::{Reader, Writer, brokers, create_topics_of, delete_topics, read_all};
use crate::support::process::{Service, run, wait_for};
use crate::support::unique;
use rdkafka::message::Message;
use riskstream_events::OwnedDecisionRecord;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

const PARTITIONS: i32 = 3;
const RULES: usize = 2000;
/// Payments a second.
const RATE: u32 = 400;

struct Shop {
    name: String,
    brokers: String,
    directory: tempfile::TempDir,
}

impl Shop {
    fn new() -> Shop {
        let (brokers, name) = (brokers(), unique("rules"));
        let directory = tempfile::tempdir().unwrap();
        let shop = Shop {
            name,
            brokers,
            directory,
        };
        std::fs::write(shop.path("pipeline.yaml"), shop.pipeline_text()).unwrap();
        create_topics_of(&shop.path("pipeline.yaml"), PARTITIONS, &[]);
        shop
    }

    fn pipeline_text(&self) -> String {
        format!(
            "
name: {0}
inputs:
  transactions:
    topic: {0}-transactions
    key: customer
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, customer: text, amount: float}}
entities: {{customer: {{key: customer}}}}
features: {{payments: {{entity: customer, count: transactions, window: 1d}}}}
rules: [{{name: of_file, when: amount == 1000, then: review}}]
rollout: {{topic: {0}-rollouts, approvals: 1, approvals_topic: {0}-approvals}}
outputs: {{decisions: {0}-decisions, dead_letters: {0}-dead-letters}}
kafka: {{brokers: '{1}', properties: {{session.timeout.ms: 6000, heartbeat.interval.ms: 500}}}}
examples:
  - name: an ordinary payment
    events:
      - transactions: {{id: a, time: '2026-01-05T12:00:00Z', customer: c1, amount: 5.5}}
        expect: {{outcome: approve}}
",
            self.name, self.brokers
        )
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    fn topic(&self, of: &str) -> String {
        format!("{}-{of}", self.name)
    }

    fn start(&self, state: &str) -> Service {
        let pipeline = self.path("pipeline.yaml");
        Service::start(
            &pipeline,
            &self.path(state),
            &self.path(&format!("{state}.log")),
            &[],
            &[],
        )
    }

    /// Runs `riskstream rollout ACTION PIPELINE …`: exit code, standard output, standard error.
    fn rollout(&self, action: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let pipeline = self.path("pipeline.yaml");
        let first = ["rollout", action, pipeline.to_str().unwrap()];
        let arguments: Vec<&str> = first.iter().chain(arguments).copied().collect();
        run(&arguments, &[])
    }

    /// The same, which must succeed.
    fn succeed(&self, action: &str, arguments: &[&str]) -> String {
        let (code, out, errors) = self.rollout(action, arguments);
        assert_eq!(code, Some(0), "{action} {arguments:?}: {out}{errors}");
        out
    }

    /// The same, which must be refused for this reason.
    fn refuse(&self, reason: &str, action: &str, arguments: &[&str]) {
        let (code, out, errors) = self.rollout(action, arguments);
        assert_eq!(code, Some(2), "{action} {arguments:?}: {out}{errors}");
        assert!(errors.contains(reason), "{errors}");
    }

    /// Writes a roll-out of 2,000 rules to a file: rule `i` holds for the amount `i`.
    fn write_rules(&self, file: &str, letter: char, outcome: &str) -> String {
        let mut text = "rules:\n".to_owned();
        for rule in 0..RULES {
            writeln!(
                text,
                "- {{name: rule_{rule}, when: amount == {rule} && payments > 0, then: {outcome}, reason: {letter}{rule}}}"
            )
            .unwrap();
        }
        let path = self.path(file);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for file in ["first.log", "second.log"] {
                println!(
                    "{file}: {}",
                    std::fs::read_to_string(self.path(file)).unwrap_or_default()
                );
            }
        } else {
            delete_topics(&self.brokers, &self.name);
        }
    }
}

fn amount(number: usize) -> usize {
    number * 37 % (RULES + 500)
}

/// Payments that run until they are stopped.
struct Payments {
    sent: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Payments {
    fn start(shop: &Shop) -> Payments {
        let (sent, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (brokers, topic) = (shop.brokers.clone(), shop.topic("transactions"));
        let (counted, stopped) = (Arc::clone(&sent), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let writer = Writer::new(&brokers);
            let begin = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                let number = counted.load(Ordering::Relaxed);
                let customer = format!("c{}", number % 97);
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
                let payment = format!(
                    r#"{{"id":"pay-{number:08}","time":{},"customer":"{customer}","amount":{}}}"#,
                    now.as_millis(),
                    amount(number)
                );
                writer.send(&topic, Some(customer.as_bytes()), Some(payment.as_bytes()));
                counted.fetch_add(1, Ordering::Relaxed);
                // The pace of arrivals: nothing waits for this.
                let due = Duration::from_secs(1) / RATE * (number as u32 + 1);
                std::thread::sleep(due.saturating_sub(begin.elapsed()));
            }
            writer.flush();
        });
        Payments { sent, stop, thread }
    }

    /// Waits until so many more are sent.
    fn run_on(&self, more: usize) {
        let until = self.sent.load(Ordering::Relaxed) + more;
        wait_for("more payments", || {
            (self.sent.load(Ordering::Relaxed) >= until).then_some(())
        });
    }

    /// Stops them: how many there are.
    fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.sent.load(Ordering::Relaxed)
    }
}

/// Waits until a revision is in force in all partitions of these copies, as their metrics say. How long that took.
fn in_force(services: &[&Service], revision: u64) -> Duration {
    let begin = Instant::now();
    wait_for(&format!("revision {revision} in all partitions"), || {
        let mut revisions = Vec::new();
        for service in services {
            let (_, metrics) = service.get("/metrics")?;
            let lines = metrics
                .lines()
                .filter(|line| line.starts_with("riskstream_rollout_revision{"));
            revisions.extend(lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()));
        }
        (revisions.len() == PARTITIONS as usize && revisions.iter().all(|found| *found == revision)).then_some(())
    });
    begin.elapsed()
}

#[test]
fn decisions_change_at_the_offset_of_the_change_while_payments_run() {
    let shop = Shop::new();
    let [review, decline] = [
        shop.write_rules("a.yaml", 'A', "review"),
        shop.write_rules("b.yaml", 'B', "decline"),
    ];
    let (mut first, mut second) = (shop.start("first"), shop.start("second"));
    first.wait_until_ready();
    second.wait_until_ready();
    let payments = Payments::start(&shop);
    payments.run_on(400);

    shop.refuse("requires 1 approval of others", "apply", &[&review]);
    let proposed = shop.succeed("propose", &[&review, "--author", "anna", "--description", "more rules"]);
    assert!(proposed.starts_with("revision 1 is proposed"), "{proposed}");
    shop.refuse("revision 1 has 0 of 1 approval", "apply", &["1", "--author", "anna"]);
    shop.refuse("someone else must approve it", "approve", &["1", "--author", "Anna"]);
    payments.run_on(200);
    assert_eq!(first.metric("riskstream_rollout_ready_revision", ""), 0.0);
    shop.succeed("approve", &["1", "--author", "ben"]);
    shop.succeed("apply", &["1", "--author", "anna"]);
    let took = in_force(&[&first, &second], 1);
    println!("{RULES} rules are in force {} ms after the command", took.as_millis());
    payments.run_on(400);

    // While the second revision is on its way, a copy is killed.
    shop.succeed("propose", &[&decline, "--author", "ben"]);
    shop.succeed("approve", &["2", "--author", "anna"]);
    shop.succeed("apply", &["2", "--author", "anna"]);
    second.kill();
    let took = in_force(&[&first], 2);
    println!(
        "the second revision is in force {} ms after the command, and a kill",
        took.as_millis()
    );
    let mut second = shop.start("second");
    second.wait_until_ready();
    payments.run_on(400);

    // Taking it back needs one command and no approval.
    let back = shop.succeed("back", &["--author", "cleo", "--description", "too many declined"]);
    assert!(back.starts_with("revision 3 restores revision 1"), "{back}");
    let took = in_force(&[&first, &second], 3);
    println!(
        "the first revision is restored {} ms after the command",
        took.as_millis()
    );
    payments.run_on(400);
    let sent = payments.stop();
    let mut decided = Reader::new(&shop.brokers, &shop.topic("decisions"));
    decided.wait_for(sent, || first.check_running());
    first.end();
    second.end();
    check_history(&shop);
    for revision in 1..=3 {
        report_delay(&shop, revision);
    }
    check_decisions(&shop, sent);
    let (code, out, errors) = run(&["replay", shop.path("pipeline.yaml").to_str().unwrap()], &[]);
    assert_eq!(code, Some(0), "{out}{errors}");
}

fn check_history(shop: &Shop) {
    let history = shop.succeed("history", &[]);
    let line = |start: &str| {
        history
            .lines()
            .find(|line| line.trim_start().starts_with(start))
            .unwrap()
            .to_owned()
    };
    for (start, parts) in [
        ("1  was in force", &["anna", "more rules: 2000 rules"][..]),
        ("2  was in force", &["ben", "2000 rules"]),
        ("3  in force", &["cleo", "too many declined", "restores revision 1"]),
    ] {
        let line = line(start);
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
    let diff = shop.succeed("diff", &["1", "2"]);
    assert_eq!(
        diff.lines().filter(|line| line.starts_with("~ rules.rule_")).count(),
        2 * RULES,
        "outcome and reason of each rule"
    );
    assert!(
        diff.contains("~ rules.rule_7.then: review → decline"),
        "{}",
        &diff[..200]
    );
    assert!(shop.succeed("diff", &["1", "3"]).contains("no difference"));
    assert!(shop.succeed("show", &["2"]).contains("author: \"ben\""));
}

/// Prints how long after the record that put a revision in force each partition decided by it first, by the clock of the broker.
fn report_delay(shop: &Shop, revision: u64) {
    let mut written = None;
    read_all(&shop.brokers, &shop.topic("rollouts"), |message| {
        let text = String::from_utf8_lossy(message.payload().unwrap()).into_owned();
        let is_its =
            text.contains(&format!("applies: {revision}\n")) || text.contains("restores: 1\n") && revision == 3;
        written = written.or(message.timestamp().to_millis().filter(|_| is_its));
    });
    let mut first: BTreeMap<i32, i64> = BTreeMap::new();
    read_all(&shop.brokers, &shop.topic("decisions"), |message| {
        let decision = OwnedDecisionRecord::from_json(message.payload().unwrap()).unwrap();
        if decision.rollout == revision {
            first
                .entry(message.partition())
                .or_insert(message.timestamp().to_millis().unwrap());
        }
    });
    let delays: Vec<i64> = first.values().map(|time| time - written.unwrap()).collect();
    println!("revision {revision}: first decisions {delays:?} ms after the record that applies it");
}

/// The revision that is in force for each payment, by the offsets of the changes in front of the deciding stage. The bytes are read
/// without our decoders: a frame holds the ids of its payments, a change holds the text of the roll-out.
fn by_the_log(shop: &Shop) -> BTreeMap<usize, u64> {
    let mut revisions: BTreeMap<i32, u64> = BTreeMap::new();
    let mut in_force = BTreeMap::new();
    read_all(&shop.brokers, &shop.topic("hop-customer"), |message| {
        let bytes = message.payload().unwrap_or_default();
        let revision = revisions.entry(message.partition()).or_insert(0);
        let changed = (1..=3).find(|revision| {
            let text = format!("revision: {revision}\\n");
            bytes.windows(text.len()).any(|part| part == text.as_bytes())
        });
        *revision = changed.unwrap_or(0).max(*revision);
        for at in 0..bytes.len().saturating_sub(11) {
            if bytes[at..].starts_with(b"pay-") {
                let number: usize = std::str::from_utf8(&bytes[at + 4..at + 12]).unwrap().parse().unwrap();
                in_force.entry(number).or_insert(*revision);
            }
        }
    });
    in_force
}

fn check_decisions(shop: &Shop, sent: usize) {
    let by_the_log = by_the_log(shop);
    assert_eq!(by_the_log.len(), sent);
    let mut decided = vec![0; sent];
    let mut of_revision: BTreeMap<u64, usize> = BTreeMap::new();
    read_all(&shop.brokers, &shop.topic("decisions"), |message| {
        let decision = OwnedDecisionRecord::from_json(message.payload().unwrap()).unwrap();
        let number: usize = decision.event_id[4..].parse().unwrap();
        decided[number] += 1;
        assert_eq!(decision.rollout, by_the_log[&number], "payment {number}");
        *of_revision.entry(decision.rollout).or_default() += 1;
        let amount = amount(number);
        let (outcome, reason) = match decision.rollout {
            0 if amount == 1000 => ("review", Some("of_file".to_owned())),
            1 | 3 if amount < RULES => ("review", Some(format!("A{amount}"))),
            2 if amount < RULES => ("decline", Some(format!("B{amount}"))),
            _ => ("approve", None),
        };
        let reasons: Vec<String> = decision.reasons.iter().map(|reason| reason.code.clone()).collect();
        assert_eq!(
            (decision.outcome.as_str(), reasons),
            (outcome, reason.into_iter().collect()),
            "{number}"
        );
    });
    assert!(decided.iter().all(|times| *times == 1), "each payment is decided once");
    assert_eq!(of_revision.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
}
