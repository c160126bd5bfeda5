//! The deterministic step: event and state in, decision out. Knows nothing of bytes on the wire, clocks,
//! the environment, files or threads.
#![forbid(unsafe_code)]

pub mod engine;
pub mod event;
pub mod explain;
pub mod plan;
pub mod reason_text;

pub use engine::{Engine, Judgement, StageClock, StageError};
pub use event::Event;
pub use explain::{Contribution, ExplainPlan};
pub use reason_text::{InputReason, TextPart};
