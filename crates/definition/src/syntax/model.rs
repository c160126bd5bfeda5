//! `model:`, and the models of a roll-out.

use super::read::{Duration, List, Required, Spanned, section};

section! {
    /// The model that scores transactions.
    pub struct ModelSection {
        /// The ONNX file, relative to the pipeline file.
        pub file: Required<String>,
        /// The model's name in decisions. By default the name in its card, or else the file's name.
        #[schemars(default)]
        pub name: Option<Spanned<String>>,
        /// The model's version in decisions. By default the version in its card, or else the beginning of the file's hash.
        #[schemars(default)]
        pub version: Option<Spanned<String>>,
        /// The model's inputs in its order: features and fields, numbers where it takes numbers and texts where it takes
        /// texts. A null number becomes NaN, a null text the empty text. A `last_k` feature fills k columns, the oldest
        /// event first. By default the inputs in the model's card; if both are given they must be equal.
        #[schemars(default)]
        pub inputs: Option<Spanned<List<String>>>,
        /// The value of columns of a `last_k` feature of numbers for which there is no event. NaN by default.
        #[schemars(default)]
        pub pad: Option<Spanned<f64>>,
        /// The output that is the score: `probabilities[1]` is the second column of the output `probabilities`. By default
        /// the one in the model's card, or else the probability of the second class, or else the only output.
        #[schemars(default)]
        pub score: Option<Spanned<String>>,
        /// The model's time budget for one call, which may be for many transactions: `5ms`. A call that exceeds it has
        /// failed. Without it there is no limit.
        #[schemars(default)]
        pub within: Option<Spanned<Duration>>,
        /// The model that scores where this one fails, exceeds its time budget or returns a score that is not finite. The
        /// decision is flagged `degraded`. Without a fallback, or if it fails too, `decision.without_score` applies.
        #[schemars(default)]
        pub fallback: Option<Box<Spanned<ModelSection>>>,
    }
}
