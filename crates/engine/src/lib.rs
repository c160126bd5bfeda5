//! The deterministic step: event and state in, decision out. Knows nothing of bytes on the wire, clocks,
//! the environment, files or threads.
#![forbid(unsafe_code)]

pub mod circuit;
pub mod engine;
pub mod event;
pub mod explain;
pub mod lineup;
mod matrix;
pub mod plan;
mod scoring;

pub use circuit::Failure;
pub use engine::{Engine, Judgement, StageClock, StageError};
pub use event::Event;
pub use explain::{Contribution, ExplainPlan};
pub use lineup::{Challenger, Desk, Lineup, ModelPlan};
