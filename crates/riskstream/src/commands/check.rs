//! `riskstream check`: the diagnostics of a pipeline file, then its examples.

use super::error::CommandError;
use crate::pipeline_file;
use riskstream_definition::Compiled;
use std::path::{Path, PathBuf};

/// The formats of the schema of decisions.
#[derive(Clone, Copy, clap::ValueEnum)]
enum SchemaFormat {
    Avro,
    Json,
}

/// The arguments of `riskstream check`.
#[derive(clap::Args)]
pub struct Args {
    /// The pipeline file
    #[arg(required_unless_present = "schema")]
    pipeline: Option<PathBuf>,
    /// Print the plan: stages, topics, and the state of each stage
    #[arg(long)]
    explain: bool,
    /// Print the JSON Schema of pipeline files, for editors
    #[arg(long, conflicts_with_all = ["pipeline", "explain"])]
    schema: bool,
    /// Print the schema of the pipeline's decisions, with its outcomes, and nothing else
    #[arg(long, value_name = "FORMAT", conflicts_with = "explain", requires = "pipeline")]
    decision_schema: Option<SchemaFormat>,
}

/// Checks the pipeline file, the roll-out file if it exists, and the examples.
///
/// # Errors
/// A file has diagnostics, or an example gives another result.
pub fn execute(args: Args) -> Result<(), CommandError> {
    let Some(path) = &args.pipeline else {
        println!("{}", riskstream_definition::schema());
        return Ok(());
    };
    let compiled = read(path)?;
    if let Some(warnings) = compiled.warnings() {
        eprint!("{}", pipeline_file::render(&warnings));
    }
    if let Some(format) = args.decision_schema {
        print!("{}", decision_schema(&compiled, format));
        return Ok(());
    }
    if args.explain {
        print!("{}", riskstream_definition::explain(&compiled));
        println!();
    }
    check(&compiled, &mut |line| println!("{line}"))
}

/// Reads and compiles a pipeline file.
///
/// # Errors
/// All its diagnostics.
pub fn read(path: &Path) -> Result<Compiled, CommandError> {
    Ok(pipeline_file::read(path)?)
}

/// Checks what a pipeline file alone does not tell: the properties of Kafka's client, the roll-out file if it exists, and the
/// examples. Gives a line to `found` for each.
///
/// # Errors
/// A file has diagnostics, or an example gives another result.
pub fn check(compiled: &Compiled, found: &mut dyn FnMut(String)) -> Result<(), CommandError> {
    #[cfg(feature = "kafka")]
    check_kafka(compiled)?;
    found(format!("{}: ok, {}", compiled.file, summary(compiled)));
    if let Some((path, revision)) = check_rollout(compiled)? {
        found(format!("{}: ok, revision {revision}", path.display()));
    }
    let examples = riskstream_definition::run_examples(compiled).map_err(CommandError::Examples)?;
    found(match examples {
        0 => "no examples".to_owned(),
        1 => "1 example holds".to_owned(),
        many => format!("{many} examples hold"),
    });
    Ok(())
}

fn decision_schema(compiled: &Compiled, format: SchemaFormat) -> String {
    match format {
        SchemaFormat::Avro => compiled.decision_avro_schema(),
        SchemaFormat::Json => compiled.decision_json_schema(),
    }
}

/// Checks the properties of Kafka's client, as `run` does.
#[cfg(feature = "kafka")]
fn check_kafka(compiled: &Compiled) -> Result<(), CommandError> {
    if compiled.settings.kafka.is_some() {
        crate::connections::kafka_options(compiled, None).map_err(CommandError::configuration)?;
    }
    Ok(())
}

/// Checks the roll-out file that `riskstream run` will watch, if it exists; its path and revision.
fn check_rollout(compiled: &Compiled) -> Result<Option<(PathBuf, u64)>, CommandError> {
    let Some(path) = compiled.rollout_file().filter(|path| path.exists()) else {
        return Ok(None);
    };
    let set = pipeline_file::load_rollout(&path, compiled)?;
    Ok(Some((path, set.revision)))
}

fn summary(compiled: &Compiled) -> String {
    let plan = &compiled.plan;
    let stages: Vec<&str> = plan.stages.iter().map(|stage| stage.entity.as_str()).collect();
    let features = plan.decide.features.len();
    let model = compiled
        .decision
        .lineup
        .champion_plan()
        .map_or("no model".to_owned(), |model| format!("model {}", model.name));
    let rules = plan.decide.policy.reasons().len();
    format!(
        "stages {}; {features} features; {model}; {rules} rules and thresholds; version {}",
        stages.join(" → "),
        plan.version
    )
}
