//! Files instead of topics.
#![forbid(unsafe_code)]

pub mod evaluation;
