//! Model cards: a YAML file beside a model file, in which the model's trainer describes it.
//!
//! `fraud.onnx` has its card in `fraud.card.yaml`. docs/models.md is the reference of its keys.

mod card;
mod directory;
mod error;
mod golden;
mod reasons;

pub use card::{Card, GoldenRow, GoldenValue, ScoreSection};
pub use directory::{CardResult, Cards};
pub use error::CardError;
pub use golden::{Mismatch, Verified, verify};
pub use reasons::{Part, ReasonSection};
