//! The document of a roll-out in the log: its text and the hashes of its model files. It suffices to load the same models
//! again, or to refuse others.

use crate::diagnostics::Report;
use riskstream_scoring::ModelPlan;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A roll-out in a repartition topic and in state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The text of the roll-out file.
    pub text: String,
    /// The models that it names, in its order.
    models: Vec<ModelHashes>,
}

/// The hashes of a model's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ModelHashes {
    /// The SHA-256 of the model file.
    sha256: String,
    /// The SHA-256 of its card, if it has one.
    card: Option<String>,
}

impl ModelHashes {
    fn new(model: &ModelPlan) -> ModelHashes {
        ModelHashes {
            sha256: model.model.sha256().to_owned(),
            card: model.card.clone(),
        }
    }
}

/// Why the models of a document cannot be loaded again.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The document does not have the expected form.
    #[error("its document cannot be read: {0}")]
    Form(#[from] serde_json::Error),
    /// The roll-out does not compile any more.
    #[error("{0}")]
    Rollout(#[from] Report),
    /// A model file or its card has changed.
    #[error(
        "model {label} or its card has changed since it was rolled out: restore the files with the SHA-256 {expected}"
    )]
    Exchanged {
        /// The model's name and version.
        label: String,
        /// The hashes that they had.
        expected: String,
    },
}

impl Document {
    /// The document of a roll-out's text and the models that it names.
    pub fn new(text: &str, models: &[Arc<ModelPlan>]) -> Document {
        Document {
            text: text.to_owned(),
            models: models.iter().map(|model| ModelHashes::new(model)).collect(),
        }
    }

    /// Compares the hashes of the models with those of the document.
    ///
    /// # Errors
    /// [`DocumentError::Exchanged`].
    pub fn check(&self, models: &[Arc<ModelPlan>]) -> Result<(), DocumentError> {
        for (model, expected) in models.iter().zip(&self.models) {
            if ModelHashes::new(model) != *expected {
                let card = expected.card.as_deref().unwrap_or("no card");
                return Err(DocumentError::Exchanged {
                    label: model.label.to_string(),
                    expected: format!("{} and {card}", expected.sha256),
                });
            }
        }
        Ok(())
    }
}
