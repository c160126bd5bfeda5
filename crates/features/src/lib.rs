//! Windowed features: definitions, exact windows, aggregations, and the state they need.
//! Knows nothing of storage engines, rules or models.
#![forbid(unsafe_code)]

pub mod state;
