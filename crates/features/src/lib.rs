//! Windowed features of entities: specifications, exact windows, aggregations, and their state.
//!
//! The crate does not depend on a storage engine, on rules or on models.
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
mod frequencies;
mod head;
pub mod history;
mod ids;
mod layout;
mod linear;
mod logarithms;
mod number;
mod precision;
mod read;
mod sorted;
pub mod spec;
pub mod state;
mod states;
mod summary;
mod value_source;
mod walk;
mod wide;
mod windows;

pub use aggregation::{Aggregation, Constructor, Definition, Empty, Operand, Output, Parameter, WindowRule};
pub use entity::Applied;
pub use layout::EntityFeatures;
pub use precision::Precision;
pub use spec::{EntitySpec, FeatureError, FeatureSpec, InputSpec, ValueReason};
pub use states::{ApplyError, EntityStates};
