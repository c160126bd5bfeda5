//! `demo` and `backfill` over a file, in a directory with the pipeline file `pipeline.yaml` and what they write.

use crate::support::process::run;
use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use riskstream_events::OwnedDecisionRecord;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Runs the command on a file of transactions; exit code, standard output and standard error.
pub fn riskstream(directory: &Path, command: &str, file: &Path, further: &[&str]) -> (Option<i32>, String, String) {
    let text = |path: PathBuf| path.display().to_string();
    let (pipeline, file) = (text(directory.join("pipeline.yaml")), file.display().to_string());
    let (decisions, features) = (
        text(directory.join("decisions.jsonl")),
        text(directory.join("features.parquet")),
    );
    let arguments = match command {
        "demo" => vec![
            "demo",
            "--pipeline",
            &pipeline,
            "--input",
            &file,
            "--output",
            &decisions,
        ],
        command => vec![command, &pipeline, "--input", &file, "--output", &features],
    };
    run(&[&arguments, further].concat(), &[])
}

/// The decisions that the demo wrote; none if it wrote no file.
pub fn decisions(directory: &Path) -> Vec<OwnedDecisionRecord> {
    let text = std::fs::read_to_string(directory.join("decisions.jsonl")).unwrap_or_default();
    let read = |line: &str| OwnedDecisionRecord::from_json(line.as_bytes()).unwrap();
    text.lines().map(read).collect()
}

/// The features that the backfill wrote; none if it wrote no file.
pub fn features(directory: &Path) -> Vec<RecordBatch> {
    let Ok(file) = File::open(directory.join("features.parquet")) else {
        return Vec::new();
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    reader.map(Result::unwrap).collect()
}
