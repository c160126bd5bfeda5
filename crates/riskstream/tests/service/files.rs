//! `riskstream demo` and `riskstream backfill` over files: one result whatever the order of a file; missing columns
//! and inputs are reported.

use crate::support::process::{self, run};
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use riskstream_definition::load;
use riskstream_events::{OwnedDecisionRecord, Pseudonymizer, PublishedPseudonyms};
use riskstream_pipeline::TestDriver;
use riskstream_simulator::{SimulatedEvent, Simulator, SimulatorConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Labels lack the merchant: they get it from their payment.
const PIPELINE: &str = "
name: files
inputs:
  transactions:
    topic: payments
    key: card
    id: id
    event_time: time
    fields: {id: text, time: timestamp, card: {type: text, personal: true}, merchant: text, amount: float}
  labels:
    topic: labels
    id: id
    event_time: time
    fields: {id: text, time: timestamp, card: {type: text, personal: true}, fraud: bool}
entities: {card: {key: card}, merchant: {key: merchant}}
features:
  payments: {entity: card, count: transactions, window: 7d}
  frauds: {entity: merchant, count: labels, window: 30d, when: fraud}
  visits: {entity: merchant, count: transactions, window: 1d}
personal_data: {key_env: FILES_KEY}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

const SECRET: &str = "a secret for nobody in particular";
const PAYMENTS: usize = 1_500;
const DAY: usize = 86_400_000;

/// Payments of a year and labels 7 days later, both in an order that has nothing to do with time.
fn history() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("pipeline.yaml"), PIPELINE).unwrap();
    let mut payments = File::create(directory.path().join("payments.csv")).unwrap();
    let mut labels = File::create(directory.path().join("labels.jsonl")).unwrap();
    writeln!(payments, "id,time,card,merchant,amount").unwrap();
    for line in 0..PAYMENTS {
        let id = line * 7_919 % PAYMENTS;
        let (card, merchant) = (id * 104_729 % 40, id * 31 % 60);
        let time = 1_700_000_000_000 + id * 365 * DAY / PAYMENTS;
        writeln!(payments, "p{id},{time},c{card},m{merchant},{}", id % 90).unwrap();
        let (known, fraud) = (time + 7 * DAY, id.is_multiple_of(11));
        writeln!(
            labels,
            r#"{{"id":"p{id}","time":{known},"card":"c{card}","fraud":{fraud}}}"#
        )
        .unwrap();
    }
    directory
}

/// Runs the command on the files; exit code, standard output and the last line of standard error.
fn riskstream(directory: &Path, command: &str, further: &[&str]) -> (Option<i32>, String, String) {
    riskstream_with(SECRET, directory, command, further)
}

/// The same with a secret for pseudonyms.
fn riskstream_with(secret: &str, directory: &Path, command: &str, further: &[&str]) -> (Option<i32>, String, String) {
    let path = |name: &str| directory.join(name).display().to_string();
    let mut arguments = vec![command.to_owned()];
    match command {
        "demo" => arguments.extend([
            "--pipeline".into(),
            path("pipeline.yaml"),
            "--output".into(),
            path("decisions.jsonl"),
        ]),
        _ => arguments.extend([path("pipeline.yaml"), "--output".into(), path("features.parquet")]),
    }
    for argument in further {
        arguments.push(argument.replace("DIR", directory.to_str().unwrap()));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (code, output, errors) = run(&arguments, &[("FILES_KEY", secret.to_owned())]);
    (code, output, errors.lines().last().unwrap_or_default().to_owned())
}

const FILES: [&str; 4] = ["--input", "DIR/payments.csv", "--input", "labels=DIR/labels.jsonl"];

fn decisions(path: &Path) -> Vec<OwnedDecisionRecord> {
    let text = std::fs::read_to_string(path).unwrap();
    let read = |line: &str| OwnedDecisionRecord::from_json(line.as_bytes()).unwrap();
    text.lines().map(read).collect()
}

/// Id, payments, frauds, visits and flags of each row.
type Features = Vec<(String, [i64; 3], String)>;

fn features(path: PathBuf) -> Features {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let rows = |batch: RecordBatch| {
        let column = |name: &str| batch.column_by_name(name).unwrap().clone();
        let (ids, flags) = (column("event_id"), column("flags"));
        let counts = ["payments", "frauds", "visits"].map(column);
        let row = |row: usize| {
            let count = |column: &arrow_array::ArrayRef| column.as_primitive::<Int64Type>().value(row);
            (
                ids.as_string::<i32>().value(row).to_owned(),
                counts.each_ref().map(count),
                flags.as_string::<i32>().value(row).to_owned(),
            )
        };
        (0..batch.num_rows()).map(row).collect::<Features>()
    };
    reader.build().unwrap().flat_map(|batch| rows(batch.unwrap())).collect()
}

fn features_of(decisions: &[OwnedDecisionRecord]) -> Features {
    let row = |decision: &OwnedDecisionRecord| {
        let count = |wanted: &str| {
            let (_, value) = decision.features.iter().find(|(name, _)| name == wanted).unwrap();
            serde_json::to_value(value).unwrap().as_i64().unwrap()
        };
        (
            decision.event_id.clone(),
            ["payments", "frauds", "visits"].map(count),
            decision.flags.join(","),
        )
    };
    decisions.iter().map(row).collect()
}

/// What two pipelines with different secrets decide differs in pseudonyms alone: so one can take the place of the other.
#[test]
fn features_do_not_depend_on_the_secret() {
    let directory = history();
    let [former, new] = [SECRET, "another secret, for the next year"].map(|secret| {
        let (code, _, error) = riskstream_with(secret, directory.path(), "demo", &FILES);
        assert_eq!(code, Some(0), "{error}");
        decisions(&directory.path().join("decisions.jsonl"))
    });
    assert_eq!(former.len(), PAYMENTS);
    let card = |decision: &OwnedDecisionRecord| {
        let (_, card) = decision.entities.iter().find(|(name, _)| name == "card").unwrap();
        card.clone()
    };
    let mut pseudonyms = BTreeMap::new();
    for (former, new) in former.iter().zip(&new) {
        let (before, after) = (card(former), card(new));
        assert_ne!(before, after);
        assert_eq!(*pseudonyms.entry(before).or_insert_with(|| after.clone()), after);
    }
    let new_ones: BTreeSet<&String> = pseudonyms.values().collect();
    assert_eq!((pseudonyms.len(), new_ones.len()), (40, 40), "one for each card");
    let rest = |decision: OwnedDecisionRecord| {
        let entities = decision
            .entities
            .into_iter()
            .filter(|(name, _)| name != "card")
            .collect();
        OwnedDecisionRecord {
            entities,
            latency: None,
            ..decision
        }
    };
    let [former, new] = [former, new].map(|decisions| decisions.into_iter().map(rest).collect::<Vec<_>>());
    assert_eq!(former, new);
}

/// What is published has a secret of its own: decisions, the files of a backfill and the labels of a backtest carry the same
/// pseudonyms, which are others than with one secret; features are the same.
#[test]
fn files_carry_published_pseudonyms() {
    let directory = history();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let one = riskstream(directory.path(), "demo", &FILES);
    assert_eq!(one.0, Some(0), "{}", one.2);
    let of_state = decisions(&directory.path().join("decisions.jsonl"));
    let text = PIPELINE
        .replace("{id: text, time", "{id: {type: text, personal: true}, time")
        .replace("{key_env: FILES_KEY}", "{key_env: [PUBLISHED_KEY, FILES_KEY]}");
    std::fs::write(path("pipeline.yaml"), text).unwrap();
    let published = PublishedPseudonyms::new(b"a secret for what is published");
    let environment = [
        ("FILES_KEY", SECRET.to_owned()),
        ("PUBLISHED_KEY", "a secret for what is published".to_owned()),
    ];
    let files = [
        "--input",
        &path("payments.csv"),
        "--input",
        &format!("labels={}", path("labels.jsonl")),
    ];
    let ended = |arguments: &[&str]| {
        let (code, output, errors) = run(&[arguments, &files].concat(), &environment);
        assert_eq!(code, Some(0), "{errors}");
        output
    };
    let (pipeline, jsonl, parquet) = (path("pipeline.yaml"), path("decisions.jsonl"), path("features.parquet"));
    let output = ended(&["demo", "--pipeline", &pipeline, "--output", &jsonl]);
    assert!(
        output.contains(" 132 frauds"),
        "labels are found by their ids: {output}"
    );
    ended(&["backfill", &pipeline, "--output", &parquet]);
    let shown = decisions(&directory.path().join("decisions.jsonl"));
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&parquet).unwrap()).unwrap();
    let mut rows = Vec::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let [ids, cards] = ["event_id", "card"].map(|name| batch.column_by_name(name).unwrap().clone());
        let text = |column: &arrow_array::ArrayRef, row: usize| column.as_string::<i32>().value(row).to_owned();
        rows.extend((0..batch.num_rows()).map(|row| (text(&ids, row), text(&cards, row))));
    }
    assert_eq!(shown.len(), rows.len());
    for ((before, after), row) in of_state.iter().zip(&shown).zip(rows) {
        let id = Pseudonymizer::new(SECRET.as_bytes()).pseudonym(before.event_id.as_bytes());
        assert_eq!(after.event_id, published.publish(&id));
        assert_eq!(
            after.entity("card").unwrap(),
            published.publish(before.entity("card").unwrap())
        );
        assert_eq!(row, (after.event_id.clone(), after.entity("card").unwrap().to_owned()));
        assert_eq!(after.features, before.features);
    }
    let report = ended(&["backtest", &pipeline, "--labels", &path("labels.jsonl")]);
    assert!(
        report.contains(" 137 of them fraud"),
        "labels are found by their ids: {report}"
    );
}

/// A file of Debezium's changes as Kafka Connect's converter writes them by default, with their schema.
#[test]
fn changes_in_the_wrapper_of_a_converter_are_read_from_files() {
    let directory = history();
    let text = PIPELINE.replace("    topic: payments\n", "    topic: payments\n    envelope: debezium\n");
    std::fs::write(directory.path().join("pipeline.yaml"), text).unwrap();
    let row = r#"{"id":"p0","time":1700000000000,"card":"c0","merchant":"m0","amount":1}"#;
    let change = format!(r#"{{"schema":{{"type":"struct"}},"payload":{{"before":null,"after":{row},"op":"c"}}}}"#);
    std::fs::write(directory.path().join("changes.jsonl"), change).unwrap();
    let files = ["--input", "DIR/changes.jsonl", "--input", "labels=DIR/labels.jsonl"];
    let (code, _, error) = riskstream(directory.path(), "demo", &files);
    assert_eq!(code, Some(0), "{error}");
    let decisions = decisions(&directory.path().join("decisions.jsonl"));
    assert_eq!((decisions.len(), decisions[0].event_id.as_str()), (1, "p0"));
}

#[test]
fn the_demo_gives_one_result_that_of_a_backfill() {
    let directory = history();
    let runs = [(); 3].map(|()| {
        let (code, output, error) = riskstream(directory.path(), "demo", &FILES);
        assert_eq!(code, Some(0), "{error}");
        assert!(
            output.contains("1,500 decisions") && output.contains(" 0 dead letters"),
            "{output}"
        );
        std::fs::read(directory.path().join("decisions.jsonl")).unwrap()
    });
    assert!(runs.iter().all(|run| *run == runs[0]));
    let (code, output, error) = riskstream(directory.path(), "backfill", &FILES);
    assert_eq!(code, Some(0), "{error}");
    assert!(!output.contains("came after a later one"), "{output}");
    let found = features(directory.path().join("features.parquet"));
    let frauds = found.iter().filter(|(_, [_, frauds, _], _)| *frauds > 0).count();
    assert!(frauds > 100, "labels have found their merchants: {frauds}");
    assert_eq!(
        found,
        features_of(&decisions(&directory.path().join("decisions.jsonl")))
    );
}

#[test]
fn the_simulated_demo_decides_as_the_demo_over_the_same_records_in_files() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/card-fraud.yaml");
    let path = |name: &str| directory.path().join(name);
    let config = SimulatorConfig {
        customers: 60,
        terminals: 50,
        days: 10,
        seed: 4,
        ..SimulatorConfig::default()
    };
    let mut files = ["payments.jsonl", "labels.jsonl"].map(|name| File::create(path(name)).unwrap());
    for event in Simulator::new(config).unwrap() {
        let file = &mut files[usize::from(matches!(event, SimulatedEvent::Label(_)))];
        writeln!(file, "{}", serde_json::to_string(&event).unwrap()).unwrap();
    }
    let demo = |output: &str, further: &[&str]| {
        let output = path(output);
        let mut arguments = vec!["demo", "--pipeline", pipeline, "--output", output.to_str().unwrap()];
        arguments.extend(further);
        // The secret of simulated customers.
        let secret = "riskstream demo: nobody is real here".to_owned();
        let (code, _, errors) = run(&arguments, &[("RISKSTREAM_PERSONAL_DATA_KEY", secret)]);
        assert_eq!(code, Some(0), "{errors}");
        let mut decisions = decisions(&output);
        decisions.iter_mut().for_each(|decision| decision.latency = None);
        decisions
    };
    let simulated = demo(
        "simulated.jsonl",
        &["--customers", "60", "--terminals", "50", "--days", "10", "--seed", "4"],
    );
    let (payments, labels) = (
        path("payments.jsonl"),
        format!("labels={}", path("labels.jsonl").display()),
    );
    let from_files = demo(
        "files.jsonl",
        &["--input", payments.to_str().unwrap(), "--input", &labels],
    );
    assert!(simulated.len() > 500);
    assert_eq!(simulated, from_files);
}

/// An installed program has no checkout beside it.
#[test]
fn the_demo_runs_in_an_empty_directory() {
    let directory = tempfile::tempdir().unwrap();
    let demo = |output: &str, further: &[&str]| {
        let mut arguments = vec!["demo", "--customers", "30", "--days", "3", "--output", output];
        arguments.extend(further);
        let ended = process::riskstream(&arguments, &[])
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        let mut decisions = decisions(&directory.path().join(output));
        decisions.iter_mut().for_each(|decision| decision.latency = None);
        decisions
    };
    let shipped = demo("shipped.jsonl", &[]);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/card-fraud.yaml");
    assert!(shipped.len() > 50);
    assert_eq!(shipped, demo("file.jsonl", &["--pipeline", file]));
}

/// Out of order by a few seconds, several in one second: the order among partitions matters.
#[test]
fn a_backfill_over_partitions_gives_what_the_service_gives() {
    let directory = history();
    let compiled = load(&directory.path().join("pipeline.yaml"), &|_| None).unwrap_or_else(|_| panic!("valid"));
    let mut driver = TestDriver::new(Arc::new(compiled.json_topology(Some(SECRET.as_bytes())).unwrap()), 3);
    let mut payments = File::create(directory.path().join("payments.jsonl")).unwrap();
    let mut labels = File::create(directory.path().join("labels.jsonl")).unwrap();
    let mut topics = Vec::new();
    for id in 0..900_i64 {
        let time = 1_700_000_000_000 + (id / 4 + id * 7 % 3) * 1_000;
        let (card, merchant) = (format!("c{}", id * 31 % 17), id % 3);
        let payment = format!(r#"{{"id":"p{id}","time":{time},"card":"{card}","merchant":"m{merchant}","amount":1}}"#);
        let label = format!(
            r#"{{"id":"p{id}","time":{},"card":"{card}","fraud":true}}"#,
            time + 20_000
        );
        writeln!(payments, "{payment}").unwrap();
        writeln!(labels, "{label}").unwrap();
        topics.push((0, card, payment));
        topics.push((1, format!("p{id}"), label));
    }
    let topic = &compiled.inputs[0].topic;
    let all: Vec<Arc<str>> = vec![Arc::clone(topic), Arc::clone(&compiled.inputs[1].topic)];
    driver.broker.set_written_until(&all, i64::MIN);
    for (input, key, line) in topics {
        driver.send(input, &key, line.as_bytes(), None);
    }
    driver.broker.set_written_until(&all, i64::MAX);
    driver.run().unwrap();
    let served = driver.decisions().into_iter();
    let served: Vec<_> = served
        .map(|record| OwnedDecisionRecord::from_json(&record.value.unwrap()).unwrap())
        .collect();
    let mut expected = features_of(&served);
    expected.sort();
    let inputs = ["--input", "DIR/payments.jsonl", "--input", "labels=DIR/labels.jsonl"];
    let backfill = |further: &[&str]| {
        let arguments = [&inputs, further].concat();
        let (code, _, error) = riskstream(directory.path(), "backfill", &arguments);
        assert_eq!(code, Some(0), "{error}");
        let mut found = features(directory.path().join("features.parquet"));
        found.sort();
        found
    };
    assert_eq!(backfill(&["--partitions", "3", "--key", "labels=id"]), expected);
    assert_ne!(
        backfill(&["--in-order", "arrival"]),
        expected,
        "one partition has another order"
    );
    let (code, _, error) = riskstream(
        directory.path(),
        "backfill",
        &[&inputs[..], &["--partitions", "3"]].concat(),
    );
    assert_eq!(code, Some(2));
    assert!(error.contains("add --key labels=FIELD"), "{error}");
}

#[test]
fn what_is_missing_is_an_error_before_the_first_row() {
    let directory = history();
    let text = std::fs::read_to_string(directory.path().join("payments.csv")).unwrap();
    let renamed = text.replacen("merchant", "merchnt", 1);
    std::fs::write(directory.path().join("renamed.csv"), renamed).unwrap();
    let labels = &FILES[2..];
    for command in ["demo", "backfill"] {
        let run = |further: &[&str]| {
            let (code, _, error) = riskstream(directory.path(), command, further);
            (code, error)
        };
        let renamed = [&["--input", "DIR/renamed.csv"], labels].concat();
        let (code, error) = run(&renamed);
        assert_eq!(code, Some(2));
        let expected = "renamed.csv: there is no column `merchant` (did you mean `merchnt`?); it has id, time, card, merchnt, amount";
        assert!(error.contains(expected), "{error}");
        let (code, error) = run(&FILES[..2]);
        assert_eq!(code, Some(2));
        assert!(
            error.contains("add --input labels=FILE; or add --allow-missing labels"),
            "{error}"
        );
        let (code, error) = run(&[&FILES[..2], &["--allow-missing", "lables"]].concat());
        assert_eq!(code, Some(2));
        assert!(error.contains("did you mean `labels`?"), "{error}");
        let (code, error) = run(&[&FILES[..2], &["--allow-missing", "labels"]].concat());
        assert_eq!(code, Some(0), "{error}");
    }
    // JSON has no header: a name that none of the first thousand objects has is missing.
    let text = std::fs::read_to_string(directory.path().join("labels.jsonl")).unwrap();
    std::fs::write(
        directory.path().join("renamed.jsonl"),
        text.replace("\"fraud\"", "\"is_fraud\""),
    )
    .unwrap();
    let renamed = [&FILES[..2], &["--input", "labels=DIR/renamed.jsonl"]].concat();
    let (code, _, error) = riskstream(directory.path(), "backfill", &renamed);
    assert_eq!(code, Some(2));
    assert!(error.contains("there is no column `fraud`"), "{error}");
    let allowed = [&renamed[..], &["--allow-missing", "fraud"]].concat();
    let (code, _, error) = riskstream(directory.path(), "backfill", &allowed);
    assert_eq!(code, Some(0), "{error}");
}
