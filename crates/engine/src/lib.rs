//! The deterministic step: event and state in, decision out. It knows nothing of bytes on the wire, clocks,
//! the environment, files, threads or models: what models answered is given to it.
#![forbid(unsafe_code)]

mod answer;
mod decision;
pub mod engine;
mod event;
mod explain;
mod key;
pub mod plan;
mod stream_time;

pub use answer::{Answer, ModelFailure};
pub use decision::Decision;
pub use engine::{Engine, StageError};
pub use event::Event;
pub use explain::{Contribution, ExplainPlan};
pub use key::write_key;
pub use stream_time::StreamTime;
