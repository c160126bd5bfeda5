//! `riskstream replay` of what the service has decided.

use crate::shop::{PARTITIONS, Shop, card};
use crate::support::kafka::read_all;
use rdkafka::message::Message;
use serde_json::Value;

/// Everything that changes decisions besides payments: a list, a roll-out, and a copy that is killed and loses its state.
pub fn eventful(shop: &mut Shop) {
    let mut service = shop.start("state");
    shop.pay(0..200);
    shop.wait_for(200, &mut service);
    shop.succeed(&["lists", "add"], &["blocked", &card(3)]);
    shop.pay(200..300);
    shop.wait_for(300, &mut service);
    shop.roll_out(1);
    shop.pay(300..400);
    shop.wait_for(400, &mut service);
    shop.pay(400..500);
    service.kill();
    let mut service = shop.start("another-state");
    shop.succeed(&["lists", "remove"], &["blocked", &card(3)]);
    shop.wait_for(500, &mut service);
    shop.pay(500..600);
    shop.wait_for(600, &mut service);
    service.end();
}

fn decisions(report: &Value) -> [u64; 4] {
    ["recorded", "again", "equal", "different"].map(|name| report["decisions"][name].as_u64().unwrap())
}

fn sum(counts: &Value) -> u64 {
    counts
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum()
}

#[test]
fn an_eventful_run_is_made_again_to_the_last_bit() {
    let mut shop = Shop::new("eventful", "exactly_once");
    eventful(&mut shop);
    shop.record("recording", &["--personal-data"]);
    let (code, text, report) = shop.replay("recording");
    assert_eq!(code, Some(0), "{text}");
    let decided = 600 + 600_u64.div_ceil(29);
    assert_eq!(decisions(&report), [decided, decided, decided, 0], "{text}");
    assert_eq!(sum(&report["not_compared"]), 0, "{text}");
    assert_eq!(report["notes"].as_array().unwrap().len(), 0, "{text}");
    for entity in ["card", "shop"] {
        let rows = &report["rows"][entity];
        assert_eq!(
            (&rows["equal"], &rows["different"]),
            (&rows["recorded"], &0.into()),
            "{text}"
        );
        assert!(
            rows["recorded"].as_u64().unwrap() > decided,
            "labels are rows, too: {text}"
        );
    }
    // From the topics it is the same.
    let out = shop.succeed(&["replay"], &[]);
    assert!(out.contains(&format!("{decided}")), "{out}");
}

#[test]
fn what_is_repeated_after_a_kill_is_counted_and_equal() {
    let mut shop = Shop::new("repeated", "at_least_once");
    eventful(&mut shop);
    shop.record("recording", &[]);
    let (code, text, report) = shop.replay("recording");
    assert_eq!(code, Some(0), "{text}");
    let mut all = Vec::new();
    read_all(&shop.brokers, &shop.topic("decisions"), |message| {
        let decision: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        all.push((decision["event_id"].to_string(), decision["flags"].to_string()));
    });
    let written = all.len() as u64;
    all.sort();
    all.dedup();
    let different = all.len() as u64;
    let [recorded, _, equal, _] = decisions(&report);
    assert!(written > different, "the kill repeated decisions");
    assert_eq!((recorded, equal), (written, different), "{text}");
    let repeated = "decisions recorded more than once, each time the same";
    assert_eq!(report["not_compared"][repeated], written - different, "{text}");
    // Without inputs in clear, decisions are made from rows with pseudonyms.
    let notes = report["notes"].as_array().unwrap();
    let left_out = notes
        .iter()
        .filter(|note| note.as_str().unwrap().contains("holds personal data in clear"));
    assert_eq!(left_out.count(), 2, "{text}");
    assert_eq!(report["rows"].as_object().unwrap().keys().collect::<Vec<_>>(), ["shop"]);
}

#[test]
fn a_decision_that_somebody_has_changed_is_found() {
    let mut shop = Shop::new("changed", "exactly_once");
    let mut service = shop.start("state");
    shop.pay(0..100);
    shop.wait_for(100, &mut service);
    service.end();
    // Somebody else writes a decision on the topic: one that was made, with another outcome.
    let decision = shop.forge("t42", |decision| decision["outcome"] = "decline".into());
    shop.writer.send(&shop.topic("decisions"), None, Some(b"no decision"));
    shop.writer.flush();
    shop.record("recording", &["--personal-data"]);
    let (code, text, report) = shop.replay("recording");
    assert_eq!(code, Some(1), "{text}");
    assert_eq!(report["unreadable"], 1, "{text}");
    let differences = report["differences"]["first"].as_array().unwrap();
    assert_eq!(differences.len(), 1, "{text}");
    assert_eq!(differences[0]["decision_id"], decision["decision_id"]);
    assert_eq!(differences[0]["event_id"], "t42");
    assert!(text.contains("error: 1 difference\n"), "{text}");
}

#[test]
fn a_recording_that_is_extended_while_payments_run_is_whole_at_any_time() {
    let mut shop = Shop::new("extended", "exactly_once");
    let mut service = shop.start("state");
    for hundred in 0..4 {
        shop.succeed(&["lists", "add"], &["blocked", &card(hundred)]);
        shop.pay(hundred * 100..hundred * 100 + 100);
        // Some of these are decided, and others are not.
        shop.record("recording", &["--personal-data"]);
        let (code, text, report) = shop.replay("recording");
        let [recorded, ..] = decisions(&report);
        assert!(code == Some(0) || recorded == 0, "{text}");
        assert_eq!(decisions(&report)[3], 0, "{text}");
    }
    shop.wait_for(400, &mut service);
    service.end();
    shop.record("recording", &["--personal-data"]);
    let (code, text, report) = shop.replay("recording");
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(decisions(&report)[2], 414, "{text}");
    assert_eq!(sum(&report["not_compared"]), 0, "{text}");
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(shop.path("recording/manifest.json")).unwrap()).unwrap();
    let topics = manifest["topics"].as_array().unwrap();
    let hops = topics
        .iter()
        .find(|topic| topic["name"].as_str().unwrap().ends_with("hop-shop"));
    assert_eq!(hops.unwrap()["partitions"].as_array().unwrap().len(), PARTITIONS);
}
