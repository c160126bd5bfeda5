//! `riskstream rules report`: what rules found, from the topics of decisions and labels.

use crate::support::kafka::{Reader, Writer, brokers, create_topics_of, delete_topics};
use crate::support::process::{Service, run};
use crate::support::unique;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const PAYMENTS: u64 = 90;

fn pipeline(directory: &Path, name: &str, brokers: &str) -> PathBuf {
    let path = directory.join("pipeline.yaml");
    let text = format!(
        "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, card: text, amount: float}}
  labels:
    topic: {name}-labels
    id: id
    event_time: known_at
    fields: {{id: text, card: text, fraud: bool, known_at: timestamp}}
entities: {{card: {{key: card}}}}
features:
  card_payments: {{entity: card, count: transactions, window: 7d}}
  card_frauds: {{entity: card, count: labels, window: 7d, when: fraud}}
  paid: {{expression: amount}}
rules:
  - {{name: large, when: amount > 600, then: decline}}
  - {{name: third_card, when: 'card == \"card-2\"', then: review}}
  - {{name: larger, when: amount > 800, then: decline, mode: shadow}}
  - {{name: negative, when: amount < 0, then: review}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: \"{brokers}\"}}
"
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn amount(n: u64) -> f64 {
    (n * 10) as f64 + 0.5
}

fn is_of_third_card(n: u64) -> bool {
    n % 3 == 2
}

/// Every fifth payment has no label.
fn fraud(n: u64) -> Option<bool> {
    (!n.is_multiple_of(5)).then_some(n.is_multiple_of(4))
}

fn write_payments(writer: &Writer, name: &str) {
    for n in 0..PAYMENTS {
        let time = 1_767_225_600_000 + n * 60_000;
        let payment =
            json!({"id": format!("p-{n}"), "time": time, "card": format!("card-{}", n % 3), "amount": amount(n)});
        let card = format!("card-{}", n % 3);
        let text = payment.to_string();
        writer.send(
            &format!("{name}-transactions"),
            Some(card.as_bytes()),
            Some(text.as_bytes()),
        );
        if let Some(fraud) = fraud(n) {
            let label =
                json!({"id": format!("p-{n}"), "card": card, "fraud": fraud, "known_at": time + 600_000}).to_string();
            writer.send(&format!("{name}-labels"), None, Some(label.as_bytes()));
        }
    }
    writer.send(&format!("{name}-labels"), None, Some(b"no label"));
    writer.flush();
}

/// What a rule found that fires for `fires`, as the report counts it.
fn found(fires: impl Fn(u64) -> bool) -> Value {
    let of: Vec<u64> = (0..PAYMENTS).filter(|n| fires(*n)).collect();
    let frauds: Vec<u64> = of.iter().copied().filter(|n| fraud(*n) == Some(true)).collect();
    json!({
        "payments": of.len(),
        "amount": of.iter().map(|n| amount(*n)).sum::<f64>(),
        "judged": of.iter().filter(|n| fraud(**n).is_some()).count(),
        "frauds": frauds.len(),
        "fraud_amount": frauds.iter().map(|n| amount(*n)).sum::<f64>(),
    })
}

#[test]
fn the_report_counts_what_rules_found_and_judges_it_by_labels() {
    let (brokers, name) = (brokers(), unique("rules"));
    let directory = tempfile::tempdir().unwrap();
    let path = pipeline(directory.path(), &name, &brokers);
    let file = path.to_str().unwrap();
    create_topics_of(&path, 2, &[]);
    write_payments(&Writer::new(&brokers), &name);
    let log = directory.path().join("log");
    let mut service = Service::start(&path, &directory.path().join("state"), &log, &[], &[]);
    let mut reader = Reader::new(&brokers, &format!("{name}-decisions"));
    reader.wait_for(PAYMENTS as usize, || service.check_running());
    service.end();
    let json = directory.path().join("report.json");
    let (code, text, errors) = run(
        &[
            "rules",
            "report",
            file,
            "--amount",
            "paid",
            "--since",
            "1h",
            "--json",
            json.to_str().unwrap(),
        ],
        &[],
    );
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        errors.contains("1 records of") && errors.contains("are no labels"),
        "{errors}"
    );
    assert!(text.contains("never fired: negative"), "{text}");
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["payments"], PAYMENTS);
    assert_eq!(report["judged"], found(|_| true));
    let large = |n: u64| amount(n) > 600.0;
    assert_eq!(report["outcomes"]["decline"], found(large));
    assert_eq!(
        report["outcomes"]["review"],
        found(|n| is_of_third_card(n) && !large(n))
    );
    let fired = report["rules"]["fired"].as_array().unwrap();
    let rule = |name: &str| fired.iter().find(|rule| rule["name"] == name).unwrap();
    assert_eq!(rule("large")["hits"], found(large));
    assert_eq!(
        rule("large")["unique_hits"],
        found(|n| large(n) && !is_of_third_card(n))
    );
    assert_eq!(rule("third_card")["hits"], found(is_of_third_card));
    assert_eq!(rule("larger")["hits"], found(|n| amount(n) > 800.0));
    assert_eq!(rule("larger")["mode"], "shadow");
    let both = (0..PAYMENTS).filter(|n| large(*n) && is_of_third_card(*n)).count();
    let overlaps = report["rules"]["overlaps"].as_array().unwrap();
    let of_both = |overlap: &&Value| overlap["a"] == "large" && overlap["b"] == "third_card";
    assert_eq!(overlaps.iter().find(of_both).unwrap()["payments"], both);

    // Rules that have gone from the file since are named.
    let changed = std::fs::read_to_string(&path)
        .unwrap()
        .replace("name: large,", "name: big,");
    std::fs::write(&path, changed).unwrap();
    let (_, text, _) = run(&["rules", "report", file], &[]);
    let hits = (0..PAYMENTS).filter(|n| large(*n)).count();
    assert!(text.contains(&format!("large: {hits} hits")), "{text}");
    let (code, _, errors) = run(&["rules", "report", file, "--amount", "payed"], &[]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("did you mean `paid`"), "{errors}");
    delete_topics(&brokers, &name);
}
