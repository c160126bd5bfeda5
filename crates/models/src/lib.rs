//! Scores rows of numbers and texts with ONNX models. tract loads and runs them; this crate adds the operators that
//! tract lacks.
//!
//! A [`Model`] is loaded once and shared. Each thread takes a [`Scorer`] from it. The crate knows rows, columns and
//! scores. It does not know events, thresholds, or where rows come from.
//!
//! Results are those of ONNX Runtime: equal labels, and probabilities within 1e-5, also for missing values (NaN).
//! docs/models.md lists the supported operators, and where ONNX Runtime, the specification and the exporting libraries
//! disagree.
//!
//! Model files are not trusted. A damaged or hostile file gives a [`ModelError`]; loading uses no more memory than
//! [`Limits`] allows.

#![forbid(unsafe_code)]

mod attribution;
mod batch_check;
mod bounded;
mod cell;
mod corrections;
mod decoded_size;
mod description;
mod detached;
mod error;
mod forest;
mod graph;
mod graph_builder;
mod graph_index;
mod guard;
mod half;
mod input;
mod inspection;
mod limits;
mod model;
mod model_graph;
mod operators;
mod program;
mod proto;
mod recurrent;
mod score_output;
mod scorer;
mod supported;
mod texts;
mod tree_fusion;

pub use attribution::{Attribution, Explainer, Method, Space};
pub use cell::{Cell, ColumnKind};
pub use description::{InputDescription, ModelDescription, OperatorCount, OutputDescription};
pub use detached::{DetachedError, DetachedScorer};
pub use error::ModelError;
pub use inspection::Inspection;
pub use limits::Limits;
pub use model::{LoadOptions, Model};
pub use score_output::{ParseScoreOutputError, ScoreOutput};
pub use scorer::{OutputValues, Scorer, Values};
