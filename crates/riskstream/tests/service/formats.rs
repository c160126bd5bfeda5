//! The same payments in every format: `riskstream demo` and `riskstream backfill` compute the same from each, and say what
//! they could not use.

use crate::over_files::{decisions, features, riskstream};
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_select::concat::concat_batches;
use riskstream_events::{FeatureValue, OwnedDecisionRecord};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PIPELINE: &str = "
name: formats
inputs:
  transactions:
    topic: payments
    id: id
    event_time: time
    fields:
      id: text
      time: timestamp
      card: text
      merchant: {type: text, path: merchant.id}
      amount: float
      online: bool
entities: {card: {key: card}, merchant: {key: merchant}}
features:
  payments: {entity: card, count: transactions, window: 7d}
  spent: {entity: card, sum: amount, window: 7d}
  online_payments: {entity: card, count: transactions, window: 7d, when: online}
  visits: {entity: merchant, count: transactions, window: 7d}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

/// Payments, and those of them that have no merchant.
const PAYMENTS: u64 = 40;
const WITHOUT_MERCHANT: u64 = 6;

/// The text of field values, as each format has them: id, time, card, merchant, amount, online.
fn payment(number: u64) -> [Option<String>; 6] {
    let seconds = number * 3_601;
    let (day, hour) = (1 + seconds / 86_400, seconds / 3_600 % 24);
    let time = format!(
        "2026-01-{day:02}T{hour:02}:{:02}:{:02}Z",
        seconds / 60 % 60,
        seconds % 60
    );
    let amount = number * 125;
    [
        Some((100_000_000_000_000_000_000_u128 + u128::from(number)).to_string()),
        Some(time),
        Some(format!("c{}", number % 3)),
        (!number.is_multiple_of(7)).then(|| (number % 4).to_string()),
        (!number.is_multiple_of(5)).then(|| format!("{}.{:02}", amount / 100, amount % 100)),
        Some(number.is_multiple_of(2).to_string()),
    ]
}

fn csv(delimiter: char, null: &str, title_case: bool) -> String {
    let header = ["id", "time", "card", "merchant.id", "amount", "online", "unused"];
    let mut text = header.join(&delimiter.to_string()) + "\n";
    for number in 0..PAYMENTS {
        for value in payment(number) {
            let value = value.unwrap_or_else(|| null.to_owned());
            let value = match (title_case, value.as_str()) {
                (true, "true") => "True".to_owned(),
                (true, "false") => "False".to_owned(),
                _ => value,
            };
            write!(text, "{value}{delimiter}").unwrap();
        }
        text.push_str("\"never, read\"\n");
    }
    text
}

fn json() -> Vec<String> {
    let object = |number| {
        let [id, time, card, merchant, amount, online] = payment(number);
        let quoted = |text: Option<String>| format!("\"{}\"", text.unwrap());
        let merchant = merchant.map_or("null".into(), |id| format!("{{\"id\": {id}}}"));
        format!(
            "{{\"id\": {}, \"time\": {}, \"card\": {}, \"merchant\": {merchant}, \"amount\": {}, \"online\": {}, \
             \"unused\": NaN}}",
            id.unwrap(),
            quoted(time),
            quoted(card),
            amount.unwrap_or_else(|| "NaN".into()),
            online.unwrap(),
        )
    };
    (0..PAYMENTS).map(object).collect()
}

/// The files, in each format one.
fn files() -> (TempDir, Vec<PathBuf>) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("pipeline.yaml"), PIPELINE).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../offline/tests/data");
    let mut paths = vec![data.join("payments.parquet"), data.join("payments-snappy.avro")];
    for (name, text) in [
        ("comma.csv", csv(',', "", false)),
        ("pandas.csv", csv(',', "NaN", true)),
        (
            "excel.csv",
            format!("\u{feff}{}", csv(';', "", false).replace('\n', "\r\n")),
        ),
        ("postgres.tsv", csv('\t', "\\N", false)),
        ("lines.jsonl", json().join("\n")),
        ("array.json", format!("[\n{}\n]\n", json().join(",\n"))),
    ] {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        paths.push(path);
    }
    (directory, paths)
}

/// The decisions of the demo, and the features of the backfill.
fn results(directory: &Path) -> (Vec<OwnedDecisionRecord>, RecordBatch) {
    let features = features(directory);
    (
        decisions(directory),
        concat_batches(&features[0].schema(), &features).unwrap(),
    )
}

#[test]
fn every_format_gives_the_same_decisions_and_features() {
    let (directory, files) = files();
    let directory = directory.path();
    let mut expected: Option<(Vec<OwnedDecisionRecord>, RecordBatch)> = None;
    for file in files {
        for command in ["demo", "backfill"] {
            let (code, output, errors) = riskstream(directory, command, &file, &[]);
            assert_eq!(code, Some(0), "{command} {}: {output}{errors}", file.display());
            assert!(output.contains("6 records could not be used"), "{output}");
            assert!(output.contains("transactions  missing_field  6"), "{output}");
            assert!(
                output.contains("record 1: field merchant is absent or null"),
                "{output}"
            );
        }
        let found = results(directory);
        let (expected_decisions, expected_features) = expected.get_or_insert_with(|| found.clone());
        assert_eq!(&found.0, expected_decisions, "{}", file.display());
        assert_eq!(&found.1, expected_features, "{}", file.display());
    }
    let (decisions, features) = expected.unwrap();
    assert_eq!(decisions.len() as u64, PAYMENTS - WITHOUT_MERCHANT);
    // The last payment's card is c0: 1.25 for each number of a payment with a merchant and an amount.
    let spent = |number: u64| match (number % 3, number % 7, number % 5) {
        (0, 1.., 1..) => number as f64 * 1.25,
        _ => 0.0,
    };
    let spent: f64 = (0..PAYMENTS).map(spent).sum();
    let last = decisions.last().unwrap();
    assert_eq!(last.event_id, "100000000000000000039");
    assert_eq!(last.feature("spent"), Some(&FeatureValue::Float(spent)));
    let column = features.column_by_name("spent").unwrap().as_primitive::<Float64Type>();
    assert_eq!(column.value(column.len() - 1), spent);
}

#[test]
fn runs_that_decided_nothing_or_refused_anything_say_so_by_their_exit_code() {
    let (directory, files) = files();
    let directory = directory.path();
    let letters = directory.join("letters.jsonl");
    let nothing = directory.join("nothing.csv");
    std::fs::write(
        &nothing,
        "id,time,card,merchant.id,amount,online\n1,yesterday,c,m,1,true\n",
    )
    .unwrap();
    for command in ["demo", "backfill"] {
        let (code, output, errors) = riskstream(directory, command, &nothing, &[]);
        assert_eq!(code, Some(1), "{output}{errors}");
        assert!(output.contains("transactions  invalid_timestamp  1"), "{output}");
        assert!(errors.contains("nothing was decided"), "{errors}");
        let further = ["--strict", "--dead-letters", letters.to_str().unwrap()];
        let (code, output, errors) = riskstream(directory, command, &files[0], &further);
        assert_eq!(code, Some(1), "{output}{errors}");
        assert!(errors.contains("--strict: 6 records could not be used"), "{errors}");
        let written = std::fs::read_to_string(&letters).unwrap();
        assert_eq!(
            written.lines().next(),
            Some(
                r#"{"detail":"field merchant is absent or null","input":"transactions","reason":"missing_field","record":1}"#
            )
        );
        assert_eq!(written.lines().count(), 6);
    }
}

#[test]
fn what_cannot_be_read_is_said_when_the_file_is_opened() {
    let (directory, files) = files();
    let directory = directory.path();
    let pipeline = PIPELINE.replace("amount: float", "amount: {type: float, path: unused}");
    std::fs::write(directory.join("pipeline.yaml"), pipeline).unwrap();
    for command in ["demo", "backfill"] {
        let (code, output, errors) = riskstream(directory, command, &files[0], &[]);
        assert_eq!(code, Some(1), "{output}{errors}");
        assert!(errors.contains("the column `unused` is List("), "{errors}");
        assert!(errors.contains("which is not read as float"), "{errors}");
    }
}
