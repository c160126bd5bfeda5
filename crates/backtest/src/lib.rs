//! How good decisions on history are: payments with what several variants of a pipeline decided on them, judged by labels, and
//! the report on it as numbers, text and HTML. Decisions are made by riskstream-offline, statistics are those of
//! [`riskstream_offline::evaluation`].
#![forbid(unsafe_code)]

mod html;
mod labels;
mod ledger;
mod recorder;
pub mod report;
mod text;
mod variant;

pub use html::html;
pub use labels::{AsOf, LabelSlots, Labels, Truth};
pub use ledger::{Ledger, Observed};
pub use recorder::{FurtherPass, Observer, Recorder};
pub use text::{rules_text, text};
pub use variant::{Variant, on_history};
