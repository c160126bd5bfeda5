//! `riskstream check`: the diagnostics of a pipeline file, then its examples.

use super::error::CommandError;
use crate::pipeline_file;
use riskstream_definition::Compiled;
use std::path::PathBuf;

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
    let compiled = pipeline_file::load(path)?;
    if let Some(format) = args.decision_schema {
        print!("{}", decision_schema(&compiled, format));
        return Ok(());
    }
    if args.explain {
        print!("{}", riskstream_definition::explain(&compiled));
        println!();
    }
    #[cfg(feature = "kafka")]
    check_kafka(&compiled)?;
    println!("{}: ok, {}", compiled.file, summary(&compiled));
    check_rollout(&compiled)?;
    let examples = riskstream_definition::run_examples(&compiled).map_err(CommandError::Examples)?;
    match examples {
        0 => println!("no examples"),
        1 => println!("1 example holds"),
        many => println!("{many} examples hold"),
    }
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

/// Checks the roll-out file that `riskstream run` will watch, if it exists.
fn check_rollout(compiled: &Compiled) -> Result<(), CommandError> {
    let Some(path) = compiled.rollout_file().filter(|path| path.exists()) else {
        return Ok(());
    };
    let set = pipeline_file::load_rollout(&path, compiled)?;
    println!("{}: ok, revision {}", path.display(), set.revision);
    Ok(())
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
