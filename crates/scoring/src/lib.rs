//! Models in service: which model is asked for which event, time budgets, fallbacks, shadows, circuits, and explanations.
//! Rows come from the engine and answers go back to it; the engine knows no model.
#![forbid(unsafe_code)]

mod circuit;
mod decider;
mod explanation;
mod in_force;
mod lineup;
mod lineup_run;
mod matrix;
mod model_run;
mod reason_text;

pub use circuit::Circuit;
pub use decider::Decider;
pub use explanation::Explanation;
pub use in_force::ModelsInForce;
pub use lineup::{Challenger, Lineup, ModelPlan, place_of_key};
pub use matrix::Column;
pub use reason_text::{InputReason, TextPart};
