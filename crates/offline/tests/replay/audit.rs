//! One decision made again and taken apart.

use crate::shop::{BEGIN, Cut, PAYMENTS, PIPELINE, decode, keep, made_by, of_recording, record, served};
use riskstream_events::OwnedDecisionRecord;
use riskstream_offline::audit::{AuditReport, AuditedDecision, AuditedFeature, AuditedWindow};
use riskstream_offline::recording::Period;
use riskstream_offline::replay::{Replay, ReplayError};
use riskstream_pipeline::Prepared;
use std::collections::BTreeSet;
use std::path::Path;

fn audit(directory: &Path, text: &str, id: &str) -> Result<AuditReport, ReplayError> {
    let replay = of_recording(directory, text);
    replay.audit(id, &mut decode, |_| Ok(Prepared::nothing()), &mut |_, _| true)
}

/// A feature, and the window that it is over.
fn feature<'d>(decision: &'d AuditedDecision, name: &str) -> (&'d AuditedWindow, &'d AuditedFeature) {
    let windows = decision.stages.iter().flat_map(|stage| &stage.windows);
    let mut features = windows.flat_map(|window| window.features.iter().map(move |feature| (window, feature)));
    features.find(|(_, feature)| feature.name == name).unwrap()
}

/// Card, shop and event time in minutes of a payment that was fed.
fn payment(number: usize) -> (usize, usize, i64) {
    let late = match number % 31 {
        5 => 20,
        6 => 300,
        _ => 0,
    };
    (number * 7 % 13, number * 3 % 5, number as i64 - late)
}

/// Payments that count for a payment: those before it within an hour up to its time. Too late ones are not remembered.
fn within_an_hour(number: usize, is_of: impl Fn(usize) -> bool) -> BTreeSet<String> {
    let (_, _, time) = payment(number);
    let counts = |other: &usize| {
        let (.., at) = payment(*other);
        is_of(*other) && (time - 60 < at && at <= time) && (other % 31 != 6 || *other == number)
    };
    (0..=number).filter(counts).map(|other| format!("t{other}")).collect()
}

#[test]
fn each_decision_is_confirmed_and_its_windows_hold_what_they_should() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    record(&driver, directory.path(), &Cut::default(), keep);
    let mut decisions = 0;
    for number in 0..PAYMENTS {
        let report = audit(directory.path(), PIPELINE, &format!("t{number}")).unwrap();
        assert!(report.is_confirmed, "{report:#?}");
        assert_eq!(report.notes, [] as [&str; 0]);
        decisions += report.decisions.len();
        let doubled = number % 37 == 3;
        assert_eq!(report.decisions.len(), 1 + usize::from(doubled), "t{number}");
        let decision = &report.decisions[0];
        let (window, payments) = feature(decision, "payments");
        let ids: BTreeSet<String> = window.events.iter().map(|event| event.id.clone()).collect();
        let (card, ..) = payment(number);
        assert_eq!(
            ids,
            within_an_hour(number, |other| payment(other).0 == card),
            "t{number}: {window:#?}"
        );
        assert_eq!(payments.from_events, window.events.len());
        let (_, spent) = feature(decision, "spent");
        let sum: f64 = spent.entered.iter().map(|value| value.as_f64().unwrap()).sum();
        let close = (spent.from_events.as_f64().unwrap() - sum).abs() < 1e-6;
        assert!(close, "{spent:?}");
        assert_eq!(spent.recorded.as_ref(), Some(&spent.from_events));
    }
    assert_eq!(decisions, driver.decisions().len());
}

#[test]
fn windows_rules_and_what_they_saw_are_listed() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    record(&driver, directory.path(), &Cut::default(), keep);
    let by_event = audit(directory.path(), PIPELINE, "t200").unwrap();
    let report = audit(directory.path(), PIPELINE, &by_event.decision_id).unwrap();
    assert_eq!(report.event_id, "t200");
    let decision = &report.decisions[0];
    let entities: Vec<_> = decision
        .stages
        .iter()
        .map(|stage| (stage.entity.as_str(), stage.key.as_deref()))
        .collect();
    assert_eq!(entities, [("card", Some("c9")), ("shop", Some("s0"))]);
    let (window, spent) = feature(decision, "spent");
    let time = |minutes: i64| {
        let mut text = Vec::new();
        riskstream_events::time::write((BEGIN + minutes * 60_000) * 1000, &mut text);
        String::from_utf8(text).unwrap()
    };
    assert_eq!((&window.after, &window.through), (&Some(time(140)), &time(200)));
    // Payments of a card are multiples of 13 minutes apart. t161 came too late to be remembered.
    let ids: Vec<_> = window.events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["t148", "t174", "t187", "t200"]);
    assert_eq!((spent.aggregation, spent.of.as_deref()), ("sum", Some("amount")));
    let entered: Vec<_> = spent.entered.iter().map(|value| value.as_f64().unwrap()).collect();
    assert_eq!(entered, [12.1, 4.1, 0.1, 13.1]);
    assert_eq!(spent.from_events, 29.4);
    let (window, frauds) = feature(decision, "frauds");
    assert_eq!(
        (window.input.as_str(), frauds.when.as_deref()),
        ("labels", Some("fraud"))
    );
    assert!(frauds.entered.iter().all(|value| *value == 1), "{frauds:?}");
    let rule = &decision.rules[0];
    assert_eq!((rule.name.as_str(), rule.when.as_str()), ("often", "payments > 3"));
    assert_eq!(rule.read["payments"], 4);
    assert!(rule.holds && rule.fired && decision.decision.outcome == "decline");
}

#[test]
fn another_decision_or_window_than_the_recorded_one_is_not_confirmed() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    let change = |mut decision: OwnedDecisionRecord| {
        match decision.event_id.as_str() {
            "t100" => decision.outcome = "review".to_owned(),
            "t101" => return vec![],
            "t102" => return vec![decision.clone(), decision],
            _ => {}
        }
        vec![decision]
    };
    record(&driver, directory.path(), &Cut::default(), change);
    let report = audit(directory.path(), PIPELINE, "t100").unwrap();
    assert!(!report.is_confirmed && !report.decisions[0].is_identical);
    let fields: Vec<_> = report.decisions[0]
        .differences
        .iter()
        .map(|found| found.field.as_str())
        .collect();
    assert_eq!(fields, ["outcome"]);
    let error = audit(directory.path(), PIPELINE, "t101").unwrap_err();
    assert!(error.to_string().contains("holds no decision on t101"), "{error}");
    // As `at_least_once` repeats decisions.
    let report = audit(directory.path(), PIPELINE, "t102").unwrap();
    assert!(report.is_confirmed && report.not_made_again.is_empty(), "{report:#?}");

    // A service whose windows are a second wider, one of each stage: what it recorded is not what the events give.
    for (feature_name, changed) in [
        ("at_shop", "at_shop: {entity: shop, count: transactions, window: 3601s}"),
        (
            "payments",
            "payments: {entity: card, count: transactions, window: 3901s}",
        ),
    ] {
        let (before, _) = changed.split_once(" window").unwrap();
        let changed = PIPELINE.replace(&format!("{before} window: 1h}}"), changed);
        assert_ne!(changed, PIPELINE);
        let directory = tempfile::tempdir().unwrap();
        record(&driver, directory.path(), &Cut::default(), made_by(&changed));
        let report = audit(directory.path(), &changed, "t200").unwrap();
        assert!(!report.is_confirmed);
        let (_, found) = feature(&report.decisions[0], feature_name);
        assert!(
            !found.is_confirmed && found.from_events == found.from_state,
            "{found:?}"
        );
        assert_ne!(Some(&found.from_state), found.recorded.as_ref());
        let (_, other) = feature(&report.decisions[0], "spent");
        assert!(other.is_confirmed, "{other:?}");
    }
}

#[test]
fn a_stage_whose_log_is_not_recorded_is_said_to_be_left_out() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    let cut = Cut {
        left_out: vec!["shop-hop-card"],
        ..Cut::default()
    };
    record(&driver, directory.path(), &cut, keep);
    let report = audit(directory.path(), PIPELINE, "t77").unwrap();
    let [card, shop] = &report.decisions[0].stages[..] else {
        panic!("{report:#?}")
    };
    assert!(card.left_out.as_ref().unwrap().contains("shop-hop-card"), "{card:?}");
    assert!(card.windows.is_empty() && shop.left_out.is_none() && shop.windows.len() == 2);
    assert!(report.is_confirmed, "{report:#?}");
}

#[test]
fn a_decision_is_found_within_the_time_in_which_it_was_written() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    record(&driver, directory.path(), &Cut::default(), keep);
    // The test's log has no times of what the service wrote: its offsets stand for them.
    let audit = |since, until| {
        let replay = Replay {
            period: Period { since, until },
            ..of_recording(directory.path(), PIPELINE)
        };
        replay.audit("t200", &mut decode, |_| Ok(Prepared::nothing()), &mut |_, _| true)
    };
    let offset = audit(None, None).unwrap().decisions[0]
        .recorded
        .as_ref()
        .unwrap()
        .offset;
    assert!(audit(Some(offset), Some(offset + 1)).unwrap().is_confirmed);
    for (since, until) in [(Some(offset + 1), None), (None, Some(offset))] {
        let error = audit(since, until).unwrap_err();
        assert!(error.to_string().contains("holds no decision on t200"), "{error}");
    }
}
