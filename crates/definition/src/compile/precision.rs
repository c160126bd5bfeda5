//! The key `precision`.

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::read::Spanned;
use riskstream_features::Precision;

/// The unit of sums that the file gives.
pub fn precision(given: &Spanned<f64>, diagnostics: &mut Diagnostics) -> Option<Precision> {
    let precision = Precision::new(given.value);
    if precision.is_none() {
        let message = format!("{} is not a valid precision", given.value);
        diagnostics.add(Diagnostic::new(message, given.span.clone()).help(
            "write the smallest unit: 1/n, such as `0.01` for cents or `0.000001`, or a whole number, such as `1e9` for amounts in wei",
        ));
    }
    precision
}
