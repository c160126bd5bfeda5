//! A model on sequences of a customer's last events. Its inputs are equal to those of a plain recomputation, in every
//! order of the events. Errors in the list of sequences are reported.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use riskstream_definition::{Compiled, compile};
use riskstream_events::{FeatureValue, OwnedDecisionRecord};
use riskstream_models::{LoadOptions, Model};
use riskstream_pipeline::driver::TestDriver;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const PIPELINE: &str = "
name: sequences
inputs:
  transactions:
    topic: transactions
    key: customer
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text, amount: {type: float, required: true}, gift: bool}
entities: {customer: {key: customer, lateness: 1h}}
features:
  amounts: {entity: customer, last_k: amount, k: 8}
  times: {entity: customer, last_k: event_time, k: 8}
  gifts: {entity: customer, last_k: 'coalesce(gift, false)', k: 8}
  count: {entity: customer, count: transactions, window: unlimited}
model: {file: gru.onnx, inputs: [amount, count, amounts, times, gifts]}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data/sequence")
}

fn compiled(source: &str) -> Result<Compiled, String> {
    compile("pipeline.yaml", source, &models(), &|_| None).map_err(|report| report.to_string())
}

#[derive(Clone, Debug)]
struct Payment {
    customer: u32,
    /// In milliseconds.
    time: i64,
    amount: f64,
    gift: Option<bool>,
}

/// Payments of three customers. A quarter of them is up to six seconds late, and some have equal times.
fn payments() -> Vec<Payment> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut now = 1_767_225_600_000;
    let payments = (0..300).map(|_| {
        now += random.random_range(0..2_000);
        let late = if random.random_bool(0.25) {
            random.random_range(0..6_000)
        } else {
            0
        };
        Payment {
            customer: random.random_range(0..3),
            time: (now - late) / 500 * 500,
            amount: random.random_range(-300..300) as f64 / 100.0,
            gift: random.random_bool(0.7).then(|| random.random_bool(0.5)),
        }
    });
    payments.collect()
}

fn record(id: usize, payment: &Payment) -> String {
    let gift = payment.gift.map_or("null".to_owned(), |gift| gift.to_string());
    format!(
        r#"{{"id":"{id}","time":{},"customer":"{}","amount":{},"gift":{gift}}}"#,
        payment.time, payment.customer, payment.amount
    )
}

/// The row for the payment at `index` in the order of arrival: the payment, the number of its customer's so far, and the
/// last eight of them, the oldest first.
fn row(payments: &[Payment], index: usize, pad: f64) -> Vec<f64> {
    let this = &payments[index];
    let mut past: Vec<(i64, usize)> = payments[..=index]
        .iter()
        .enumerate()
        .filter(|(_, other)| other.customer == this.customer && other.time <= this.time)
        .map(|(arrival, other)| (other.time, arrival))
        .collect();
    past.sort_unstable();
    let mut row = vec![this.amount, past.len() as f64];
    let last = &past[past.len().saturating_sub(8)..];
    row.extend(std::iter::repeat_n(pad, 3 * (8 - last.len())));
    for &(time, arrival) in last {
        let seconds = (this.time - time) as f64 / 1e3;
        let gift = payments[arrival].gift.unwrap_or(false);
        row.extend([payments[arrival].amount, seconds, f64::from(u8::from(gift))]);
    }
    row
}

/// The decisions of a run on the in-process log, in batches of one event or in one batch.
fn run(compiled: &Compiled, payments: &[Payment], one_by_one: bool) -> Vec<OwnedDecisionRecord> {
    let mut driver = TestDriver::new(Arc::new(compiled.json_topology(None).unwrap()), 1);
    for (id, payment) in payments.iter().enumerate() {
        let key = payment.customer.to_string();
        driver.send(0, &key, record(id, payment).as_bytes(), None);
        if one_by_one {
            driver.run().unwrap();
        }
    }
    driver.run().unwrap();
    assert_eq!(driver.dead_letters().len(), 0);
    let decisions = driver.decisions();
    let decisions = decisions.iter().map(|record| record.value.as_deref().unwrap());
    decisions
        .map(|json| OwnedDecisionRecord::from_json(json).unwrap())
        .collect()
}

#[test]
fn the_models_inputs_are_those_of_a_recomputation() {
    let model = Model::load(&models().join("gru.onnx"), &LoadOptions::default()).unwrap();
    let payments = payments();
    for (given, pad) in [("", f64::NAN), ("pad: -1, ", -1.0)] {
        let source = PIPELINE.replace("{file:", &format!("{{{given}file:"));
        let compiled = compiled(&source).unwrap();
        let rows: Vec<f64> = (0..payments.len())
            .flat_map(|index| row(&payments, index, pad))
            .collect();
        let mut expected = Vec::new();
        model.scorer().score(&rows, &mut expected).unwrap();
        for one_by_one in [false, true] {
            let decisions = run(&compiled, &payments, one_by_one);
            assert_eq!(decisions.len(), payments.len());
            for decision in decisions {
                let index: usize = decision.event_id.parse().unwrap();
                let score = decision.score.unwrap();
                let difference = (score - f64::from(expected[index])).abs();
                assert!(difference < 1e-6, "{index}: {score}, not {}", expected[index]);
            }
        }
    }
}

#[test]
fn mistakes_in_the_list_of_sequences_are_reported() {
    let inputs = "[amount, count, amounts, times, gifts]";
    let features = "  count: {entity";
    let mut text = String::new();
    for (what, changes) in [
        ("one too few", vec![(inputs, "[amount, count, amounts, times]")]),
        (
            "in another order",
            vec![(inputs, "[amounts, amount, count, times, gifts]")],
        ),
        (
            "numbers among sequences",
            vec![(
                inputs,
                "[amount, count, amounts, times, amount, count, amount, count, amount, count, amount, count]",
            )],
        ),
        (
            "another length",
            vec![
                ("last_k: event_time, k: 8", "last_k: event_time, k: 7"),
                ("gift, false)', k: 8", "gift, false)', k: 9"),
            ],
        ),
        (
            "another entity's",
            vec![
                ("entities: {", "entities: {gifted: {key: id}, "),
                ("gifts: {entity: customer", "gifts: {entity: gifted"),
            ],
        ),
        (
            "another condition",
            vec![("k: 8}\n  count", "k: 8, when: amount > 0}\n  count")],
        ),
        ("a value that may be missing", vec![("'coalesce(gift, false)'", "gift")]),
        ("texts for numbers", vec![("'coalesce(gift, false)'", "customer")]),
        (
            "no sequence",
            vec![
                (
                    features,
                    "  most: {entity: customer, top_k: amount, k: 8, window: 1d}\n  count: {entity",
                ),
                (inputs, "[amount, count, amounts, times, most]"),
            ],
        ),
    ] {
        let source = changes.iter().fold(PIPELINE.to_owned(), |source, (from, to)| {
            assert!(source.contains(from), "{what}: {from}");
            source.replace(from, to)
        });
        let report = compiled(&source).map(|_| ()).unwrap_err();
        writeln!(text, "## {what}\n\n{report}\n").unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_decision_carries_the_sequences_of_its_event() {
    let compiled = compiled(PIPELINE).unwrap();
    let decisions = run(&compiled, &payments()[..20], false);
    let list = |decision: &OwnedDecisionRecord, name: &str| match decision.feature(name) {
        Some(FeatureValue::List(values)) => values.len(),
        other => panic!("{name}: {other:?}"),
    };
    for decision in &decisions {
        let count = decision.feature("count").and_then(FeatureValue::as_number).unwrap();
        for name in ["amounts", "times", "gifts"] {
            assert_eq!(list(decision, name), (count as usize).min(8));
        }
    }
}

/// The sequences of a row of the backfill, as the tensor that docs/models.md describes.
fn row_of_backfill(batch: &RecordBatch, index: usize) -> Vec<f64> {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let list = |name: &str| column(name).as_list::<i32>().value(index);
    let now = column("event_time")
        .as_primitive::<TimestampMicrosecondType>()
        .value(index);
    let amounts = list("amounts").as_primitive::<Float64Type>().values().to_vec();
    let times = list("times")
        .as_primitive::<TimestampMicrosecondType>()
        .values()
        .to_vec();
    let gifts: Vec<bool> = list("gifts").as_boolean().iter().map(Option::unwrap).collect();
    let mut row = vec![f64::NAN; 3 * (8 - amounts.len())];
    for back in (0..amounts.len()).rev() {
        let seconds = (now - times[back]) as f64 / 1e6;
        row.extend([amounts[back], seconds, f64::from(u8::from(gifts[back]))]);
    }
    row
}

#[test]
fn a_backfill_gives_the_sequences_of_the_service() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::copy(models().join("gru.onnx"), path("gru.onnx")).unwrap();
    std::fs::write(path("pipeline.yaml"), PIPELINE).unwrap();
    let payments = payments();
    let lines: Vec<String> = payments
        .iter()
        .enumerate()
        .map(|(id, payment)| record(id, payment))
        .collect();
    std::fs::write(path("payments.jsonl"), lines.join("\n")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_riskstream"))
        .arg("backfill")
        .arg(path("pipeline.yaml"))
        .arg("--input")
        .arg(path("payments.jsonl"))
        .arg("--output")
        .arg(path("features.parquet"))
        .args(["--in-order", "arrival"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = std::fs::File::open(path("features.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let served = run(&compiled(PIPELINE).unwrap(), &payments, false);
    let mut seen = 0;
    for batch in &batches {
        let ids = batch.column_by_name("event_id").unwrap().as_string::<i32>();
        let scores = batch.column_by_name("score").unwrap().as_primitive::<Float64Type>();
        for (index, id) in ids.iter().map(Option::unwrap).enumerate() {
            let expected = row(&payments, id.parse().unwrap(), f64::NAN);
            let bits = |row: &[f64]| row.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&row_of_backfill(batch, index)), bits(&expected[2..]), "{id}");
            let decision = served.iter().find(|decision| decision.event_id == id).unwrap();
            assert!((decision.score.unwrap() - scores.value(index)).abs() < 1e-6, "{id}");
            seen += 1;
        }
    }
    assert_eq!(seen, payments.len());
}

#[test]
fn an_explanation_lists_each_sequence_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gru.onnx");
    std::fs::copy(models().join("gru.onnx"), &file).unwrap();
    let model = Model::load(&file, &LoadOptions::default()).unwrap();
    let payments = payments();
    let rows: Vec<Vec<f64>> = (0..4).map(|index| row(&payments, 50 * index, f64::NAN)).collect();
    let mut scores = Vec::new();
    model.scorer().score(&rows.concat(), &mut scores).unwrap();
    let baseline = scores.iter().map(|score| f64::from(*score)).sum::<f64>() / 4.0;
    let mut card = format!(
        "{{name: gru, version: '1', sha256: {}, score: {{output: score}}, inputs: [amount, count, amounts, times, gifts],
         sequences: {{amounts: 8, times: 8, gifts: 8}}, reasons: {{times: {{code: PACE, text: '{{count}} payments'}}}}, background: [",
        model.sha256()
    );
    for row in &rows {
        let values = row.iter().map(|value| match value.is_nan() {
            true => "null".to_owned(),
            false => value.to_string(),
        });
        write!(card, "[{}], ", values.collect::<Vec<_>>().join(", ")).unwrap();
    }
    std::fs::write(directory.path().join("gru.card.yaml"), card + "]}").unwrap();
    let source = format!("{PIPELINE}explain: {{sample: 1, top: 9}}\n");
    let compiled = compile("pipeline.yaml", &source, directory.path(), &|_| None).unwrap();
    for decision in run(&compiled, &payments[..60], false) {
        let moved: Vec<_> = decision
            .reasons
            .iter()
            .filter(|reason| reason.contribution.is_some())
            .collect();
        let mut names: Vec<&str> = moved.iter().map(|reason| reason.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), moved.len(), "{moved:?}");
        let sum: f64 = moved.iter().filter_map(|reason| reason.contribution).sum();
        let expected = decision.score.unwrap() - baseline;
        assert!((sum - expected).abs() < 1e-4, "{sum}, not {expected}");
        for reason in moved
            .iter()
            .filter(|reason| reason.name == "times" && reason.contribution > Some(0.0))
        {
            assert_eq!(reason.code, "PACE");
            assert!(reason.description.as_ref().unwrap().ends_with(" payments"));
        }
    }
}
