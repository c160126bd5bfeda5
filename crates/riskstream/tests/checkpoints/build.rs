//! `riskstream state build`: a service begins with full windows where files end.

use crate::support::kafka::{brokers, delete_group};
use crate::support::process::{Environment, Service, run};
use crate::support::trial::{Setup, Trial};
use crate::support::unique;
use serde_json::json;
use std::fmt::Write;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

/// Payments that the files hold alone.
const HISTORY: u64 = 300;
/// One of so many payments has a label.
const LABELLED: u64 = 10;

/// Writes payments, and labels of some of them, to files.
fn write_files(trial: &Trial, payments: Range<u64>) -> [PathBuf; 2] {
    let files = ["payments.jsonl", "labels.jsonl"].map(|name| trial.directory.path().join(name));
    let lines = payments
        .clone()
        .map(|n| String::from_utf8(trial.payment(n)).unwrap() + "\n");
    // The newest first: files are sorted.
    fs::write(&files[0], lines.rev().collect::<String>()).unwrap();
    let labels = payments.filter(|n| n % LABELLED == 0 && *n < HISTORY).map(|n| {
        let [id, card, _] = Trial::names(n);
        json!({"id": id, "card": card, "fraud": true, "known_at": trial.time(n) + 500}).to_string() + "\n"
    });
    fs::write(&files[1], labels.collect::<String>()).unwrap();
    files
}

/// Exit code and output of `riskstream state build` on the trial's pipeline.
fn build(
    trial: &Trial,
    files: &[PathBuf; 2],
    until: &str,
    further: &[&str],
    environment: &Environment,
) -> (Option<i32>, String) {
    let (pipeline, state) = (trial.pipeline.to_str().unwrap(), trial.state());
    let labels = format!("labels={}", files[1].display());
    let (state, payments) = (state.to_str().unwrap(), files[0].to_str().unwrap());
    let arguments = [
        "state",
        "build",
        pipeline,
        "--state-dir",
        state,
        "--input",
        payments,
        "--input",
        &labels,
    ];
    let arguments = [&arguments, &["--until", until][..], further].concat();
    let (code, output, errors) = run(&arguments, environment);
    (code, output + &errors)
}

/// Waits for decisions on these payments and compares them with a recount.
fn check(trial: &Trial, service: &mut Service, payments: Range<u64>) {
    trial.wait_for_decided(service, (payments.end - HISTORY) as usize);
    let results = trial.results();
    assert_eq!(
        results.decisions.len() as u64,
        payments.end - HISTORY,
        "what the files hold is not decided"
    );
    for n in payments {
        let [id, ..] = Trial::names(n);
        let decisions = &results.decisions[&id];
        assert_eq!(decisions.len(), 1, "{id}: {decisions:?}");
        let features = &decisions[0]["features"];
        assert_eq!(features["card_payments"], json!(n / 7 + 1), "{id}");
        assert_eq!(features["card_spent"], json!(2.5 * (n / 7 + 1) as f64), "{id}");
        let frauds = (0..HISTORY)
            .filter(|label| label % LABELLED == 0 && label % 3 == n % 3)
            .count();
        assert_eq!(
            features["shop_frauds"].as_f64(),
            Some(frauds as f64),
            "{id}: {features}"
        );
        let at_shop = features["shop_payments"].as_u64().unwrap();
        assert!(
            (HISTORY / 3..=n / 3 + 1).contains(&at_shop),
            "{id}: {at_shop} at its shop"
        );
    }
}

/// Where the command says that the group begins.
fn offsets(output: &str) -> String {
    let line = output.lines().find_map(|line| line.strip_prefix("--until "));
    line.unwrap_or_else(|| panic!("{output}")).to_owned()
}

#[test]
fn a_service_begins_with_full_windows_where_files_end() {
    let (brokers, name) = (brokers(), unique("build"));
    let store = tempfile::tempdir().unwrap();
    let checkpoints = store.path().join("checkpoints");
    let further = format!(
        "state: {{checkpoints: {{url: \"{}\", every: 1h}}}}",
        checkpoints.display()
    );
    let trial = Trial::new(&Setup {
        further: &further,
        ..Setup::new(&brokers, &name)
    });
    // Some of the history is still on the topic.
    trial.send_good(100..HISTORY);
    let overlap = 5;
    let files = write_files(&trial, 0..HISTORY + overlap);
    let (code, output) = build(&trial, &files, "latest", &["--dry-run"], &[]);
    assert_eq!(code, Some(0), "{output}");
    assert!(
        !trial.state().exists() && !checkpoints.exists(),
        "--dry-run wrote something"
    );
    let until = offsets(&output);

    let (code, output) = build(&trial, &files, &until, &[], &[]);
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(offsets(&output), until);
    assert_eq!(output.matches(", and a checkpoint").count(), 4, "{output}");
    assert!(output.contains("305 transactions in the states"), "{output}");

    let mut service = trial.start();
    trial.send_good(HISTORY..HISTORY + 100);
    check(&trial, &mut service, HISTORY..HISTORY + 100);
    let results = trial.results();
    for n in HISTORY..HISTORY + 100 {
        let is_duplicate = results.flags(&Trial::names(n)[0])[0].contains(&"duplicate");
        assert_eq!(is_duplicate, n < HISTORY + overlap, "{n}");
    }
    service.end();

    fs::remove_dir_all(trial.state()).unwrap();
    let mut service = trial.start();
    trial.send_good(HISTORY + 100..HISTORY + 120);
    check(&trial, &mut service, HISTORY..HISTORY + 120);
    service.end();

    // Neither states nor checkpoints: the topics alone do not give the states, so nothing is decided on wrong ones.
    fs::remove_dir_all(trial.state()).unwrap();
    fs::remove_dir_all(&checkpoints).unwrap();
    let mut service = trial.start();
    service.wait_until_unready("It was built from files");
    service.end();
    fs::remove_dir_all(trial.state()).unwrap();
    let (code, output) = build(&trial, &files, &until, &[], &[]);
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("its positions stay"), "{output}");
    let mut service = trial.start();
    trial.send_good(HISTORY + 120..HISTORY + 140);
    check(&trial, &mut service, HISTORY..HISTORY + 140);
    service.end();
}

#[test]
fn mistakes_are_explained() {
    let (brokers, name) = (brokers(), unique("mistakes"));
    let trial = Trial::new(&Setup::new(&brokers, &name));
    trial.send_good(0..20);
    let files = write_files(&trial, 0..20);
    let (_, output) = build(&trial, &files, "latest", &["--dry-run"], &[]);
    let until = offsets(&output);
    let mut report = String::new();
    let mut tell = |what: &str, (code, output): (Option<i32>, String)| {
        // The plan, and what depends on the time.
        let varies = ["--until", "the group NAME begins", "  labels: from", "3 records,"];
        let output = output.replace(&name, "NAME");
        let last = output
            .lines()
            .filter(|line| !varies.iter().any(|start| line.starts_with(start)));
        let text = last.collect::<Vec<_>>().join("\n");
        let text = text.replace(trial.directory.path().to_str().unwrap(), "DIR");
        writeln!(report, "# {what}: exit code {}\n{text}\n", code.unwrap()).unwrap();
    };
    tell("no offset", build(&trial, &files, "tomorrow", &[], &[]));
    tell(
        "an unknown topic",
        build(&trial, &files, &format!("{until},payments:0=1"), &[], &[]),
    );
    tell(
        "a partition is missing",
        build(&trial, &files, &format!("{name}-transactions:0=0"), &[], &[]),
    );
    let (first, rest) = until.split_once(',').unwrap();
    let (place, _) = first.split_once('=').unwrap();
    tell(
        "beyond the end",
        build(&trial, &files, &format!("{place}=999,{rest}"), &[], &[]),
    );
    let other = trial.directory.path().join("other.csv");
    fs::write(&other, "id,time,card,amount\n1,2026-01-01T00:00:00Z,c,1\n").unwrap();
    tell(
        "a column is missing",
        build(&trial, &[other.clone(), files[1].clone()], &until, &[], &[]),
    );
    fs::write(&other, "id,time,card,shop,amount\n1,never,c,s,1\n").unwrap();
    tell(
        "no transaction is right",
        build(&trial, &[other, files[1].clone()], &until, &[], &[]),
    );
    assert!(
        fs::read_dir(trial.state().join(&name))
            .unwrap()
            .all(|entry| !entry.unwrap().path().is_dir())
    );

    let (code, output) = build(&trial, &files, &until, &[], &[]);
    assert_eq!(code, Some(0), "{output}");
    let (code, output) = build(&trial, &files, &until, &[], &[]);
    assert_eq!(
        (code, output.matches("stays as it is").count()),
        (Some(0), 4),
        "{output}"
    );
    let other_until = format!("{place}=0,{rest}");
    tell("another cut-over", build(&trial, &files, &other_until, &[], &[]));
    delete_group(&brokers, &name);
    tell("a state exists", build(&trial, &files, &until, &[], &[]));
    fs::remove_dir_all(trial.state()).unwrap();

    let mut service = trial.start();
    trial.wait_for_decided(&mut service, 20);
    service.wait_until_ready();
    tell("the group has members", build(&trial, &files, &until, &[], &[]));
    service.end();
    fs::remove_dir_all(trial.state()).unwrap();
    tell("the pipeline has run", build(&trial, &files, &until, &[], &[]));
    delete_group(&brokers, &name);
    tell("rows are on their way", build(&trial, &files, &until, &[], &[]));
    insta::assert_snapshot!(report);
}

#[test]
fn another_secret_is_refused() {
    let (brokers, name) = (brokers(), unique("secret"));
    let trial = Trial::new(&Setup::new(&brokers, &name));
    let text = fs::read_to_string(&trial.pipeline).unwrap();
    let text = text.replace("card: text", "card: {type: text, personal: true}");
    fs::write(
        &trial.pipeline,
        text + "personal_data: {key_env: RISKSTREAM_PERSONAL_DATA_KEY}\n",
    )
    .unwrap();
    let files = write_files(&trial, 0..20);
    let secret = |of: &str| [("RISKSTREAM_PERSONAL_DATA_KEY", format!("a secret of some bytes, {of}"))];
    let (code, output) = build(&trial, &files, "latest", &[], &secret("1"));
    assert_eq!(code, Some(0), "{output}");
    let (code, output) = build(&trial, &files, "latest", &[], &secret("2"));
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("another secret"), "{output}");
    delete_group(&brokers, &name);
    for entry in fs::read_dir(trial.state().join(&name)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        }
    }
    let (code, output) = build(&trial, &files, "latest", &[], &secret("2"));
    assert_eq!(code, Some(2), "{output}");
    assert!(output.contains("another secret"), "{output}");
}
