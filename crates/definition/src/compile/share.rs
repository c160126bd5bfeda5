//! Shares: numbers from 0 to 1, and the entities whose keys they divide.

use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::syntax::read::Spanned;
use riskstream_events::Slot;

/// The help for a share of an entity's keys that is none.
pub const EXAMPLE_OF_KEYS: &str = "`share: 0.05` is 5 % of the entities";

/// The share; `None`, with a diagnostic, if it is not from 0 to 1. `example` shows what to write.
pub fn share_of(given: &Spanned<f64>, example: &str, diagnostics: &mut Diagnostics) -> Option<f64> {
    let is_share = (0.0..=1.0).contains(&given.value);
    if !is_share {
        let message = format!("a share must be from 0 to 1, this is {}", given.value);
        diagnostics.add(Diagnostic::new(message, given.span.clone()).help(example));
    }
    is_share.then_some(given.value)
}

/// The entity whose keys are divided, with the slot of its key: the one that is asked for, or the first. `None`, with a
/// diagnostic, if there is no such entity.
pub fn divided_entity(
    asked: Option<&Spanned<String>>,
    entities: &[(String, Slot)],
    diagnostics: &mut Diagnostics,
) -> Option<(String, Slot)> {
    let Some(asked) = asked else {
        return entities.first().cloned();
    };
    let found = entities.iter().find(|(name, _)| *name == asked.value).cloned();
    if found.is_none() {
        let names = || entities.iter().map(|(name, _)| name.as_str());
        diagnostics.add(
            Diagnostic::new(format!("unknown entity `{}`", asked.value), asked.span.clone())
                .nearest(&asked.value, names())
                .help(format!("the pipeline's entities are {}", enumerate(names()))),
        );
    }
    found
}
