//! Phase `stages`: for each entity its keys, the expressions that it computes, and what rows carry to it.

mod carries;
mod context;
mod expressions;
mod identity;
mod keys;
mod plan;

pub use context::StageContext;
pub use plan::{PlannedStages, compile};
