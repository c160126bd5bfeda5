//! Output for users: JSON Schemas and references from the syntax, and the plan of a compiled pipeline as text.

mod plan_text;
mod reference;
mod schema;
mod sizes;

pub use plan_text::explain;
pub use reference::{reference, rollout_reference};
pub use schema::{rollout_schema, rollout_step_schema, schema};
pub use sizes::{EntitySize, entity_size};
