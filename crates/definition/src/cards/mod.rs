//! Model cards: a YAML file beside a model file, in which the model's trainer describes it.
//!
//! `fraud.onnx` has its card in `fraud.card.yaml`. docs/models.md is the reference of its keys.

mod card;
mod directory;
mod draft;
mod error;
mod golden;
mod reasons;
mod row;

pub use card::{Card, GoldenRow, ScoreSection};
pub use directory::{CardResult, Cards};
pub use draft::CardDraft;
pub use error::CardError;
pub use golden::{Mismatch, RowMismatch, Verified, Verifier, verify};
pub use reasons::{Part, ReasonSection};
pub use row::{InputRow, InputValue, RowError, encode_row};
