//! Windowed features: definitions, exact windows, aggregations, and the state they need.
//! Knows nothing of storage engines, rules or models.
#![forbid(unsafe_code)]

mod check;
mod chunk;
mod compile;
mod derived;
mod encode;
mod entity;
mod entity_log;
mod entry;
mod hash;
mod head;
mod ids;
mod layout;
mod linear;
mod number;
mod read;
mod sorted;
mod source;
pub mod spec;
pub mod state;
mod states;
mod walk;
mod windows;

pub use entity::Applied;
pub use layout::EntityFeatures;
pub use spec::{Aggregation, EntitySpec, FeatureError, FeatureSpec, InputSpec, ValueReason};
pub use states::{ApplyError, EntityStates};
