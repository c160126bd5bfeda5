//! Time to attribute the score of a row against 16 background rows.
//!
//! `cargo bench -p riskstream-models --bench attribution [-- MODEL ROWS]`, with the models under
//! `RISKSTREAM_REFERENCE_DATA` or `../shared/data`. With MODEL and ROWS it only attributes that many rows of that
//! model, so that instructions can be counted.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use riskstream_models::{Attribution, Explainer, LoadOptions, Model};

const MODELS: [&str; 9] = [
    "xgb_100_6",
    "xgb_500_8",
    "lgb_100_6",
    "rf_100_6",
    "hgb_100_6",
    "pipe_imp_scale_xgb",
    "logreg",
    "isoforest_100",
    "torch_mlp_ts",
];
const BACKGROUND_ROWS: usize = 16;

fn main() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let data: PathBuf = std::env::var_os("RISKSTREAM_REFERENCE_DATA").map_or_else(|| default.into(), PathBuf::from);
    let Ok(bytes) = std::fs::read(data.join("models/X.f32")) else {
        println!("no reference data under {}: nothing measured", data.display());
        return;
    };
    let chunks = bytes.as_chunks::<4>().0.iter();
    let rows: Vec<f64> = chunks.map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect();
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let load = |name: &str| {
        Model::load(
            &data.join("models").join(format!("{name}.onnx")),
            &LoadOptions::default(),
        )
    };
    if let [name, count] = arguments.as_slice() {
        let count: usize = count.parse().expect("the number of rows");
        attribute(
            &mut attribution(&load(name).expect("a model"), &rows).explainer(),
            rows.iter().take(count * 30),
        );
        return;
    }
    println!("{:20} {:>10} {:>10} {:>10}", "model", "method", "build ms", "µs/row");
    for name in MODELS {
        let model = load(name).expect("the reference models load");
        let start = Instant::now();
        let attribution = attribution(&model, &rows);
        let build = start.elapsed().as_secs_f64() * 1e3;
        let method = format!("{:?}", attribution.method());
        let fastest = microseconds_per_row(&mut attribution.explainer(), &rows);
        println!("{name:20} {method:>10} {build:10.1} {fastest:10.2}");
    }
}

/// Attribution against 16 rows spread over the data.
fn attribution(model: &Model, rows: &[f64]) -> Attribution {
    let width = model.input_width();
    let every = rows.len() / width / BACKGROUND_ROWS;
    let background: Vec<f64> = rows
        .chunks_exact(width)
        .step_by(every)
        .take(BACKGROUND_ROWS)
        .flatten()
        .copied()
        .collect();
    model.attribution(&background).expect("the background rows are scored")
}

fn attribute<'a>(explainer: &mut Explainer, values: impl Iterator<Item = &'a f64>) {
    let rows: Vec<f64> = values.copied().collect();
    let mut contributions = Vec::new();
    for row in rows.chunks_exact(30) {
        explainer
            .explain(row, &mut contributions)
            .expect("the reference models run");
    }
}

/// The fastest of several passes over the rows; other work on the machine can only make a pass slower.
fn microseconds_per_row(explainer: &mut Explainer, rows: &[f64]) -> f64 {
    const TIME: Duration = Duration::from_secs(2);
    const ROWS: usize = 100;
    let mut contributions = Vec::new();
    let mut fastest = f64::INFINITY;
    let begin = Instant::now();
    while begin.elapsed() < TIME {
        for rows in rows.chunks_exact(ROWS * 30) {
            let start = Instant::now();
            for row in rows.chunks_exact(30) {
                explainer
                    .explain(row, &mut contributions)
                    .expect("the reference models run");
            }
            fastest = fastest.min(start.elapsed().as_secs_f64() * 1e6 / ROWS as f64);
        }
    }
    fastest
}
