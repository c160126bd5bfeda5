//! Other events on a real Kafka: logins and password changes beside payments and labels, two entities, a kill in between and two
//! copies that take over. Each feature is compared with a recount over all that was sent. Needs KAFKA_BOOTSTRAP_SERVERS
//! (`scripts/kafka start`).

mod support;

use crate::support::kafka::{is_committed, read_all};
use crate::support::process::{Service, run, wait_for};
use crate::support::shop::Shop;
use rdkafka::message::Message;
use riskstream_events::{FeatureValue, OwnedDecisionRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

const PARTITIONS: i32 = 3;
const HOUR: i64 = 3_600_000;
/// Payments are so far apart, in milliseconds.
const STEP: i64 = 60_000;
const EPOCH: i64 = 1_767_225_600_000;

fn pipeline_text(name: &str, brokers: &str) -> String {
    format!(
        "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions
    key: customer
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, customer: text, terminal: text}}
  labels:
    topic: {name}-labels
    id: id
    event_time: known_at
    fields: {{id: text, customer: text, fraud: bool, known_at: timestamp}}
  logins:
    kind: events
    topic: {name}-logins
    id: id
    event_time: time
    where: service == \"shop\"
    fields: {{id: text, time: timestamp, customer: text, terminal: text, device: text, succeeded: bool, service: text}}
  password_changes:
    kind: events
    topic: {name}-changes
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, customer: text}}
entities: {{customer: {{key: customer, lateness: 6h}}, terminal: {{key: terminal}}}}
features:
  logins: {{entity: customer, count: logins, of: logins, window: 1h}}
  failed: {{entity: customer, count: logins, window: 1d, when: '!succeeded'}}
  devices: {{entity: customer, distinct: device, of: logins, window: 2h}}
  since_change: {{entity: customer, time_since_last: password_changes}}
  at_terminal: {{entity: terminal, count: logins, window: 90m}}
  payments: {{entity: customer, count: transactions, window: 1d}}
  frauds: {{entity: terminal, sum: fraud, of: labels, window: 7d}}
rules: [{{name: guessed, when: failed > 3, then: review}}]
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: '{brokers}', properties: {{session.timeout.ms: 6000, heartbeat.interval.ms: 500}}}}
"
    )
}

fn customer(number: i64) -> String {
    format!("c{}", number % 7)
}

fn terminal(number: i64) -> String {
    format!("t{}", number % 3)
}

fn time_of_payment(number: i64) -> i64 {
    EPOCH + number * STEP
}

/// A login.
struct Login {
    time: i64,
    customer: Option<String>,
    terminal: Option<String>,
    device: i64,
    succeeded: bool,
}

/// Login number `n` is half a minute before payment number `n`, or an hour before that if it is late; one in five has no customer,
/// and one in two no terminal.
fn login(number: i64) -> Login {
    let late = if number % 11 == 3 { HOUR } else { 0 };
    let of_nobody = number % 5 == 1;
    Login {
        time: time_of_payment(number) - STEP / 2 - late,
        customer: (!of_nobody).then(|| customer(number * 3)),
        terminal: (of_nobody || number % 2 == 0).then(|| terminal(number * 2)),
        device: number % 4,
        succeeded: number % 3 != 0,
    }
}

/// Before every ninth payment its customer changes the password.
fn change(number: i64) -> Option<(i64, String)> {
    (number % 9 == 4).then(|| (time_of_payment(number) - STEP / 4, customer(number)))
}

/// Every fourth payment has a label, half an hour later.
fn label(number: i64) -> Option<(i64, bool)> {
    (number % 4 == 0).then(|| (time_of_payment(number) + HOUR / 2, number % 8 == 0))
}

impl Shop {
    fn send(&self, topic: &str, key: &str, record: &str) {
        let topic = format!("{}-{topic}", self.name);
        self.writer.send(&topic, Some(key.as_bytes()), Some(record.as_bytes()));
    }

    /// Writes all but the payments with these numbers: logins, some of them twice and some of another service, changes, and labels of
    /// payments before.
    fn send_others(&self, numbers: Range<i64>) {
        for number in numbers {
            let Login {
                time,
                customer,
                terminal,
                device,
                succeeded,
            } = login(number);
            let text = |text: Option<String>| text.map_or("null".to_owned(), |text| format!("\"{text}\""));
            let key = customer.clone().unwrap_or_default();
            let (customer, terminal) = (text(customer), text(terminal));
            let record = |id: &str, service: &str| {
                format!(
                    r#"{{"id":"{id}","time":{time},"customer":{customer},"terminal":{terminal},"device":"d{device}","succeeded":{succeeded},"service":"{service}"}}"#
                )
            };
            let copies = if number % 6 == 2 { 2 } else { 1 };
            for _ in 0..copies {
                self.send("logins", &key, &record(&format!("p{number}"), "shop"));
            }
            self.send("logins", &key, &record(&format!("other-{number}"), "forum"));
            if let Some((time, customer)) = change(number) {
                let record = format!(r#"{{"id":"p{number}","time":{time},"customer":"{customer}"}}"#);
                self.send("changes", &customer, &record);
            }
            // Half an hour is 30 payments.
            let earlier = number - 31;
            if let Some((known_at, fraud)) = label(earlier).filter(|_| earlier >= 0) {
                let customer = self::customer(earlier);
                let record =
                    format!(r#"{{"id":"p{earlier}","known_at":{known_at},"customer":"{customer}","fraud":{fraud}}}"#);
                self.send("labels", &customer, &record);
            }
        }
        self.writer.flush();
    }

    fn pay(&mut self, numbers: Range<i64>, service: &mut Service) {
        let count = numbers.clone().count();
        for number in numbers {
            let (time, customer, terminal) = (time_of_payment(number), customer(number), terminal(number));
            let payment =
                format!(r#"{{"id":"p{number}","time":{time},"customer":"{customer}","terminal":"{terminal}"}}"#);
            self.send("transactions", &customer, &payment);
        }
        self.writer.flush();
        self.wait_for_decisions(count, service);
    }
}

/// Waits until stages have applied other events so often, as the metrics of these copies say.
fn wait_for_events(services: &[&Service], count: u64) {
    wait_for(&format!("{count} other events applied"), || {
        let applied: f64 = services
            .iter()
            .map(|service| service.metric("riskstream_other_events_total", ""))
            .sum();
        (applied as u64 >= count).then_some(())
    });
}

/// How often stages apply logins and changes of these numbers: a login at the stage of each key that it has, a change at that of
/// the customers.
fn applications(numbers: Range<i64>) -> u64 {
    let of = |number: i64| {
        let copies = if number % 6 == 2 { 2 } else { 1 };
        let Login { customer, terminal, .. } = login(number);
        let stages = u64::from(customer.is_some()) + u64::from(terminal.is_some());
        copies * stages + u64::from(change(number).is_some())
    };
    numbers.map(of).sum()
}

#[test]
fn logins_are_counted_through_a_kill() {
    let mut shop = Shop::new("events", PARTITIONS, &[], |_, name, brokers| {
        pipeline_text(name, brokers)
    });
    let mut first = shop.start("first");
    let mut applied = 0;
    // Few payments at a time, so that logins between them are there before later ones.
    for start in (0..120).step_by(30) {
        shop.send_others(start..start + 30);
        applied += applications(start..start + 30);
        wait_for_events(&[&first], applied);
        shop.pay(start..start + 30, &mut first);
    }
    let metric = |service: &Service, labels: &str| service.metric("riskstream_other_events_total", labels) as usize;
    let sent = |count: fn(&i64) -> bool| (0..120).filter(count).count();
    let at_customers = "input=\"logins\",entity=\"customer\",result=";
    assert_eq!(
        metric(&first, &format!("{at_customers}\"duplicate\"")),
        sent(|number| number % 6 == 2 && number % 5 != 1)
    );
    // What comes while nobody reads is there when copies take over.
    // What was applied and is not committed is counted again by those who take over, and would be taken for what comes then.
    wait_for("committed positions", || {
        let mut topics = ["logins", "changes", "labels", "hop-customer", "hop-terminal"].into_iter();
        let is_read = |topic| is_committed(&shop.brokers, &shop.name, &format!("{}-{topic}", shop.name), PARTITIONS);
        topics.all(is_read).then_some(())
    });
    first.kill();
    shop.send_others(120..150);
    let (mut second, third) = (shop.start("second"), shop.start("third"));
    let mut applied = applications(120..150);
    wait_for_events(&[&second, &third], applied);
    shop.pay(120..150, &mut second);
    for start in (150..240).step_by(30) {
        shop.send_others(start..start + 30);
        applied += applications(start..start + 30);
        wait_for_events(&[&second, &third], applied);
        shop.pay(start..start + 30, &mut second);
    }
    third.end();
    second.end();
    check_decisions(&shop, 240);
    check_commands(&shop);
}

/// What a recount over everything that was sent before a payment says of it: all with a number up to its round's end that is not later
/// than it.
fn recounted(number: i64) -> BTreeMap<&'static str, FeatureValue> {
    let now = time_of_payment(number);
    let end = (number / 30 + 1) * 30;
    let logins: Vec<Login> = (0..end).map(login).collect();
    let within = |time: i64, window: i64| time > now - window && time <= now;
    let own = |login: &&Login| login.customer.as_ref() == Some(&customer(number));
    let count = |window: i64, counts: &dyn Fn(&&Login) -> bool| {
        let logins = logins.iter().filter(|login| within(login.time, window));
        FeatureValue::Int(logins.filter(|login| counts(login)).count() as i64)
    };
    let devices = logins.iter().filter(own).filter(|login| within(login.time, 2 * HOUR));
    let devices: BTreeSet<i64> = devices.map(|login| login.device).collect();
    let changes = (0..end).filter_map(change);
    let changed = changes
        .filter(|(time, of)| *of == customer(number) && *time <= now)
        .map(|(time, _)| time)
        .max();
    let frauds = (0..end).filter(|other| *other + 31 < end && terminal(*other) == terminal(number));
    let frauds = frauds
        .filter_map(label)
        .filter(|(known_at, fraud)| *fraud && *known_at <= now);
    let payments = (0..=number).filter(|other| customer(*other) == customer(number));
    BTreeMap::from([
        ("logins", count(HOUR, &own)),
        ("failed", count(24 * HOUR, &|login| own(login) && !login.succeeded)),
        ("devices", FeatureValue::Int(devices.len() as i64)),
        (
            "since_change",
            changed.map_or(FeatureValue::Null(()), |changed| {
                FeatureValue::Float((now - changed) as f64 / 1000.0)
            }),
        ),
        (
            "at_terminal",
            count(HOUR * 3 / 2, &|login| {
                login.terminal.as_ref() == Some(&terminal(number))
            }),
        ),
        ("payments", FeatureValue::Int(payments.count() as i64)),
        ("frauds", FeatureValue::Float(frauds.count() as f64)),
    ])
}

/// Each payment was decided once, with the features of the recount, and nothing became a dead letter.
fn check_decisions(shop: &Shop, count: usize) {
    let mut decided = BTreeSet::new();
    read_all(&shop.brokers, &format!("{}-decisions", shop.name), |message| {
        let decision = OwnedDecisionRecord::from_json(message.payload().unwrap()).unwrap();
        let number: i64 = decision.event_id[1..].parse().unwrap();
        assert!(decided.insert(number), "p{number} was decided twice");
        for (feature, expected) in recounted(number) {
            assert_eq!(decision.feature(feature), Some(&expected), "{feature} of p{number}");
        }
    });
    assert_eq!(decided.len(), count);
    let mut dead = 0;
    read_all(&shop.brokers, &format!("{}-dead-letters", shop.name), |_| dead += 1);
    assert_eq!(dead, 0);
}

/// A replay comes to the same decisions; an audit lists the logins of a window; `verify` computes the features again from the topics.
fn check_commands(shop: &Shop) {
    let pipeline = shop.path("pipeline.yaml");
    let pipeline = pipeline.to_str().unwrap();
    let (code, report, errors) = run(&["replay", pipeline], &[]);
    assert_eq!(code, Some(0), "{report}{errors}");
    assert!(report.contains("240"), "{report}");
    let (code, report, errors) = run(&["replay", pipeline, "--decision", "p200"], &[]);
    assert_eq!(code, Some(0), "{report}{errors}");
    assert!(
        report.contains("\nconfirmed\n") && report.contains("logins"),
        "{report}"
    );
    println!("{report}");
    let (code, report, errors) = run(&["verify", pipeline], &[]);
    println!("{code:?} {report}{errors}");
    assert_eq!(code, Some(0), "{report}{errors}");
}
