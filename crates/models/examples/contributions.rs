//! Writes the contributions of a model's inputs to its scores for a file of rows, for comparison with another program.
//!
//! `contributions MODEL ROWS BACKGROUND [SCORE]`: ROWS and BACKGROUND hold little-endian f32, row after row. Writes
//! `ROWS.contributions.f64`, a number for each input of each row, and prints the method and the space.

use std::error::Error;
use std::path::Path;

use riskstream_models::{LoadOptions, Model, ScoreOutput};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, model, rows_file, background, score @ ..] = arguments.as_slice() else {
        return Err("usage: contributions MODEL ROWS BACKGROUND [SCORE]".into());
    };
    let score: Option<ScoreOutput> = score.first().map(|score| score.parse()).transpose()?;
    let options = LoadOptions {
        score,
        ..LoadOptions::default()
    };
    let model = Model::load(Path::new(model), &options)?;
    let attribution = model.attribution(&floats(background)?)?;
    let mut explainer = attribution.explainer();
    let (mut contributions, mut bytes) = (Vec::new(), Vec::new());
    for row in floats(rows_file)?.chunks(model.input_width()) {
        explainer.explain(row, &mut contributions)?;
        bytes.extend(contributions.iter().flat_map(|number| number.to_le_bytes()));
    }
    std::fs::write(format!("{rows_file}.contributions.f64"), bytes)?;
    println!("{:?} {:?}", attribution.method(), attribution.space());
    Ok(())
}

fn floats(file: &str) -> Result<Vec<f64>, std::io::Error> {
    let bytes = std::fs::read(file)?;
    let chunks = bytes.as_chunks::<4>().0.iter();
    Ok(chunks.map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect())
}
