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
pub mod reason_text;
mod scoring;

pub use circuit::{Circuit, Failure};
pub use engine::{Engine, Judgement, StageClock, StageError};
pub use event::Event;
pub use explain::{Contribution, ExplainPlan, Explanation};
pub use lineup::{Challenger, Desk, Lineup, ModelPlan};
pub use matrix::{Column, append_row};
pub use reason_text::{InputReason, TextPart};
