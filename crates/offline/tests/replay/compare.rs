//! All decisions made again: equal, or each difference is found and nothing else.

use crate::shop::{Cut, PAYMENTS, PIPELINE, decode, keep, made_by, of_recording, record, served};
use riskstream_events::OwnedDecisionRecord;
use riskstream_offline::recording::Period;
use riskstream_offline::replay::{Replay, ReplayError, ReplayReport};
use riskstream_pipeline::Prepared;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn replay(directory: &Path, text: &str) -> Result<ReplayReport, ReplayError> {
    of_recording(directory, text).run(&mut decode, |_| Ok(Prepared::nothing()), &mut |_, _| true)
}

/// The ids of events and the fields in which decisions differ.
fn found(report: &ReplayReport) -> BTreeSet<(String, String)> {
    let differences = report.outcome.differences.first.iter();
    let found = differences.map(|difference| (difference.event_id.clone(), difference.field.clone()));
    found.collect()
}

#[test]
fn decisions_and_rows_that_are_made_again_are_those_that_were_made() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    record(&driver, directory.path(), &Cut::default(), keep);
    let report = replay(directory.path(), PIPELINE).unwrap();
    let outcome = &report.outcome;
    assert_eq!(outcome.differences.first, []);
    assert_eq!(outcome.not_compared, BTreeMap::new());
    assert_eq!(report.notes, [] as [&str; 0]);
    let decided = driver.decisions().len() as u64;
    assert!(decided > PAYMENTS as u64, "some payments are doubled");
    assert_eq!(
        (
            outcome.decisions.recorded,
            outcome.decisions.again,
            outcome.decisions.equal
        ),
        (decided, decided, decided)
    );
    for entity in ["card", "shop"] {
        let rows = &outcome.rows[entity];
        assert!(
            rows.recorded >= decided && rows.equal == rows.recorded && rows.again == rows.recorded,
            "{rows:?}"
        );
    }
}

#[test]
fn each_planted_difference_is_found_and_nothing_else() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    let change = |mut decision: OwnedDecisionRecord| match decision.event_id.as_str() {
        "t100" => {
            let (_, value) = decision.features.iter_mut().find(|(name, _)| name == "spent").unwrap();
            *value = riskstream_events::FeatureValue::Float(f64::from_bits(4_607_182_418_800_017_409));
            vec![decision]
        }
        "t101" => {
            decision.outcome = "review".to_owned();
            decision.flags.push("late".to_owned());
            vec![decision]
        }
        // Lost, and repeated as `at_least_once` does.
        "t102" => vec![],
        "t104" => vec![decision.clone(), decision],
        // One that nobody has made.
        "t105" => {
            let mut other = decision.clone();
            (other.event_id, other.decision_id) = ("t9000".to_owned(), format!("{:032x}", 9000));
            vec![decision, other]
        }
        // What may differ.
        "t106" => {
            decision.binary_version = "0.0.1".to_owned();
            decision.latency = None;
            vec![decision]
        }
        _ => vec![decision],
    };
    record(&driver, directory.path(), &Cut::default(), change);
    let report = replay(directory.path(), PIPELINE).unwrap();
    let text = |id: &str, field: &str| (id.to_owned(), field.to_owned());
    let expected = BTreeSet::from([
        text("t100", "features.spent"),
        text("t101", "outcome"),
        text("t101", "flags"),
        text("t102", ""),
        text("t9000", ""),
    ]);
    assert_eq!(found(&report), expected);
    let outcome = &report.outcome;
    assert_eq!((outcome.differences.count, outcome.decisions.different), (5, 4));
    assert_eq!(
        outcome.not_compared.values().sum::<u64>(),
        1,
        "{:?}",
        outcome.not_compared
    );
    assert_eq!(outcome.versions["0.0.1"], 1);
    let lost = outcome
        .differences
        .first
        .iter()
        .find(|difference| difference.event_id == "t102");
    assert_eq!(
        (&lost.unwrap().recorded, lost.unwrap().again.as_deref()),
        (&None, Some("a decision"))
    );
}

#[test]
fn a_window_that_is_off_by_a_second_is_found_where_it_matters() {
    let driver = served();
    let changed = "at_shop: {entity: shop, count: transactions, window: 3601s}";
    let changed = PIPELINE.replace("at_shop: {entity: shop, count: transactions, window: 1h}", changed);
    let directory = tempfile::tempdir().unwrap();
    record(&driver, directory.path(), &Cut::default(), made_by(&changed));
    let report = replay(directory.path(), &changed).unwrap();
    // Payments of a shop are multiples of five minutes apart: one that is an hour old is outside the one window and inside the other.
    let fields: Vec<_> = report.outcome.differences.by_field.keys().cloned().collect();
    assert_eq!(fields, ["decision: features.at_shop"]);
    assert_eq!(differing(&report), ["at_shop"]);
    let check = report.features.iter().find(|check| check.feature == "at_shop").unwrap();
    // Late payments share their minute with others.
    assert_eq!(
        (check.compared, check.largest),
        (driver.decisions().len() as u64, Some(2.0))
    );
    assert!(check.worst.iter().all(|worst| worst.decision_id.is_some()));
    assert!(check.worst.is_sorted_by(|one, other| one.by >= other.by) && check.worst.len() == 5);
    assert!(
        report.outcome.decisions.different > PAYMENTS as u64 / 2,
        "{:?}",
        report.outcome.decisions
    );
    for difference in &report.outcome.differences.first {
        let number = |text: &Option<String>| text.as_ref().unwrap().parse::<i64>().unwrap();
        assert!(
            number(&difference.again) > number(&difference.recorded),
            "{difference:?}"
        );
    }
    // A feature of the first stage is in the rows in front of the second. Payments of a card are multiples of 13 minutes apart.
    let changed = PIPELINE.replace(
        "count: transactions, window: 1h}\n  spent",
        "count: transactions, window: 3901s}\n  spent",
    );
    let directory = tempfile::tempdir().unwrap();
    record(&driver, directory.path(), &Cut::default(), made_by(&changed));
    let report = replay(directory.path(), &changed).unwrap();
    assert!(
        report.outcome.differences.by_field["rows to shop: payments"] > PAYMENTS as u64 / 2,
        "{:?}",
        report.outcome.rows
    );
    assert_eq!(
        report.outcome.decisions.different, 0,
        "decisions are made from the recorded rows"
    );
    assert_eq!(differing(&report), ["payments"]);
    let check = &report.features[0];
    assert_eq!(
        (check.entity.as_deref(), check.compared_in.as_deref()),
        (Some("card"), Some("rows to shop"))
    );
    assert_eq!(
        check.compared,
        driver.decisions().len() as u64,
        "labels are rows, and no transactions"
    );
}

#[test]
fn only_decisions_of_the_period_are_compared() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    let change = |mut decision: OwnedDecisionRecord| {
        decision.outcome = "review".to_owned();
        vec![decision]
    };
    record(&driver, directory.path(), &Cut::default(), change);
    let compared = |period: Period| {
        let replay = Replay {
            period,
            ..of_recording(directory.path(), PIPELINE)
        };
        let report = replay
            .run(&mut decode, |_| Ok(Prepared::nothing()), &mut |_, _| true)
            .unwrap();
        let outcome = report.outcome;
        let outside = outcome
            .not_compared
            .get("decisions written outside the period")
            .copied();
        assert_eq!(outcome.decisions.equal, 0);
        assert_eq!(outcome.differences.count, outcome.decisions.different);
        (
            outcome.decisions.different,
            outside.unwrap_or(0),
            report.features[1].compared,
        )
    };
    let decided = driver.decisions().len() as u64;
    let (all, outside, _) = compared(Period::default());
    assert_eq!((all, outside), (decided, 0));
    // The test's log has no times of what the service wrote: its offsets stand for them.
    let (since, until) = (
        Period {
            since: Some(100),
            until: None,
        },
        Period {
            since: None,
            until: Some(100),
        },
    );
    let (later, outside, rows) = compared(since);
    assert_eq!(later, decided - 3 * 100);
    assert!(rows < decided, "{rows}");
    assert_eq!(later + outside, decided);
    assert_eq!(compared(until).0, outside);
}

/// The features that differ.
fn differing(report: &ReplayReport) -> Vec<&str> {
    let features = report.features.iter().filter(|check| check.different > 0);
    features.map(|check| check.feature.as_str()).collect()
}

#[test]
fn another_version_of_the_file_is_not_compared() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    record(&driver, directory.path(), &Cut::default(), keep);
    let report = replay(directory.path(), &PIPELINE.replace("payments > 3", "payments > 4")).unwrap();
    assert_eq!((report.compared(), report.outcome.differences.count), (0, 0));
    let decided = driver.decisions().len() as u64;
    assert_eq!(
        report.outcome.not_compared.values().copied().collect::<Vec<_>>(),
        [decided]
    );
}

#[test]
fn what_was_not_decided_yet_is_counted() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    let cut = Cut {
        undecided: 20,
        ..Cut::default()
    };
    let mut left_out = 0;
    // The decisions on the last payments are not there.
    let change = |decision: OwnedDecisionRecord| {
        let number: usize = decision.event_id[1..].parse().unwrap();
        let is_last = number + 2 >= PAYMENTS;
        left_out += u64::from(is_last);
        (!is_last).then_some(decision).into_iter().collect()
    };
    record(&driver, directory.path(), &cut, change);
    let report = replay(directory.path(), PIPELINE).unwrap();
    let missing = report.outcome.differences.count;
    let counted = report.outcome.not_compared.values().sum::<u64>();
    assert_eq!(missing + counted, left_out, "{:?}", report.outcome);
    assert!(counted > 0, "{:?}", report.outcome);
}

#[test]
fn without_inputs_decisions_are_made_again_and_rows_to_the_first_stage_are_not() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    let cut = Cut {
        left_out: vec!["transactions", "labels"],
        ..Cut::default()
    };
    record(&driver, directory.path(), &cut, keep);
    let report = replay(directory.path(), PIPELINE).unwrap();
    assert_eq!(report.outcome.differences.count, 0);
    assert_eq!(report.outcome.decisions.equal, driver.decisions().len() as u64);
    assert_eq!(report.outcome.rows.keys().collect::<Vec<_>>(), ["shop"]);
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
    let cut = Cut {
        left_out: vec!["shop-hop-shop"],
        ..Cut::default()
    };
    let directory = tempfile::tempdir().unwrap();
    record(&driver, directory.path(), &cut, keep);
    let error = replay(directory.path(), PIPELINE).unwrap_err();
    assert!(matches!(error, ReplayError::Nothing(_)), "{error}");
}

#[test]
fn without_the_beginning_of_the_log_what_cannot_be_compared_is_counted() {
    let driver = served();
    let directory = tempfile::tempdir().unwrap();
    let cut = Cut {
        begins: BTreeMap::from([("shop-hop-shop", 3)]),
        ..Cut::default()
    };
    record(&driver, directory.path(), &cut, keep);
    let report = replay(directory.path(), PIPELINE).unwrap();
    let outcome = &report.outcome;
    assert_eq!(outcome.differences.first, []);
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("is recorded from offset 3")),
        "{:?}",
        report.notes
    );
    let left_out: u64 = outcome
        .not_compared
        .iter()
        .filter(|(why, _)| why.starts_with("decisions"))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(
        outcome.decisions.equal + left_out,
        outcome.decisions.recorded,
        "{outcome:?}"
    );
    assert!(left_out > 0, "{outcome:?}");
}
