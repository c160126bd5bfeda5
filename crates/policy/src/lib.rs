//! The decision policy: named rules and score thresholds, compiled once, applied to the row of every
//! transaction. Knows neither state nor input and output.
//!
//! How the outcome comes about:
//!
//! 1. Every rule whose condition is true fires. Null is not true.
//! 2. Unless an `approve` rule fired, the thresholds are looked at: `decline` first, and `review` only
//!    when that did not fire.
//! 3. The outcome is the most severe among what fired, `approve` when nothing did.
//!
//! An `approve` rule is thus an allow-list against the score: it sets the thresholds aside, never
//! another rule. A `decline` or `review` rule that fires as well still decides.
#![forbid(unsafe_code)]

mod policy;
mod spec;

pub use policy::{Policy, PolicyResult, Reason, is_reason_code};
pub use riskstream_events::{Outcome, UnknownOutcome};
pub use spec::{Place, PolicyError, PolicyProblem, PolicySpec, RuleSpec};
