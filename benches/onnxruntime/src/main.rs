//! Compares riskstream-models with ONNX Runtime: the same models and rows, one thread each, alternately, in one run.
//!
//! `benches/onnxruntime/run` installs what is needed and runs it. For each model: first the scores of all
//! rows are compared, then passes over all rows are timed, alternately riskstream's and ONNX Runtime's, so that other work
//! on the machine affects both. The medians of the passes and of the pairs' ratios are printed. Times are CPU times of
//! the one thread on which both run.

mod data;
mod onnxruntime;
mod riskstream;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cpu_time::ThreadTime;
use ort::environment::Environment;
use riskstream_models::{LoadOptions, Model, ScoreOutput};

use data::Table;
use onnxruntime::OnnxRuntime;
use riskstream::Riskstream;

/// A model and its goal: how many times as fast as ONNX Runtime it must be, for single rows and in batches of 64.
struct Goal {
    model: &'static str,
    alone: Option<f64>,
    batched: Option<f64>,
}

const fn goal(model: &'static str, alone: f64, batched: f64) -> Goal {
    Goal {
        model,
        alone: Some(alone),
        batched: Some(batched),
    }
}

const fn no_goal(model: &'static str) -> Goal {
    Goal {
        model,
        alone: None,
        batched: None,
    }
}

/// As fast for single rows, two thirds as fast in batches.
const fn small(model: &'static str) -> Goal {
    goal(model, 1.0, 1.0 / 1.5)
}

const GOALS: [Goal; 15] = [
    goal("xgb_100_6", 5.0, 8.0),
    goal("xgb_500_8", 6.0, 6.0),
    no_goal("xgbreg_100_6"),
    no_goal("lgb_100_6"),
    no_goal("hgb_100_6"),
    goal("rf_100_6", 4.0, 4.0),
    goal("rf_100_6_ml5", 4.0, 4.0),
    Goal {
        model: "isoforest_100",
        alone: Some(10.0),
        batched: None,
    },
    small("logreg"),
    small("pipe_imp_scale_lr"),
    small("pipe_ct_ohe_lr"),
    no_goal("pipe_imp_scale_xgb"),
    small("mlp_30_64_32_1"),
    small("torch_mlp_ts"),
    small("skl_scaler_mlp"),
];

const BATCHES: [usize; 2] = [1, 64];
const LOADS: usize = 5;
const PAIRS: usize = 31;
/// The minimum time of a pass in seconds. A pass repeats all rows until it has lasted this long.
const PASS: f64 = 0.01;

/// Median times in microseconds, and the median of the pairs' ratios.
struct Timing {
    ours: f64,
    theirs: f64,
    ratio: f64,
}

fn main() -> Result<()> {
    let variable = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .with_context(|| format!("{name} is not set"))
    };
    let library = variable("ORT_DYLIB_PATH")?;
    let directories = [
        variable("RISKSTREAM_REFERENCE_DATA")?.join("models"),
        variable("RISKSTREAM_BENCH_MODELS")?,
    ];
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let environment = onnxruntime::environment(&library)?;
    println!(
        "{:19}|{:^21}|{:^33}|{:^33}",
        "", "load, ms", "a row alone, µs", "a row of 64, µs"
    );
    let times = format!("{:>6} {:>6} {:>7} {:>6} ", "ours", "ORT's", "ratio", "goal");
    println!(
        "{:19}|{:>10} {:>10}|     {times}|     {times}",
        "model", "ours", "ORT's"
    );
    let mut missed = 0;
    for goal in &GOALS {
        let file = format!("{}.onnx", goal.model);
        let Some(path) = directories
            .iter()
            .map(|directory| directory.join(&file))
            .find(|path| path.exists())
        else {
            println!("{:19}| is not there", goal.model);
            continue;
        };
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == goal.model) {
            missed += compare(&environment, goal, &path, &directories[0]).with_context(|| file)?;
        }
    }
    println!("goals missed: {missed}");
    Ok(())
}

/// Compares one model, prints its line, and returns how many goals it misses.
fn compare(environment: &Environment, goal: &Goal, path: &Path, data: &Path) -> Result<usize> {
    let model = Model::load(path, &LoadOptions::default())?;
    let score: ScoreOutput = model.description().score.as_deref().context("no score")?.parse()?;
    let table = Table::read(data, "X.f32", Riskstream::takes_texts(&model))?;
    let missing = Table::read(data, "Xnan.f32", Riskstream::takes_texts(&model))?;
    let load_ours = || Ok(Model::load(path, &LoadOptions::default())?);
    let load_theirs = || OnnxRuntime::load(environment, path, (&score.output, score.column.unwrap_or(0)));
    let load = in_turns(LOADS, || timed(load_ours), || timed(load_theirs))?;
    let theirs = load_theirs()?;
    for table in [&table, &missing] {
        let mut ours = Riskstream::new(model.clone(), table)?;
        BATCHES
            .iter()
            .try_for_each(|&batch| check_equal(&mut ours, &theirs, table, batch))?;
    }
    let mut ours = Riskstream::new(model, &table)?;
    let mut line = format!("{:19}|{:10.2} {:10.2}", goal.model, load.ours / 1e3, load.theirs / 1e3);
    let mut missed = 0;
    for (batch, goal) in BATCHES.into_iter().zip([goal.alone, goal.batched]) {
        let mut scores = Vec::new();
        let mut score_ours = || pass(table.rows, batch, |first| ours.score(first, batch, &mut scores));
        let mut scores = Vec::new();
        let mut score_theirs = || {
            pass(table.rows, batch, |first| {
                theirs.score(&table, first, batch, &mut scores)
            })
        };
        let timing = in_turns(PAIRS, &mut score_ours, &mut score_theirs)?;
        let is_missed = goal.is_some_and(|goal| timing.ratio < goal);
        missed += usize::from(is_missed);
        let goal = goal.map_or(String::new(), |goal| format!("{goal:.2}"));
        let mark = if is_missed { '!' } else { ' ' };
        line += &format!(
            "|{:10.3} {:8.3} {:6.2} {goal:>5}{mark}",
            timing.ours, timing.theirs, timing.ratio
        );
    }
    println!("{line}");
    Ok(missed)
}

/// Checks that every score is equal to ONNX Runtime's within 1e-5.
fn check_equal(ours: &mut Riskstream<'_>, theirs: &OnnxRuntime, table: &Table, batch: usize) -> Result<()> {
    let (mut our_scores, mut their_scores) = (Vec::new(), Vec::new());
    for first in (0..table.rows).step_by(batch) {
        let count = batch.min(table.rows - first);
        ours.score(first, count, &mut our_scores)?;
        theirs.score(table, first, count, &mut their_scores)?;
        ensure!(
            our_scores.len() == count && their_scores.len() == count,
            "not one score for each row"
        );
        for (row, (our, their)) in our_scores.iter().zip(&their_scores).enumerate() {
            ensure!(
                (our - their).abs() <= 1e-5 || our.is_nan() && their.is_nan(),
                "row {}: {our}, ONNX Runtime says {their}",
                first + row
            );
        }
    }
    Ok(())
}

/// Microseconds for a row: the mean over all rows that fill batches, repeated for the minimum time of a pass.
fn pass(rows: usize, batch: usize, mut score: impl FnMut(usize) -> Result<()>) -> Result<f64> {
    let start = ThreadTime::now();
    let mut scored = 0;
    while start.elapsed().as_secs_f64() < PASS {
        for first in (0..=rows - batch).step_by(batch) {
            score(first)?;
            scored += batch;
        }
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / scored as f64)
}

/// Microseconds that `work` takes, without the time to drop its result.
fn timed<T>(work: impl Fn() -> Result<T>) -> Result<f64> {
    let start = ThreadTime::now();
    let made = work()?;
    let time = start.elapsed().as_secs_f64() * 1e6;
    drop(made);
    Ok(time)
}

fn in_turns(
    pairs: usize,
    mut ours: impl FnMut() -> Result<f64>,
    mut theirs: impl FnMut() -> Result<f64>,
) -> Result<Timing> {
    let pairs = (0..pairs)
        .map(|_| Ok((ours()?, theirs()?)))
        .collect::<Result<Vec<_>>>()?;
    Ok(Timing {
        ours: median(pairs.iter().map(|pair| pair.0)),
        theirs: median(pairs.iter().map(|pair| pair.1)),
        ratio: median(pairs.iter().map(|(ours, theirs)| theirs / ours)),
    })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
