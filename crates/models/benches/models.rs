//! Time per row of the reference models, one row at a time and in batches of 64.
//!
//! `cargo bench -p riskstream-models`, with the models under `RISKSTREAM_REFERENCE_DATA` or `../shared/data`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use riskstream_models::{LoadOptions, Model};

const MODELS: [&str; 9] = [
    "xgb_100_6",
    "xgb_500_8",
    "lgb_100_6",
    "rf_100_6",
    "hgb_100_6",
    "logreg",
    "pipe_imp_scale_lr",
    "torch_mlp_ts",
    "isoforest_100",
];

fn main() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let data: PathBuf = std::env::var_os("RISKSTREAM_REFERENCE_DATA").map_or_else(|| default.into(), PathBuf::from);
    let Ok(bytes) = std::fs::read(data.join("models/X.f32")) else {
        println!("no reference data under {}: nothing measured", data.display());
        return;
    };
    let rows: Vec<f64> = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&bytes| f64::from(f32::from_le_bytes(bytes)))
        .collect();
    println!(
        "{:20} {:>9} {:>14} {:>14}",
        "model", "load ms", "µs/row, alone", "µs/row, of 64"
    );
    for name in MODELS {
        let path = data.join("models").join(format!("{name}.onnx"));
        let start = Instant::now();
        match Model::load(&path, &LoadOptions::default()) {
            Ok(model) => {
                let load = start.elapsed().as_secs_f64() * 1e3;
                let [alone, batched] = [1, 64].map(|batch| microseconds_per_row(&model, &rows, batch));
                println!("{name:20} {load:9.1} {alone:14.2} {batched:14.2}");
            }
            Err(error) => println!("{name:20} {error}"),
        }
    }
}

/// The fastest of several passes over the rows; other work on the machine can only make a pass slower.
fn microseconds_per_row(model: &Model, rows: &[f64], batch: usize) -> f64 {
    const TIME: Duration = Duration::from_millis(500);
    let mut scorer = model.scorer();
    let mut scores = Vec::new();
    let mut fastest = f64::INFINITY;
    let begin = Instant::now();
    while begin.elapsed() < TIME {
        let mut count = 0;
        let start = Instant::now();
        for rows in rows.chunks_exact(batch * model.input_width()) {
            scorer.score(rows, &mut scores).expect("the reference models run");
            count += scores.len();
        }
        fastest = fastest.min(start.elapsed().as_secs_f64() * 1e6 / count as f64);
    }
    fastest
}
