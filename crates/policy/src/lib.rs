//! The decision policy: named rules and score thresholds, compiled once, applied to the row of every
//! transaction. It knows no state, no model and no I/O.
//!
//! How the outcome is computed:
//!
//! 1. Every rule whose condition is true fires. Null is not true.
//! 2. Unless a rule of the mildest outcome fired, the thresholds are evaluated, the most severe first, until one fires.
//! 3. The outcome is the most severe among what fired, the mildest if nothing did.
//!
//! A rule of the mildest outcome, `approve` by default, is thus an allow-list against the score: it overrides the thresholds,
//! never another rule. A more severe rule that fires as well still counts. A shadow rule takes part in none of this: it is only
//! listed.
//!
//! Of many rules only those are evaluated that no slot of the row excludes by itself (docs/adr/0024-index-of-rules.md).
#![forbid(unsafe_code)]

mod index;
mod policy;
mod spec;

pub use policy::{Policy, PolicyReason, PolicyResult, is_reason_code};
pub use riskstream_events::{Outcome, Outcomes};
pub use spec::{Place, PolicyError, PolicyProblem, PolicySpec, RuleMode, RuleSpec, ThresholdSpec};
