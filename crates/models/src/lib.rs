//! ONNX models for scoring rows of numbers and texts: loaded by tract, with the operators that tract lacks supplied here.
//!
//! A [`Model`] is loaded once and shared; each worker thread takes a [`Scorer`] from it. The crate knows rows, columns
//! and scores, and nothing of events, thresholds or where rows come from.
//!
//! Answers are ONNX Runtime's: labels equal, probabilities to 1e-5, missing values (NaN) included. docs/models.md lists
//! the supported operators and where ONNX Runtime, the specification and the exporting libraries disagree.
//!
//! A file is not trusted: a damaged or hostile one gives a [`ModelError`], within the bounds of [`Limits`].

#![forbid(unsafe_code)]

mod attribution;
mod bounded;
mod cell;
mod corrections;
mod description;
mod detached;
mod error;
mod forest;
mod fusion;
mod graph;
mod guard;
mod inspection;
mod limits;
mod model;
mod operators;
mod plan;
mod program;
mod proto;
mod recurrent;
mod score_output;
mod scorer;
mod supported;
mod texts;
mod trial;
mod wire;

pub use attribution::{Attribution, Explainer, Method, Space};
pub use cell::{Cell, ColumnKind};
pub use description::{InputDescription, ModelDescription, OperatorCount, OutputDescription};
pub use detached::{DetachedScorer, Unfinished};
pub use error::ModelError;
pub use inspection::Inspection;
pub use limits::Limits;
pub use model::{LoadOptions, Model};
pub use score_output::{ParseScoreOutputError, ScoreOutput};
pub use scorer::{OutputValues, Scorer, Values};
