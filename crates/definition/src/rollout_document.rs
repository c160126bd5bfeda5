//! What the log says of a roll-out: enough to make the same line-up again, or to refuse.

use crate::{Compiled, Report, compile_rollout};
use riskstream_scoring::{Lineup, ModelPlan};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A roll-out as it stands in a repartition topic and in state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// What was typed.
    text: String,
    /// The models that it names, in its order. A file that was exchanged since is another model.
    models: Vec<Pinned>,
}

/// What a model's files held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pinned {
    /// The SHA-256 of the model file.
    sha256: String,
    /// The SHA-256 of its card, if it has one.
    card: Option<String>,
}

impl Pinned {
    fn new(model: &ModelPlan) -> Pinned {
        Pinned {
            sha256: model.model.sha256().to_owned(),
            card: model.card.clone(),
        }
    }
}

/// Why the line-up that a document stands for cannot be made again.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It was written by something else.
    #[error("its document cannot be read: {0}")]
    Form(#[from] serde_json::Error),
    /// Something that it needs is no more as it was.
    #[error("{0}")]
    Rollout(#[from] Report),
    /// A model file was exchanged.
    #[error(
        "model {label} or its card is not what it was when it was rolled out: put the files back whose SHA-256 are {expected}"
    )]
    Exchanged {
        /// The model's name and version.
        label: String,
        /// The hashes of what was there.
        expected: String,
    },
}

/// Makes the line-up of a roll-out: its models are loaded, checked and warm. `name` is what messages call it.
///
/// # Errors
/// All diagnostics at once.
pub fn prepare(name: &str, text: &str, pipeline: &Compiled) -> Result<Lineup, Report> {
    let (file, lineup) = compile_rollout(name, text, pipeline)?;
    let own = own_models(&lineup, file.champion.is_some(), pipeline);
    let document = Document {
        text: text.to_owned(),
        models: own.map(|model| Pinned::new(model)).collect(),
    };
    let document = serde_json::to_string(&document).expect("text and hashes are JSON");
    Ok(Lineup {
        document: document.into(),
        ..lineup
    })
}

/// Makes the line-up of a document in the log again.
///
/// # Errors
/// It cannot be made, or would be another.
pub fn prepare_again(document: &str, pipeline: &Compiled) -> Result<Lineup, DocumentError> {
    let parsed: Document = serde_json::from_str(document)?;
    let (file, lineup) = compile_rollout("the roll-out", &parsed.text, pipeline)?;
    let own = own_models(&lineup, file.champion.is_some(), pipeline);
    for (model, expected) in own.zip(&parsed.models) {
        if Pinned::new(model) != *expected {
            return Err(DocumentError::Exchanged {
                label: model.label.to_string(),
                expected: format!(
                    "{} and {}",
                    expected.sha256,
                    expected.card.as_deref().unwrap_or("no card")
                ),
            });
        }
    }
    Ok(Lineup {
        document: document.into(),
        ..lineup
    })
}

/// The models that the roll-out itself names: without a champion of its own it begins with the pipeline file's.
fn own_models<'l>(
    lineup: &'l Lineup,
    has_champion: bool,
    pipeline: &Compiled,
) -> impl Iterator<Item = &'l Arc<ModelPlan>> {
    let others = if has_champion { 0 } else { pipeline.lineup.models.len() };
    lineup.models.iter().skip(others)
}
