//! Models in service: which model is asked for which event, time budgets, fallbacks, shadows, circuits, explanations, and the
//! decision record.
//!
//! [`Decider`] decides on a batch of events by the [`DecisionSet`] in force. The engine completes their rows, the models of the
//! [`Lineup`] answer, the engine applies the policy to the answers, and [`with_decision_record`] assembles what is written to the topic. Only models with a
//! time budget and shadows have threads ([`riskstream_models::DetachedScorer`]).
#![forbid(unsafe_code)]

mod circuit;
mod decider;
mod decision;
mod decision_set;
mod explanation;
mod in_force;
mod lineup;
mod lineup_run;
mod matrix;
mod model_plan;
mod model_run;
mod reason_text;
mod record;

pub use circuit::Circuit;
pub use decider::Decider;
pub use decision::Decision;
pub use decision_set::DecisionSet;
pub use explanation::{Contribution, Explanation};
pub use in_force::InForce;
pub use lineup::{Challenger, Lineup};
pub use model_plan::{Column, ModelPlan};
pub use reason_text::{InputReason, TextPart};
pub use record::with_decision_record;
