//! Diagnostics of a file. Each has its place and, where possible, what to write instead.
//!
//! Phases add to one [`Diagnostics`] and go on, so that a user sees all diagnostics at once. [`Report`] renders them.

mod diagnostic;
mod excerpt;
mod report;
mod secrets;
mod words;

pub use diagnostic::{Diagnostic, Diagnostics, Span};
pub use report::{Finding, Findings, Report, Style};
pub use secrets::is_secret;
pub use words::{enumerate, nearest};
