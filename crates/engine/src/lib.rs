//! The deterministic step of a stage: event and state in, features and policy result out.
//!
//! Deciding has three parts. [`DecidePlan::complete`](plan::DecidePlan::complete) makes the row that models score. The caller runs the models and gives an
//! [`Answer`] (riskstream-scoring: line-ups, time budgets, circuits, shadows). [`DecidePlan::decide`](plan::DecidePlan::decide)
//! applies rules and thresholds to the row and the answer.
//!
//! The crate knows no bytes on the wire, clock, environment, file, thread or model. State is the caller's:
//! [`Engine::apply`] reads the store that it is given and keeps no handle of it.
#![forbid(unsafe_code)]

mod answer;
mod decide;
mod engine;
mod event;
mod explain;
pub mod plan;
mod published;
mod stream_time;

pub use answer::{Answer, ModelFailure};
pub use engine::{Engine, StageError, unknown_transaction};
pub use event::Event;
pub use explain::ExplainPlan;
pub use stream_time::StreamTime;
