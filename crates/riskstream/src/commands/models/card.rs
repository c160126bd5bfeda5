//! `riskstream models card`: the first version of a model's card.

use super::load::load;
use super::rows::RowFile;
use crate::commands::error::CommandError;
use anyhow::{Context, anyhow};
use riskstream_definition::cards::{Card, CardDraft, InputRow};
use riskstream_models::{Model, ScoreOutput};
use riskstream_offline::read::{ENDINGS, Source};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The ONNX file; its card is written beside it, `fraud.card.yaml` for `fraud.onnx`
    #[arg(value_name = "MODEL")]
    file: PathBuf,
    #[arg(long, value_name = "FILE", help = format!(
        "A file of rows with a column for each input of the model. Its name ends in {ENDINGS}"
    ))]
    data: PathBuf,
    /// The columns of FILE that the model takes, in its order; by default the names of the model's inputs
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    inputs: Option<Vec<String>>,
    /// The column of FILE with the scores of the exporting library; without it the card has no golden rows
    #[arg(long, value_name = "NAME")]
    score_column: Option<String>,
    /// The output that is the score, such as `probabilities[1]`; by default the only one
    #[arg(long, value_name = "OUTPUT")]
    score: Option<ScoreOutput>,
}

pub(super) fn execute(args: &Args) -> Result<(), CommandError> {
    let path = write_card(&NewCard {
        model: &args.file,
        data: &Source::File(args.data.clone()),
        inputs: args.inputs.as_deref(),
        score_column: args.score_column.as_deref(),
        score: args.score.clone(),
    })?;
    println!(
        "wrote {}; complete it, then `riskstream models verify {}`",
        path.display(),
        args.file.display()
    );
    Ok(())
}

/// What a first card is made from: see the arguments of the command.
pub struct NewCard<'a> {
    /// The ONNX file.
    pub model: &'a Path,
    /// Rows with a column for each input of the model.
    pub data: &'a Source,
    /// The columns that the model takes.
    pub inputs: Option<&'a [String]>,
    /// The column with the scores of the exporting library.
    pub score_column: Option<&'a str>,
    /// The output that is the score.
    pub score: Option<ScoreOutput>,
}

/// Writes the first version of a card beside its model; its path.
///
/// # Errors
/// The model cannot be used, the rows do not fit it, or there is a card already.
pub fn write_card(new: &NewCard<'_>) -> Result<PathBuf, CommandError> {
    let model = load(new.model, new.score.clone())?;
    let inputs = inputs(&model, new.inputs)?;
    let table = RowFile {
        source: new.data,
        inputs: &inputs,
        kinds: model.columns(),
        score: new.score_column,
    };
    let mut sample = Sample::new();
    table.read(&mut |row, score| {
        sample.push(row, score);
        Ok(())
    })?;
    let file = new.model.file_name().unwrap_or_default().to_string_lossy();
    let draft = CardDraft {
        model: &model,
        file: &file,
        inputs: &inputs,
        rows: &sample.rows,
        scores: new.score_column.is_some().then_some(&sample.scores),
    };
    let path = Card::path(new.model);
    write(&path, &draft)?;
    Ok(path)
}

/// The names of the model's columns: those given, or those of its inputs if each is one column.
///
/// # Errors
/// Names are missing.
pub fn inputs(model: &Model, given: Option<&[String]>) -> Result<Vec<String>, CommandError> {
    let names = match given {
        Some(names) => names.to_vec(),
        None if model.inputs().all(|(_, axes)| axes.iter().product::<usize>() == 1) => {
            model.inputs().map(|(name, _)| name.to_owned()).collect()
        }
        None => {
            return Err(CommandError::configuration(anyhow!(
                "the model has one input of several columns: name them in its order, `--inputs amount,night,…`"
            )));
        }
    };
    match names.len() == model.input_width() {
        true => Ok(names),
        false => Err(CommandError::configuration(anyhow!(
            "the model has {} columns, `--inputs` names {}",
            model.input_width(),
            names.len()
        ))),
    }
}

/// Writes a card where there is none yet.
fn write(path: &Path, draft: &CardDraft<'_>) -> Result<(), CommandError> {
    let file = File::options().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| write!(file, "{draft}"));
    written
        .with_context(|| format!("cannot write {}", path.display()))
        .map_err(CommandError::Configuration)
}

/// Rows of a file at equal distances, however long it is.
struct Sample {
    rows: Vec<InputRow>,
    scores: Vec<f64>,
    /// Every how many-th row is kept.
    step: usize,
    read: usize,
}

impl Sample {
    /// Beyond this number every second row is dropped.
    const MAX_ROWS: usize = 4096;

    fn new() -> Sample {
        Sample {
            rows: Vec::new(),
            scores: Vec::new(),
            step: 1,
            read: 0,
        }
    }

    fn push(&mut self, row: InputRow, score: f64) {
        if self.read.is_multiple_of(self.step) {
            self.rows.push(row);
            self.scores.push(score);
        }
        self.read += 1;
        if self.rows.len() > Sample::MAX_ROWS {
            self.step *= 2;
            keep_every_second(&mut self.rows);
            keep_every_second(&mut self.scores);
        }
    }
}

fn keep_every_second<T>(values: &mut Vec<T>) {
    let mut is_kept = false;
    values.retain(|_| {
        is_kept = !is_kept;
        is_kept
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_the_file() {
        let mut sample = Sample::new();
        for row in 0..100_000 {
            sample.push(Vec::new(), f64::from(row));
        }
        assert_eq!(sample.rows.len(), sample.scores.len());
        assert!(sample.rows.len() <= Sample::MAX_ROWS);
        let step = sample.step as f64;
        assert!(sample.scores.windows(2).all(|pair| pair[1] - pair[0] == step), "{step}");
        assert!(sample.scores[0] == 0.0 && sample.scores.last().is_some_and(|last| *last > 90_000.0));
    }
}
