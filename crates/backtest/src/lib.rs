//! Evaluates decisions on history: joins payments, the decisions of several variants of a pipeline, and labels, and reports
//! on them as numbers, text and HTML. riskstream-offline makes the decisions; statistics are those of
//! [`riskstream_offline::evaluation`].
#![forbid(unsafe_code)]

mod html;
mod labels;
mod ledger;
mod ledger_writer;
pub mod report;
mod text;
mod variant;

pub use html::html;
pub use labels::{AsOf, LabelSlots, Labels, Truth};
pub use ledger::{Ledger, PaymentFields};
pub use ledger_writer::{FurtherPass, LedgerWriter, Observer};
pub use text::{rules_text, text};
pub use variant::{Variant, on_history};
