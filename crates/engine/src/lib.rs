//! The deterministic step: event and state in, decision out. Knows nothing of bytes on the wire, clocks,
//! the environment, files or threads.
#![forbid(unsafe_code)]

pub mod plan;
