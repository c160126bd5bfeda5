//! Shares: numbers from 0 to 1.

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::read::Spanned;

/// The share; `None`, with a diagnostic, if it is not from 0 to 1. `example` shows what to write.
pub fn share_of(given: &Spanned<f64>, example: &str, diagnostics: &mut Diagnostics) -> Option<f64> {
    let is_share = (0.0..=1.0).contains(&given.value);
    if !is_share {
        let message = format!("a share must be from 0 to 1, this is {}", given.value);
        diagnostics.add(Diagnostic::new(message, given.span.clone()).help(example));
    }
    is_share.then_some(given.value)
}
