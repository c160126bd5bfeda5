//! The syntax of a roll-out: every key, as it is typed. The doc comments are the reference (docs/rollout.md).

use super::read::{ExpressionText, List, Required, Spanned, section};
use super::syntax::ModelSection;

section! {
    /// A roll-out: which models decide and which only watch, from now on.
    pub struct RolloutFile {
        /// The number of this roll-out: one takes effect only if its number is larger than that in force. A watched file must
        /// say it; `riskstream rollout apply` gives the next one to a file that does not.
        #[schemars(default)]
        pub revision: Option<Spanned<u32>>,
        /// Why, in a sentence. For people.
        #[schemars(default)]
        pub description: Option<String>,
        /// The model that decides unless a challenger does; the pipeline file's `model` unless given.
        #[schemars(default)]
        pub champion: Option<Spanned<ModelSection>>,
        /// Models that decide on a share of the entities in place of the champion. The first that takes a transaction decides
        /// on it. Their shares of one entity lie side by side.
        #[schemars(default)]
        pub challengers: List<ChallengerSection>,
        /// Models that score every transaction and decide nothing. Their scores stand in the decision under `shadow_scores`. A
        /// decision waits for them until `within` (2ms unless given) has passed since they were asked, and not at all for one whose
        /// last call took longer.
        #[schemars(default)]
        pub shadows: List<ModelSection>,
        /// The revision whose models these are; written by `riskstream rollout back`. 0 is the pipeline file.
        #[schemars(default)]
        pub restores: Option<Spanned<u32>>,
    }
}

section! {
    /// A model that decides on a share of the entities.
    pub struct ChallengerSection {
        /// The model.
        pub model: Required<ModelSection>,
        /// Its share of the entities' keys, from 0 to 1. Whoever is in it stays in it while it grows.
        pub share: Required<f64>,
        /// The entity whose keys are divided up; the first unless given.
        #[schemars(default)]
        pub entity: Option<Spanned<String>>,
        /// It takes only transactions for which this holds; the champion decides on the others.
        #[schemars(default)]
        pub when: Option<Spanned<ExpressionText>>,
    }
}
