//! The secret for published pseudonyms is replaced: windows go on, decisions carry the new pseudonyms, rules that are written with
//! them hold, and neither the state's pseudonyms nor clear texts are published.

use riskstream_definition::{Style, compile};
use riskstream_events::{DecisionId, FeatureValue, OwnedDecisionRecord, Pseudonymizer, PublishedPseudonyms};
use riskstream_pipeline::{TestDriver, Topology};
use std::path::Path;
use std::sync::Arc;

const STATE: &[u8] = b"the secret of the state";
const CARDS: usize = 5;
const MERCHANTS: usize = 3;

/// `key_env` names the variables, each of which holds its own name. Rules have constants that decisions carry under `published`.
fn topology(key_env: &str, published: Option<&PublishedPseudonyms>) -> Arc<Topology> {
    let shown = |text: &str| shown(published, text);
    let text = format!(
        "
name: shop
inputs:
  transactions:
    topic: transactions
    id: id
    event_time: time
    fields: {{id: {{type: text, personal: true}}, time: timestamp, card: {{type: text, personal: true}}, merchant: text}}
  labels:
    topic: labels
    id: id
    event_time: time
    arrives_within: 1m
    fields: {{id: {{type: text, personal: true}}, time: timestamp, card: {{type: text, personal: true}}, fraud: bool}}
entities: {{card: {{key: card}}, merchant: {{key: merchant}}}}
features:
  payments: {{entity: card, count: transactions, window: 1d}}
  frauds: {{entity: merchant, count: labels, window: 1d, when: fraud}}
  last_cards: {{entity: merchant, last_k: card, k: 3, window: 1d}}
  of_both: {{expression: 'card + \"@\" + merchant'}}
lists: {{blocked: ['{}', '{}']}}
rules:
  - {{name: watched, when: 'card == \"{}\"', then: review}}
  - {{name: blocked, when: card in blocked, then: decline}}
  - {{name: before, when: 'last_cards.exists(other, other == \"{}\")', then: review}}
outputs:
  decisions: decisions
  dead_letters: dead-letters
  watched: {{topic: watched, when: 'card == \"{}\"'}}
personal_data: {{key_env: {key_env}}}
",
        shown("c2"),
        shown("c3"),
        shown("c1"),
        shown("c4"),
        shown("c1"),
    );
    let compiled = compile("shop.yaml", &text, Path::new("."), &|name| Some(name.to_owned()))
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
    Arc::new(compiled.json_topology(Some(STATE)).unwrap())
}

fn of_state(clear: &str) -> String {
    Pseudonymizer::new(STATE).pseudonym(clear.as_bytes()).into()
}

/// What decisions carry in place of a text.
fn shown(published: Option<&PublishedPseudonyms>, clear: &str) -> String {
    let pseudonym = of_state(clear);
    published.map_or(pseudonym.clone(), |published| published.publish(&pseudonym).into())
}

fn of_variable(name: &str) -> Option<PublishedPseudonyms> {
    Some(PublishedPseudonyms::new(name.as_bytes()))
}

const START: u64 = 1_767_225_600_000;

/// Payment number n, and the label of each fifth, which lacks the merchant. A label of no payment comes first.
fn send(driver: &TestDriver, payments: std::ops::Range<usize>) {
    if payments.start == 0 {
        let label = format!(r#"{{"id":"lost","time":{START},"card":"c0","fraud":true}}"#);
        driver.send(1, "lost", label.as_bytes(), None);
    }
    for n in payments {
        let (card, merchant, time) = (n % CARDS, n % MERCHANTS, START + n as u64 * 120_000);
        let record = format!(r#"{{"id":"t{n}","time":{time},"card":"c{card}","merchant":"m{merchant}"}}"#);
        driver.send(0, "", record.as_bytes(), None);
        if n % 5 == 4 {
            let label = format!(r#"{{"id":"t{n}","time":{},"card":"c{card}","fraud":true}}"#, time + 1);
            driver.send(1, "", label.as_bytes(), None);
        }
    }
}

/// Checks the decision on payment n.
fn check(n: usize, decision: &OwnedDecisionRecord, published: Option<&PublishedPseudonyms>) {
    let card = |n: usize| format!("c{}", n % CARDS);
    let shown = |text: &str| shown(published, text);
    assert_eq!(decision.event_id, shown(&format!("t{n}")), "{n}");
    assert_eq!(decision.entity("card"), Some(shown(&card(n)).as_str()), "{n}");
    assert_eq!(
        decision.entity("merchant"),
        Some(format!("m{}", n % MERCHANTS).as_str())
    );
    let id = DecisionId::new("shop", &of_state(&format!("t{n}")));
    assert_eq!(decision.decision_id, id.as_str(), "the same whatever is published");
    let feature = |wanted: &str| {
        let mut features = decision.features.iter();
        features.find(|(name, _)| name == wanted).unwrap().1.clone()
    };
    assert_eq!(feature("payments"), FeatureValue::Int((n / CARDS + 1) as i64), "{n}");
    let of_merchant = (0..=n).filter(|other| other % MERCHANTS == n % MERCHANTS);
    let frauds = of_merchant.clone().filter(|other| other % 5 == 4 && *other < n).count();
    assert_eq!(feature("frauds"), FeatureValue::Int(frauds as i64), "{n}");
    let last: Vec<String> = of_merchant.rev().take(3).map(card).collect();
    let serde_json::Value::Array(mut values) = serde_json::to_value(feature("last_cards")).unwrap() else {
        panic!("no list")
    };
    values.sort_by_key(ToString::to_string);
    let mut expected: Vec<serde_json::Value> = last.iter().map(|card| shown(card).into()).collect();
    expected.sort_by_key(ToString::to_string);
    assert_eq!(values, expected, "{n}");
    let both = format!("{}@m{}", of_state(&card(n)), n % MERCHANTS);
    let both = published.map_or(both.clone(), |published| published.publish(&both).into());
    assert_eq!(feature("of_both"), FeatureValue::Text(both), "{n}");
    let mut reasons: Vec<&str> = decision.reasons.iter().map(|reason| reason.name.as_str()).collect();
    reasons.sort_unstable();
    let holds = [
        ("before", last.contains(&card(4))),
        ("blocked", matches!(n % CARDS, 2 | 3)),
        ("watched", n % CARDS == 1),
    ];
    let expected: Vec<&str> = holds
        .iter()
        .filter(|(_, holds)| *holds)
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(reasons, expected, "{n}");
}

#[test]
fn windows_go_on_and_decisions_carry_the_new_pseudonyms() {
    let secrets = [None, of_variable("FIRST"), of_variable("SECOND"), None];
    let key_envs = ["STATE", "[FIRST, STATE]", "[SECOND, STATE]", "STATE"];
    let mut driver = TestDriver::new(topology(key_envs[0], None), 4);
    for (phase, (key_env, published)) in key_envs.iter().zip(&secrets).enumerate() {
        driver.change(topology(key_env, published.as_ref()));
        send(&driver, phase * 30..(phase + 1) * 30);
        driver.run().unwrap();
        let decisions = driver.decisions();
        assert_eq!(decisions.len(), (phase + 1) * 30);
        for record in decisions {
            let value = record.value.as_ref().unwrap();
            let decision = OwnedDecisionRecord::from_json(value).unwrap();
            assert_eq!(record.key.as_deref(), decision.entity("card").map(str::as_bytes));
            let time = riskstream_events::time::parse(&decision.event_time).unwrap() / 1000;
            let n = (time as u64 - START) as usize / 120_000;
            if n / 30 != phase {
                continue;
            }
            check(n, &decision, published.as_ref());
            if published.is_some() {
                let text = String::from_utf8_lossy(value);
                for card in (0..CARDS).map(|card| format!("c{card}")) {
                    assert!(!text.contains(&of_state(&card)), "{text}");
                }
            }
        }
        let ids: Vec<String> = driver
            .dead_letters()
            .into_iter()
            .map(|letter| String::from_utf8(letter.value.unwrap().to_vec()).unwrap())
            .collect();
        // It was in time to wait for its payment, and was given up under the first secret that is published.
        assert!(
            ids.iter()
                .all(|id| *id == shown(None, "lost") || *id == shown(secrets[1].as_ref(), "lost"))
        );
    }
}

/// The label of no payment is given up while published pseudonyms have a secret of their own.
#[test]
fn dead_letters_carry_published_ids() {
    let published = of_variable("FIRST");
    let mut driver = TestDriver::new(topology("[FIRST, STATE]", published.as_ref()), 2);
    send(&driver, 0..60);
    driver.run().unwrap();
    let letters = driver.dead_letters();
    assert_eq!(letters.len(), 1);
    let expected = shown(published.as_ref(), "lost");
    assert_eq!(letters[0].value.as_deref(), Some(expected.as_bytes()));
    assert_eq!(letters[0].key.as_deref(), Some(expected.as_bytes()));
}
