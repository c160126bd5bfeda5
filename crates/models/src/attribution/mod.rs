//! How much each input contributes to a score: Shapley values against background rows.
//!
//! The value of a set of features is the mean of the model over the background rows, where the features of the set have
//! the row's values and all others those of the background row. This is the interventional value function: it describes
//! the model, not how the features depend on each other. The contribution of a feature is the increase in value when it
//! joins a set, averaged over all orders in which features can join. The contributions of a row add up to its value
//! minus the baseline, which is the mean value of the background rows.
//!
//! Values are those of the Python package shap with `model_output="raw"`: for trees and linear functions the sum before
//! the link function ([`Space`]), which is attributed exactly; for all other models the score.

mod background;
mod columns;
mod exact;
mod explainer;
mod method;
mod preprocessing;
mod sampling;
mod score_function;
mod shapley;
mod space;
mod trees;
mod walk;

pub use explainer::{Attribution, Explainer};
pub use method::Method;
pub use space::Space;
