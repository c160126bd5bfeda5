//! From files, with `riskstream backfill`.

use crate::comparison::{
    Decision, Decisions, check_scores, compare_with_published, compare_with_recomputation, in_order,
};
use crate::data::{Record, Transaction, file, floats, integers, log, parquet, transactions};
use crate::kafka::{json, pipeline_file};
use crate::recomputation::{NAMES, recompute};
use crate::support::process::run;
use arrow_array::cast::AsArray;
use arrow_cast::cast;
use arrow_schema::DataType;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

fn write_inputs(directory: &Path, transactions: &[Transaction], log: &[Record]) -> [String; 2] {
    let paths = ["transactions", "labels"].map(|name| directory.join(format!("{name}.jsonl")));
    let mut files = paths.each_ref().map(|path| BufWriter::new(File::create(path).unwrap()));
    for &record in log {
        let topic = usize::from(matches!(record, Record::Label(_)));
        writeln!(files[topic], "{}", json(transactions, record)).unwrap();
    }
    for file in &mut files {
        file.flush().unwrap();
    }
    [
        format!("transactions={}", paths[0].display()),
        format!("labels={}", paths[1].display()),
    ]
}

fn backfill(directory: &Path, transactions: &[Transaction], inputs: &[String; 2], model: &str) -> Decisions {
    let began = Instant::now();
    let pipeline = pipeline_file(directory, "handbook");
    let output = directory.join(format!("{model}.parquet"));
    let arguments = [
        "backfill",
        pipeline.to_str().unwrap(),
        "--input",
        &inputs[0],
        "--input",
        &inputs[1],
        "--output",
        output.to_str().unwrap(),
    ];
    let environment = [
        ("RISKSTREAM_HANDBOOK", file("").display().to_string()),
        ("RISKSTREAM_HANDBOOK_MODEL", model.to_owned()),
    ];
    let (code, output_text, errors) = run(&arguments, &environment);
    assert_eq!(code, Some(0), "{errors}");
    println!("backfill, {model}: {:.1?}\n  {}", began.elapsed(), output_text.trim());
    let batch = parquet(&output);
    let ids = cast(batch.column_by_name("transaction_id").unwrap(), &DataType::Utf8).unwrap();
    let scores = floats(&batch, "score");
    let features = NAMES.map(|name| floats(&batch, name));
    let decision = |row: usize| {
        let id = ids.as_string::<i32>().value(row).parse().unwrap();
        (
            id,
            Decision {
                score: scores[row],
                features: std::array::from_fn(|number| features[number][row]),
            },
        )
    };
    in_order(transactions, (0..batch.num_rows()).map(decision))
}

#[test]
#[ignore = "needs the reference data in ../shared/data/handbook; run by scripts/reference"]
fn features_and_scores_of_files_are_the_published_ones() {
    let transactions = transactions();
    let directory = tempfile::tempdir().unwrap();
    let log = log(&transactions);
    let inputs = write_inputs(directory.path(), &transactions, &log);
    let expected = recompute(&transactions, &log);
    for model in ["xgboost", "logreg", "random_forest"] {
        let decisions = backfill(directory.path(), &transactions, &inputs, model);
        compare_with_published(&transactions, &decisions).expect_none("the published test week");
        compare_with_recomputation(&transactions, &decisions, &expected).expect_none("all rows, recomputed");
        check_scores(&transactions, &decisions, model);
    }
}

/// The labels of the published test set: the test week without the cards that were known to be compromised before it.
fn write_test_labels(path: &Path) {
    let batch = parquet(&file("expected_scores_test_week.parquet"));
    let [ids, frauds, is_tested] = ["TRANSACTION_ID", "TX_FRAUD", "IN_TEST_SET"].map(|name| integers(&batch, name));
    let mut labels = BufWriter::new(File::create(path).unwrap());
    for ((id, fraud), _) in ids.iter().zip(frauds).zip(is_tested).filter(|(_, tested)| *tested == 1) {
        let fraud = fraud == 1;
        writeln!(labels, r#"{{"transaction_id":{id},"fraud":{fraud}}}"#).unwrap();
    }
    labels.flush().unwrap();
}

#[test]
#[ignore = "needs the reference data in ../shared/data/handbook; run by scripts/reference"]
fn a_backtest_of_three_models_in_one_pass_gives_the_published_table() {
    let transactions = transactions();
    let directory = tempfile::tempdir().unwrap();
    let inputs = write_inputs(directory.path(), &transactions, &log(&transactions));
    let path = |name: &str| directory.path().join(name).display().to_string();
    write_test_labels(Path::new(&path("tested.jsonl")));
    let pipeline = pipeline_file(directory.path(), "handbook").display().to_string();
    let models = ["logreg", "random_forest"].map(|name| file(&format!("models/{name}.onnx")).display().to_string());
    let (labels, json) = (path("tested.jsonl"), path("report.json"));
    let arguments = [
        &[
            "backtest",
            pipeline.as_str(),
            "--input",
            &inputs[0],
            "--input",
            &inputs[1],
        ][..],
        &[
            "--labels",
            &labels,
            "--label-delay",
            "7d",
            "--from",
            "2018-08-08",
            "--until",
            "2018-08-15",
        ],
        &["--model", &models[0], "--model", &models[1], "--json", &json],
    ]
    .concat();
    let environment = [("RISKSTREAM_HANDBOOK", file("").display().to_string())];
    let (code, output, errors) = run(&arguments, &environment);
    assert_eq!(code, Some(0), "{errors}");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(report["judged"], 58_264, "{output}");
    // The README of the data: to four digits where it gives them, else to three.
    #[rustfmt::skip]
    let table = [
        [0.862,  0.639,  0.273],
        [0.8705, 0.6057, 0.2914],
        [0.8672, 0.6584, 0.2871],
    ];
    for (place, (expected, tolerance)) in table.iter().zip([0.0005, 0.00005, 0.00005]).enumerate() {
        let scores = &report["variants"][place]["scores"];
        let found = [
            &scores["auc"],
            &scores["average_precision"],
            &scores["card_precision_at_k"]["mean"],
        ];
        let is_close =
            |(found, expected): (&&serde_json::Value, &f64)| (found.as_f64().unwrap() - expected).abs() <= tolerance;
        assert!(found.iter().zip(expected).all(is_close), "{place}: {found:?}");
    }
}
