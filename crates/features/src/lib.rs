//! Windowed features: definitions, exact windows, aggregations, and the state they need.
//! Knows nothing of storage engines, rules or models.
#![forbid(unsafe_code)]

mod accumulator;
mod aggregation;
mod cell;
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
pub mod spec;
pub mod state;
mod states;
mod value_source;
mod walk;
mod windows;

pub use aggregation::{Aggregation, Constructor, Definition, Empty, Operand, Output, Parameter, WindowRule};
pub use entity::Applied;
pub use layout::EntityFeatures;
pub use spec::{EntitySpec, FeatureError, FeatureSpec, InputSpec, ValueReason};
pub use states::{ApplyError, EntityStates};
