//! The secret for published pseudonyms is replaced on a real Kafka: windows and lists go on, decisions carry the new pseudonyms,
//! and what is known under the former ones is found with `riskstream pseudonyms`.

use crate::support::kafka::{Reader, Writer, brokers, create_topics_of, delete_topics, read_all};
use crate::support::process::{Service, run};
use crate::support::unique;
use rdkafka::message::Message;
use riskstream_events::{FeatureValue, OwnedDecisionRecord};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

const CARDS: usize = 8;
const SECRETS: [(&str, &str); 3] = [
    ("STATE", "a secret of the state"),
    ("FIRST", "a secret of the first year"),
    ("SECOND", "a secret of the second year"),
];

struct Shop {
    name: String,
    brokers: String,
    directory: tempfile::TempDir,
    writer: Writer,
    decided: Reader,
}

fn environment() -> Vec<(&'static str, String)> {
    SECRETS
        .iter()
        .map(|(name, secret)| (*name, (*secret).to_owned()))
        .collect()
}

fn card(number: usize) -> String {
    format!("40000000000{:05}", number % CARDS)
}

impl Shop {
    fn new() -> Shop {
        let (brokers, name) = (brokers(), unique("rotation"));
        let mut shop = Shop {
            writer: Writer::new(&brokers),
            decided: Reader::new(&brokers, &format!("{name}-decisions")),
            directory: tempfile::tempdir().unwrap(),
            name,
            brokers,
        };
        shop.write_pipeline("STATE", "");
        create_topics_of(&shop.path("pipeline.yaml"), 2, &environment());
        // Only now there is something to read.
        shop.decided = Reader::new(&shop.brokers, &format!("{}-decisions", shop.name));
        shop
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// `watched`: the pseudonym of a card, as decisions carry it.
    fn write_pipeline(&self, key_env: &str, watched: &str) {
        let (name, brokers) = (&self.name, &self.brokers);
        let rule = match watched {
            "" => String::new(),
            watched => format!("  - {{name: watched, when: 'card == \"{watched}\"', then: review}}\n"),
        };
        let text = format!(
            "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, card: {{type: text, personal: true}}}}
entities: {{card: {{key: card}}}}
features:
  payments: {{entity: card, count: transactions, window: 30d}}
lists:
  blocked: {{key: card, topic: {name}-blocked}}
rules:
  - {{name: blocked, when: card in blocked, then: decline}}
{rule}personal_data: {{key_env: {key_env}}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: '{brokers}'}}
"
        );
        std::fs::write(self.path("pipeline.yaml"), text).unwrap();
    }

    fn start(&self) -> Service {
        let mut service = self.begin("state");
        service.wait_until_ready();
        service
    }

    fn begin(&self, state: &str) -> Service {
        Service::start(
            &self.path("pipeline.yaml"),
            &self.path(state),
            &self.path("log"),
            &environment(),
            &[],
        )
    }

    fn pay(&mut self, numbers: Range<usize>, service: &mut Service) {
        let count = numbers.len();
        for number in numbers {
            let (card, time) = (card(number), 1_767_225_600_000 + number as u64 * 1000);
            let payment = format!(r#"{{"id":"t{number}","time":{time},"card":"{card}"}}"#);
            let topic = format!("{}-transactions", self.name);
            self.writer.send(&topic, None, Some(payment.as_bytes()));
        }
        self.writer.flush();
        self.decided.wait_for(count, || service.check_running());
    }

    /// Runs a command on the pipeline, which succeeds; its standard output.
    fn riskstream(&self, command: &[&str], further: &[&str]) -> String {
        let pipeline = self.path("pipeline.yaml");
        let arguments = [command, &[pipeline.to_str().unwrap()], further].concat();
        let (code, out, errors) = run(&arguments, &environment());
        assert_eq!(code, Some(0), "{errors}");
        out
    }

    fn pseudonyms(&self, further: &[&str]) -> Vec<String> {
        self.riskstream(&["pseudonyms"], further)
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// The decisions by the number of their payment.
    fn decisions(&self) -> BTreeMap<usize, OwnedDecisionRecord> {
        let mut decisions = BTreeMap::new();
        read_all(&self.brokers, &format!("{}-decisions", self.name), |message| {
            let decision = OwnedDecisionRecord::from_json(message.payload().unwrap()).unwrap();
            assert_eq!(message.key(), decision.entity("card").map(str::as_bytes));
            let number = decision.event_id[1..].parse().unwrap();
            assert!(
                decisions.insert(number, decision).is_none(),
                "t{number} was decided twice"
            );
        });
        decisions
    }
}

/// Each card, as decisions carry it.
fn carried(decisions: &BTreeMap<usize, OwnedDecisionRecord>, numbers: Range<usize>) -> Vec<String> {
    let mut cards: BTreeMap<usize, &str> = BTreeMap::new();
    for (number, decision) in decisions.range(numbers) {
        let carried = decision.entity("card").unwrap();
        assert_eq!(*cards.entry(number % CARDS).or_insert(carried), carried, "t{number}");
    }
    assert_eq!(cards.len(), CARDS);
    cards.into_values().map(str::to_owned).collect()
}

#[test]
fn the_secret_of_what_is_published_is_replaced_while_windows_and_lists_go_on() {
    let mut shop = Shop::new();
    let mut service = shop.start();
    shop.riskstream(&["lists", "add"], &["blocked", &card(3), "--author", "jane"]);
    shop.pay(0..40, &mut service);
    service.end();
    let clear: Vec<String> = (0..CARDS).map(card).collect();
    let clear: Vec<&str> = clear.iter().map(String::as_str).collect();
    let of_state = carried(&shop.decisions(), 0..40);
    assert_eq!(shop.pseudonyms(&clear), of_state);

    let mut before = of_state.clone();
    for (year, (key_env, former)) in [("[FIRST, STATE]", "STATE"), ("[SECOND, STATE]", "FIRST")]
        .into_iter()
        .enumerate()
    {
        shop.write_pipeline(key_env, "");
        let of_before: Vec<&str> = before.iter().map(String::as_str).collect();
        let now = shop.pseudonyms(&[&["--from", former], of_before.as_slice()].concat());
        assert_eq!(shop.pseudonyms(&clear), now);
        shop.write_pipeline(key_env, &now[1]);
        let mut service = shop.start();
        let numbers = 40 * (year + 1)..40 * (year + 2);
        shop.pay(numbers.clone(), &mut service);
        service.end();
        assert_eq!(carried(&shop.decisions(), numbers), now);
        assert!(now.iter().all(|pseudonym| !before.contains(pseudonym)));
        before = now;
    }
    check_lists(&shop, &before);
    let decisions = shop.decisions();
    assert_eq!(decisions.len(), 120);
    for (number, decision) in &decisions {
        let payments = FeatureValue::Int((number / CARDS + 1) as i64);
        assert_eq!(decision.features[0], ("payments".to_owned(), payments), "t{number}");
        let expected = match number % CARDS {
            3 => "decline",
            1 if *number >= 40 => "review",
            _ => "approve",
        };
        // The list may have reached the copy after its first decisions.
        assert!(
            decision.outcome == expected || *number < 40,
            "t{number}: {}",
            decision.outcome
        );
    }
    check_nothing_else_is_carried(&shop, &of_state);
    check_exchanged_secrets(&shop);
    delete_topics(&shop.brokers, &shop.name);
}

/// What is exported is what decisions carry, and can be imported; the topic does not change.
fn check_lists(shop: &Shop, now: &[String]) {
    let exported = shop.riskstream(&["lists", "export"], &["blocked"]);
    assert!(exported.lines().nth(1).unwrap().starts_with(&now[3]), "{exported}");
    std::fs::write(shop.path("list.csv"), format!("pseudonym\n{}\n", now[4])).unwrap();
    let file = shop.path("list.csv");
    shop.riskstream(&["lists", "import"], &["blocked", file.to_str().unwrap()]);
    let shown = |number| shop.riskstream(&["lists", "show"], &["blocked", &card(number)]);
    assert!(shown(4).starts_with("on blocked") && shown(3).starts_with("on blocked"));
    assert_eq!(shown(5), "not on blocked\n");
}

/// Neither cards in clear nor pseudonyms of the state, once those are not published.
fn check_nothing_else_is_carried(shop: &Shop, of_state: &[String]) {
    read_all(&shop.brokers, &format!("{}-decisions", shop.name), |message| {
        let text = String::from_utf8_lossy(message.payload().unwrap()).into_owned();
        assert!(!text.contains("40000000000"), "{text}");
        let number: usize = OwnedDecisionRecord::from_json(text.as_bytes()).unwrap().event_id[1..]
            .parse()
            .unwrap();
        assert!(
            number < 40 || of_state.iter().all(|pseudonym| !text.contains(pseudonym)),
            "{text}"
        );
    });
    let log = std::fs::read_to_string(shop.path("log")).unwrap();
    assert!(!log.contains("40000000000") && SECRETS.iter().all(|(_, secret)| !log.contains(secret)));
    assert!(of_state.iter().all(|pseudonym| !log.contains(pseudonym)));
}

/// The state's secret is the second. Exchanged, the state directory refuses them, and without one the group does.
fn check_exchanged_secrets(shop: &Shop) {
    shop.write_pipeline("[STATE, SECOND]", "");
    assert_eq!(shop.begin("state").wait().code(), Some(2));
    assert_eq!(shop.begin("empty").wait().code(), Some(1));
    let log = std::fs::read_to_string(shop.path("log")).unwrap();
    assert!(log.contains("key_env: [NEW, FORMER]"), "{log}");
    assert!(log.contains("another secret for pseudonyms"), "{log}");
    shop.write_pipeline("[STATE, STATE_TOO]", "");
    let pipeline = shop.path("pipeline.yaml");
    let environment = [
        ("STATE", SECRETS[0].1.to_owned()),
        ("STATE_TOO", SECRETS[0].1.to_owned()),
    ];
    let (code, _, errors) = run(&["pseudonyms", pipeline.to_str().unwrap(), "x"], &environment);
    assert!(code == Some(2) && errors.contains("hold the same secret"), "{errors}");
}
