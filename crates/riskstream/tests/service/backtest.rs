//! `riskstream backtest`: small histories, worked by hand.

use crate::support::process::run;
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

/// `country` is declared and not used by the pipeline.
const PIPELINE: &str = "
name: shop
inputs:
  transactions:
    topic: payments
    id: id
    event_time: time
    fields: {id: text, time: timestamp, card: text, amount: float, country: text}
entities: {card: {key: card}}
features:
  payments: {entity: card, count: transactions, window: 7d}
rules:
  - {name: large, when: amount > 100.0, then: review, reason: LARGE}
  - {name: often, when: payments > 2, then: decline, reason: OFTEN}
  - {name: never, when: amount > 1e6, then: decline, reason: NEVER}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

/// Not in the order of time. p6 has no label; p1 is there twice.
const PAYMENTS: &str = "id,time,card,amount,country
p3,2026-03-01T12:00:00Z,a,200,DE
p1,2026-03-01T10:00:00Z,a,10,DE
p2,2026-03-01T11:00:00Z,a,150,FR
p4,2026-03-02T10:00:00Z,b,300,FR
p5,2026-03-02T11:00:00Z,b,20,DE
p6,2026-03-03T10:00:00Z,c,500,FR
p1,2026-03-03T11:00:00Z,d,1,DE
";

const LABELS: &str = "id,fraud,known
p1,false,2026-03-08T10:00:00Z
p2,true,2026-03-08T11:00:00Z
p3,true,2026-03-08T12:00:00Z
p4,false,2026-03-09T10:00:00Z
p5,true,2026-03-20T11:00:00Z
p5,false,2026-03-09T11:00:00Z
p9,true,2026-03-09T11:00:00Z
";

fn history() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let files = [
        ("pipeline.yaml", PIPELINE),
        ("payments.csv", PAYMENTS),
        ("labels.csv", LABELS),
    ];
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

/// Runs the command on files of the directory: exit code, standard output, standard error.
fn backtest(directory: &Path, further: &[&str]) -> (Option<i32>, String, String) {
    let arguments = [
        "backtest",
        "DIR/pipeline.yaml",
        "--input",
        "DIR/payments.csv",
        "--label-time",
        "known",
    ];
    let arguments: Vec<String> = arguments
        .iter()
        .chain(further)
        .map(|argument| argument.replace("DIR", directory.to_str().unwrap()))
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run(&arguments, &[])
}

fn report(directory: &Path, further: &[&str]) -> Value {
    let arguments = [&["--labels", "DIR/labels.csv", "--json", "DIR/report.json"], further].concat();
    let (code, _, errors) = backtest(directory, &arguments);
    assert_eq!(code, Some(0), "{errors}");
    serde_json::from_slice(&std::fs::read(directory.join("report.json")).unwrap()).unwrap()
}

#[test]
fn outcomes_rules_and_segments_are_those_worked_by_hand() {
    let directory = history();
    let report = report(
        directory.path(),
        &["--by", "country", "--cost-alert", "5", "--html", "DIR/report.html"],
    );
    assert_eq!(
        (
            &report["payments"],
            &report["judged"],
            &report["frauds"],
            &report["unlabelled"]
        ),
        (&7.into(), &5.into(), &3.into(), &1.into())
    );
    assert_eq!(report["fraud_amount"], 370.0);
    assert_eq!(report["repeated"]["first"][0], "`p1` at 2026-03-03T11:00:00Z");
    assert_eq!(report["repeated_labels"]["count"], 1);
    let missed = report["labels_without_payment"]["first"][0].as_str().unwrap();
    assert!(missed.ends_with("labels.csv record 7: `p9`"), "{missed}");
    let variant = &report["variants"][0];
    let counts = |outcome: &str| {
        let judged = &variant["outcomes"][outcome];
        ["payments", "judged", "frauds"].map(|count| judged[count].as_u64().unwrap())
    };
    // p3 is the third payment of its card: declined, and large. p2, p4, p6 are large. p5 is a fraud that nobody sees.
    assert_eq!(counts("decline"), [1, 1, 1]);
    assert_eq!(counts("review"), [3, 2, 1]);
    assert_eq!(counts("approve"), [3, 2, 1]);
    let large = &variant["rules"]["fired"][0];
    assert_eq!(
        (&large["hits"]["payments"], &large["unique_hits"]["payments"]),
        (&4.into(), &3.into())
    );
    assert_eq!(large["precision"], 2.0 / 3.0);
    assert_eq!(large["recall"], 2.0 / 3.0);
    assert_eq!(variant["rules"]["never_fired"], serde_json::json!(["never"]));
    assert_eq!(
        variant["rules"]["overlaps"],
        serde_json::json!([{"a": "large", "b": "often", "payments": 1}])
    );
    let segments = &variant["segments"][0];
    assert_eq!(segments["rows"][0]["segment"], "DE");
    assert_eq!(segments["rows"][1]["review"]["payments"], 3);
    assert_eq!(variant["no_scores"], "no model gives a score");
    let days: Vec<&str> = variant["days"]
        .as_array()
        .unwrap()
        .iter()
        .map(|day| day["day"].as_str().unwrap())
        .collect();
    assert_eq!(days, ["2026-03-01", "2026-03-02", "2026-03-03"]);
    let page = std::fs::read_to_string(directory.path().join("report.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && !page.contains("http"), "{page}");
}

#[test]
fn as_of_a_time_only_what_was_known_counts() {
    let directory = history();
    let report = report(directory.path(), &["--as-of", "2026-03-08T11:00:00Z"]);
    assert_eq!(
        (&report["judged"], &report["frauds"], &report["too_young"]),
        (&2.into(), &1.into(), &3.into())
    );
    let early = self::report(directory.path(), &["--as-of", "2026-03-02T10:00:00Z"]);
    assert_eq!(
        (&early["payments"], &early["outside_period"], &early["too_young"]),
        (&4.into(), &3.into(), &4.into())
    );
    let before_the_correction = self::report(directory.path(), &["--as-of", "2026-03-10"]);
    assert_eq!(before_the_correction["frauds"], 2);
}

#[test]
fn a_payment_without_a_label_becomes_genuine() {
    let directory = history();
    let judged = |age: &str| report(directory.path(), &["--genuine-after", age])["judged"].clone();
    // The newest payment is an hour after p6.
    assert_eq!((judged("1h"), judged("2h")), (6.into(), 5.into()));
}

#[test]
fn another_pipeline_changes_outcomes_whether_its_features_are_the_same_or_not() {
    let directory = history();
    let same = PIPELINE.replace("amount > 100.0", "country == 'FR'");
    let other = PIPELINE.replace("window: 7d", "window: 1h");
    std::fs::write(directory.path().join("same.yaml"), same).unwrap();
    std::fs::write(directory.path().join("other.yaml"), other).unwrap();
    let against = ["--against", "DIR/same.yaml", "--against", "DIR/other.yaml"];
    let report = report(directory.path(), &against);
    let changed = |place: usize| &report["comparisons"][place]["changed"];
    // By country p3 stays declined and p2, p4, p6 reviewed: nothing changes, but `large` is alone in p3 no more.
    assert_eq!(changed(0)["payments"], 0);
    assert_eq!(report["variants"][1]["rules"]["fired"][0]["unique_hits"]["payments"], 3);
    // A window of an hour never holds three payments: p3 is only large.
    assert_eq!(
        (&changed(1)["payments"], &changed(1)["fraud_amount"]),
        (&1.into(), &200.0.into())
    );
    let moved = &report["comparisons"][1]["moved"][0];
    assert_eq!(
        (&moved["id"], &moved["base"]["reasons"][1]),
        (&"p3".into(), &"often".into())
    );
    assert_eq!(moved["variant"]["reasons"], serde_json::json!(["large"]));
    let (_, _, errors) = backtest(
        directory.path(),
        &[&["--labels", "DIR/labels.csv"], &against[..]].concat(),
    );
    let again: Vec<&str> = errors.lines().filter(|line| line.contains("read again")).collect();
    assert_eq!(
        again,
        ["other.yaml: its features are others, so the files are read again"]
    );
}

/// `decline` is the third outcome of one pipeline and the fourth of the other.
#[test]
fn outcomes_of_pipelines_with_different_lists_are_compared_by_their_words() {
    let directory = history();
    let four = format!("{PIPELINE}outcomes: [approve, challenge, review, decline]\n").replace(
        "{name: never, when: amount > 1e6, then: decline, reason: NEVER}",
        "{name: small, when: amount < 15.0, then: challenge, reason: SMALL}",
    );
    std::fs::write(directory.path().join("four.yaml"), four).unwrap();
    let report = report(directory.path(), &["--against", "DIR/four.yaml"]);
    let comparison = &report["comparisons"][0];
    // The payments of 10 and 1: only they move.
    let change = &comparison["changes"][0];
    assert_eq!(
        (&change["from"], &change["to"]),
        (&"approve".into(), &"challenge".into())
    );
    assert_eq!(comparison["changes"].as_array().unwrap().len(), 1);
    let moved = comparison["moved"].as_array().unwrap();
    assert!(
        moved.iter().all(|moved| moved["variant"]["outcome"] == "challenge"),
        "{moved:?}"
    );
    assert_eq!(change["payments"], moved.len());
    let outcomes = &report["variants"][1]["outcomes"];
    assert_eq!(
        (&outcomes["review"]["payments"], &outcomes["decline"]["payments"]),
        (&3.into(), &1.into())
    );
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_written() {
    let directory = history();
    std::fs::write(directory.path().join("empty.csv"), "id,fraud,known\n").unwrap();
    std::fs::write(directory.path().join("none.csv"), "id,time,card,amount,country\n").unwrap();
    let labels = ["--labels", "DIR/labels.csv"];
    #[rustfmt::skip]
    let cases: [(&[&str], i32, &str); 9] = [
        (&["--labels", "DIR/nowhere.csv"], 2, "no such file"),
        (&["--labels", "DIR/empty.csv"], 1, "there is no label in the files of --labels"),
        (&["--labels", "DIR/labels.csv", "--label-fraud", "frauds"], 2, "there is no column `frauds` (did you mean `fraud`?)"),
        (&[labels[0], labels[1], "--by", "contry"], 2, "declare a field under `inputs.transactions.fields`"),
        (&[labels[0], labels[1], "--amount", "card"], 2, "it is a text, not a number"),
        (&[labels[0], labels[1], "--card", "terminal"], 2, "it has card"),
        (&[labels[0], labels[1], "--model", "DIR/x.onnx"], 2, "the pipeline has no model"),
        (&[labels[0], labels[1], "--from", "2027-01-01"], 1, "no payment was decided in the period"),
        (&[labels[0], labels[1], "--as-of", "soon"], 2, "write a date or a time"),
    ];
    for (arguments, expected, message) in cases {
        let arguments = [arguments, &["--json", "DIR/report.json", "--html", "DIR/report.html"]].concat();
        let (code, _, errors) = backtest(directory.path(), &arguments);
        assert_eq!(code, Some(expected), "{arguments:?}: {errors}");
        assert!(errors.contains(message), "{arguments:?}: {errors}");
        let names = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let written: Vec<_> = names.filter(|name| name.to_string_lossy().contains("report")).collect();
        assert!(written.is_empty(), "{arguments:?}: {written:?}");
    }
}

/// A roll-out of rules decides over the same features: what an analyst looks at before shipping them.
#[test]
fn a_rollout_of_rules_is_a_variant() {
    let directory = history();
    let rollout = "
rules:
  - {name: french, when: country_of == 'FR', then: decline, reason: FR}
  - {name: tiny, when: amount < tenth, then: review, reason: TINY, mode: shadow}
features:
  tenth: {expression: 100.0 / 10.0 + 1.0}
";
    let pipeline = PIPELINE.replace("window: 7d}\n", "window: 7d}\n  country_of: {expression: country}\n");
    std::fs::write(directory.path().join("pipeline.yaml"), pipeline).unwrap();
    std::fs::write(directory.path().join("rules.yaml"), rollout).unwrap();
    let report = report(directory.path(), &["--rollout", "DIR/rules.yaml"]);
    let variant = &report["variants"][1];
    assert_eq!(variant["name"], "rules.yaml");
    let fired = variant["rules"]["fired"].as_array().unwrap();
    let fired: Vec<(&str, &str, u64)> = fired
        .iter()
        .map(|rule| {
            let text = |key: &str| rule[key].as_str().unwrap();
            (text("name"), text("mode"), rule["hits"]["payments"].as_u64().unwrap())
        })
        .collect();
    // p2, p4 and p6 are French; p1 is less than 11, both times.
    assert_eq!(fired, [("french", "active", 3), ("tiny", "shadow", 2)]);
}
