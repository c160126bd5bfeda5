//! `riskstream replay --decision` of what the service has decided.

use crate::replay::eventful;
use crate::shop::{Shop, card, late};
use serde_json::Value;
use std::collections::BTreeSet;

/// Runs `riskstream replay --decision` on a recording: exit code, text, and the report.
fn audit(shop: &Shop, id: &str) -> (Option<i32>, String, Value) {
    shop.report("replay", "recording", &["--decision", id])
}

/// The window and the feature with this name.
fn feature<'r>(decision: &'r Value, name: &str) -> (&'r Value, &'r Value) {
    let stages = decision["stages"].as_array().unwrap().iter();
    for window in stages.flat_map(|stage| stage["windows"].as_array().unwrap()) {
        let features = window["features"].as_array().unwrap();
        if let Some(found) = features.iter().find(|feature| feature["name"] == name) {
            return (window, found);
        }
    }
    panic!("no feature {name}: {decision}");
}

/// Event time in seconds since the first payment.
fn time(number: u64) -> i64 {
    number as i64 - late(number) as i64
}

/// The payments of a card that count for a payment: those of the last `width` seconds that came before it.
fn of_card(number: u64, width: i64) -> BTreeSet<String> {
    let counts = |other: &u64| {
        card(*other) == card(number) && time(number) - width < time(*other) && time(*other) <= time(number)
    };
    (0..=number).filter(counts).map(|other| format!("t{other}")).collect()
}

#[test]
fn decisions_of_an_eventful_run_are_confirmed_one_by_one() {
    let mut shop = Shop::new("audited", "exactly_once");
    eventful(&mut shop);
    shop.record("recording", &[]);
    // On time, late, sent twice, around the roll-out, and after the kill and the loss of state.
    for number in [0, 42, 30, 32, 299, 350, 468, 599] {
        let id = format!("t{number}");
        let (code, text, report) = audit(&shop, &id);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("\nconfirmed\n"), "{text}");
        let decisions = report["decisions"].as_array().unwrap();
        assert_eq!(decisions.len(), if number % 29 == 3 { 2 } else { 1 }, "{text}");
        for decision in decisions {
            assert_eq!(decision["is_identical"], true, "{text}");
            assert_eq!(decision["decision"]["rollout"], u64::from(number >= 300), "{text}");
            // The inputs hold card numbers and are not recorded: the stage of cards reads rows with pseudonyms.
            for (name, width) in [("payments", 60), ("spent", 86_400)] {
                let (window, found) = feature(decision, name);
                let events = window["events"].as_array().unwrap();
                let ids: BTreeSet<String> = events
                    .iter()
                    .map(|event| event["id"].as_str().unwrap().to_owned())
                    .collect();
                assert_eq!(ids, of_card(number, width), "{name} of {id}: {text}");
                assert_eq!(found["is_confirmed"], true, "{text}");
                assert_eq!(found["from_events"], decision["decision"]["features"][name], "{text}");
            }
            let (_, spent) = feature(decision, "spent");
            let entered = spent["entered"].as_array().unwrap().iter();
            let sum: f64 = entered.map(|amount| amount.as_f64().unwrap()).sum();
            assert_eq!(spent["from_events"], sum, "amounts are whole: {text}");
        }
        assert!(!text.contains("4000000000"), "card numbers are pseudonyms: {text}");
        assert!(!report.to_string().contains("4000000000"));
    }
    // Within the time in which it was written.
    let (code, text, _) = shop.report("replay", "recording", &["--decision", "t42", "--since", "1d"]);
    assert!(code == Some(0) && text.contains("\nconfirmed\n"), "{text}");
    let before = ["--decision", "t42", "--until", "2026-01-01", "--recording"];
    let recording = shop.path("recording");
    let (code, out, errors) = shop.run(&["replay"], &[&before[..], &[recording.to_str().unwrap()]].concat());
    assert!(
        code == Some(2) && errors.contains("that was written in the period"),
        "{out}{errors}"
    );
    // From the topics it is the same.
    let out = shop.succeed(&["replay"], &["--decision", "t350"]);
    let (_, text, _) = audit(&shop, "t350");
    assert!(text.contains(&*out), "{out}\n{text}");
}

#[test]
fn the_rules_of_a_decision_saw_the_list_that_was_in_force() {
    let mut shop = Shop::new("listed", "exactly_once");
    eventful(&mut shop);
    shop.record("recording", &["--personal-data"]);
    let blocked = |number: u64| {
        let (code, text, report) = audit(&shop, &format!("t{number}"));
        assert_eq!(code, Some(0), "{text}");
        let rule = report["decisions"][0]["rules"][0].clone();
        assert_eq!(rule["name"], "blocked");
        let offset = report["decisions"][0]["lists"][0]["offset"].as_i64().unwrap();
        assert_eq!(rule["holds"], rule["read"]["card in blocked"], "{text}");
        (rule["fired"].as_bool().unwrap(), offset)
    };
    // Card 3 was put on the list at some payment from the 200th on, and taken off after the 500th.
    let of_card_3: Vec<u64> = (0..600).filter(|number| card(*number) == card(3)).collect();
    let found: Vec<(bool, i64)> = of_card_3.iter().step_by(6).map(|number| blocked(*number)).collect();
    assert_eq!(found.first(), Some(&(false, 0)));
    assert!(found.iter().any(|(fired, _)| *fired), "{found:?}");
    assert!(
        found.windows(2).all(|two| two[0].1 <= two[1].1),
        "versions grow: {found:?}"
    );
    assert!(
        found.iter().all(|(fired, offset)| *fired == (*offset == 1)),
        "{found:?}"
    );
}

#[test]
fn a_decision_that_somebody_has_changed_is_not_confirmed() {
    let mut shop = Shop::new("forged", "exactly_once");
    let mut service = shop.start("state");
    shop.pay(0..60);
    shop.wait_for(60, &mut service);
    service.end();
    shop.forge("t42", |decision| decision["features"]["payments"] = 1.into());
    shop.record("recording", &["--personal-data"]);
    let (code, text, report) = audit(&shop, "t42");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("NOT CONFIRMED"), "{text}");
    assert_eq!(report["is_confirmed"], false);
    let not_made = report["not_made_again"].as_array().unwrap();
    assert_eq!(
        not_made.len(),
        1,
        "one is the decision, and one was made by nobody: {text}"
    );
    assert_eq!(not_made[0]["decision"]["features"]["payments"], 1);
    let (code, text, _) = audit(&shop, "t41");
    assert_eq!(code, Some(0), "{text}");
    let recording = shop.path("recording");
    let further = ["--decision", "t99999", "--recording", recording.to_str().unwrap()];
    let (code, out, errors) = shop.run(&["replay"], &further);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{errors}");
    assert!(errors.contains("holds no decision on t99999"), "{errors}");
}
