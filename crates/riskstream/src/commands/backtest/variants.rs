//! `--against`, `--model` and `--rollout`: the variants that are compared with the pipeline.

use crate::commands::error::CommandError;
use crate::commands::host::Host;
use crate::pipeline_file;
use anyhow::anyhow;
use riskstream_backtest::on_history;
use riskstream_definition::Compiled;
use riskstream_definition::cards::Card;
use riskstream_engine::plan::Plan;
use riskstream_models::{LoadOptions, Model, ModelError};
use riskstream_scoring::{DecisionSet, Lineup, ModelPlan};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The arguments.
#[derive(clap::Args)]
pub(super) struct VariantArgs {
    /// Another pipeline file to compare with. If it has the same features, they are computed once; otherwise the files are read
    /// again for it. May be repeated
    #[arg(long, value_name = "PIPELINE")]
    against: Vec<PathBuf>,
    /// Another model in place of the pipeline's, with the same inputs. May be repeated
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// What a roll-out file sets: rules, thresholds, models. May be repeated
    #[arg(long = "rollout", value_name = "FILE")]
    rollouts: Vec<PathBuf>,
}

/// A variant and how it is run.
pub(super) struct Planned {
    /// Its name in the report.
    pub name: String,
    /// Its plan.
    pub plan: Arc<Plan>,
    /// Its models.
    pub decision: Arc<DecisionSet>,
    /// Its pipeline, if features are not those of the base.
    pub with_other_features: Option<Compiled>,
}

/// The pipeline and everything that is compared with it.
pub(super) struct Variants {
    /// The pipeline.
    pub base: Compiled,
    /// Its models, and all other variants.
    pub planned: Vec<Planned>,
}

impl VariantArgs {
    /// Reads all files. `fields` are read besides those that a pipeline uses.
    ///
    /// # Errors
    /// A file is wrong, or a model takes other inputs than the pipeline's.
    pub(super) fn load(
        &self,
        pipeline: &Path,
        fields: Vec<String>,
        host: &mut dyn Host,
    ) -> Result<Variants, CommandError> {
        let mut load = |path: &Path, fields: &[String]| {
            let compiled = pipeline_file::read_fields(path, fields)?;
            if let Some(warnings) = compiled.warnings() {
                host.warn(&warnings);
            }
            Ok::<Compiled, CommandError>(compiled)
        };
        let mut base = load(pipeline, &fields)?;
        let mut others = Vec::new();
        if !self.against.is_empty() {
            // All read what any of them uses, so that rows of the one are rows of the other.
            let mut all = fields;
            all.extend(names_of_fields(&base));
            for path in &self.against {
                all.extend(names_of_fields(&load(path, &[])?));
            }
            base = pipeline_file::read_fields(pipeline, &all)?;
            for path in &self.against {
                let other = pipeline_file::read_fields(path, &all)?;
                check_secrets(&base, &other, path)?;
                others.push((path, other));
            }
        }
        let mut planned = vec![of_base(&base, name(pipeline), &base.decision)];
        for (path, other) in others {
            planned.push(Planned {
                name: name(path),
                plan: Arc::clone(&other.plan),
                decision: Arc::new(on_history(&other.decision)),
                with_other_features: (!base.shares_features_with(&other)).then_some(other),
            });
        }
        for path in &self.models {
            let set = with_model(&base, path)?;
            planned.push(of_base(&base, name(path), &set));
        }
        for path in &self.rollouts {
            let set = pipeline_file::load_draft(path, &base)?;
            planned.push(of_base(&base, name(path), &set));
        }
        Ok(Variants { base, planned })
    }
}

/// Constants in both are published pseudonyms under one secret.
fn check_secrets(base: &Compiled, other: &Compiled, path: &Path) -> Result<(), CommandError> {
    let published = |pipeline: &Compiled| pipeline.settings.key_env.as_ref()?.published.clone();
    match published(base) == published(other) {
        true => Ok(()),
        false => Err(CommandError::configuration(anyhow!(
            "--against {}: its pseudonyms are published under another secret: write the same `personal_data.key_env` in both files",
            path.display()
        ))),
    }
}

fn names_of_fields(pipeline: &Compiled) -> impl Iterator<Item = String> {
    let fields = pipeline.inputs.iter().flat_map(|input| &input.fields);
    fields.map(|field| field.name.clone())
}

/// A variant that has the features of the base.
fn of_base(base: &Compiled, name: String, set: &DecisionSet) -> Planned {
    Planned {
        name,
        plan: Arc::new(base.plan.deciding_by(&set.decide)),
        decision: Arc::new(on_history(set)),
        with_other_features: None,
    }
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// What decides in the pipeline, with another champion.
fn with_model(base: &Compiled, path: &Path) -> Result<DecisionSet, CommandError> {
    let wrong = |why: String| CommandError::configuration(anyhow!("--model {}: {why}", path.display()));
    let Some(champion) = base.decision.lineup.champion_plan() else {
        return Err(wrong(
            "the pipeline has no model: name it in a copy of the file, for --against".to_owned(),
        ));
    };
    let inputs: Vec<&str> = champion
        .inputs
        .iter()
        .map(|slot| base.plan.slots[*slot].name.as_str())
        .collect();
    let card = Card::of(path).map_err(|error| wrong(error.to_string()))?;
    if let Some(card) = card.as_ref().filter(|card| card.inputs != inputs) {
        return Err(wrong(format!(
            "its card lists the inputs {}, the pipeline gives {}: name it in a copy of the file, for --against",
            card.inputs.join(", "),
            inputs.join(", ")
        )));
    }
    // A model that was trained again has the output of the one before, unless its card says otherwise.
    let named = card.as_ref().map(|card| card.score.output.clone());
    let named = named.or_else(|| champion.model.description().score.clone());
    let score = named.and_then(|score| score.parse().ok());
    let load = |score| {
        Model::load(
            path,
            &LoadOptions {
                score,
                ..LoadOptions::default()
            },
        )
    };
    let model = match load(score) {
        Err(ModelError::Score(_)) if card.is_none() => load(None),
        loaded => loaded,
    };
    let model = model.map_err(|error| wrong(error.to_string()))?;
    if model.columns() != champion.model.columns() {
        return Err(wrong(format!(
            "it takes {} columns, or columns of other types, than the {} of the pipeline's model: name it in a copy of the file, \
             for --against",
            model.columns().len(),
            champion.model.columns().len()
        )));
    }
    let version = card
        .as_ref()
        .map_or_else(|| model.sha256()[..12].to_owned(), |card| card.version.clone());
    let name = card.map_or_else(|| name(path), |card| card.name);
    let plan = ModelPlan {
        label: format!("{name}@{version}").into(),
        name,
        version,
        model: Arc::new(model),
        card: None,
        inputs: champion.inputs.clone(),
        columns: champion.columns.clone(),
        pad: champion.pad,
        explanation: None,
        within: None,
        fallback: None,
    };
    let lineup = Lineup {
        models: vec![Arc::new(plan)],
        champion: Some(0),
        ..Lineup::default()
    };
    Ok(DecisionSet::of_pipeline(lineup, Arc::clone(&base.plan.decide)))
}
