//! Writes all outputs of a model for a file of rows, for comparison with another runtime.
//!
//! `answers MODEL ROWS`: ROWS holds little-endian f32, row after row. Writes `ROWS.NAME.f64` for each output NAME of
//! numbers and `ROWS.NAME.txt` for each of strings, and prints the description as JSON.

use std::error::Error;
use std::path::Path;

use riskstream_models::{LoadOptions, Model, ScoreOutput, Values};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, model, rows_file, score @ ..] = arguments.as_slice() else {
        return Err("usage: answers MODEL ROWS [SCORE]".into());
    };
    let score: Option<ScoreOutput> = score.first().map(|score| score.parse()).transpose()?;
    let model = Model::load(
        Path::new(model),
        &LoadOptions {
            score,
            ..LoadOptions::default()
        },
    )?;
    let bytes = std::fs::read(rows_file)?;
    let rows: Vec<f64> = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&bytes| f64::from(f32::from_le_bytes(bytes)))
        .collect();
    for output in model.scorer().outputs(&rows)? {
        let file = format!("{rows_file}.{}", output.name);
        match output.values {
            Values::Numbers(numbers) => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                std::fs::write(format!("{file}.f64"), bytes)?;
            }
            Values::Strings(strings) => std::fs::write(format!("{file}.txt"), strings.join("\n"))?,
        }
    }
    println!("{}", serde_json::to_string_pretty(model.description())?);
    Ok(())
}
