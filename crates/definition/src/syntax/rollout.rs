//! `rollout:` of the pipeline file, and the roll-out file. The doc comments of the latter are the reference
//! (docs/rollout.md).

use super::model::ModelSection;
use super::read::{ExpressionText, List, Required, Spanned, section};

section! {
    /// Where roll-outs come from. A roll-out sets the champion, challengers that decide on a share of the entities, and
    /// shadows that score without deciding: docs/rollout.md.
    pub struct Rollout {
        /// A roll-out file to watch, relative to the pipeline file. It takes effect if its `revision` is larger than the
        /// one in force.
        #[schemars(default)]
        pub file: Option<Spanned<String>>,
        /// The topic that `riskstream rollout` writes to.
        #[schemars(default)]
        pub topic: Option<Spanned<String>>,
    }
}

section! {
    /// A roll-out: the models that decide, and those that score without deciding.
    pub struct RolloutFile {
        /// The number of this roll-out. It takes effect only if it is larger than the one in force. A watched file must have
        /// it; `riskstream rollout apply` adds the next number to a file without one.
        #[schemars(default)]
        pub revision: Option<Spanned<u32>>,
        /// The reason for the roll-out, in a sentence. It has no effect.
        #[schemars(default)]
        pub description: Option<String>,
        /// The model that decides unless a challenger does. The pipeline file's `model` by default.
        #[schemars(default)]
        pub champion: Option<Spanned<ModelSection>>,
        /// Models that decide on a share of the entities in place of the champion. The first one whose share and condition
        /// match a transaction decides on it. Shares of one entity do not overlap.
        #[schemars(default)]
        pub challengers: List<ChallengerSection>,
        /// Models that score every transaction without deciding. Their scores are in the decision's `shadow_scores`. A
        /// decision waits for each for at most `within` (2ms by default), and not at all for one whose last call took
        /// longer.
        #[schemars(default)]
        pub shadows: List<ModelSection>,
        /// The revision whose models are restored, or 0 for the pipeline file's. `riskstream rollout back` writes it.
        #[schemars(default)]
        pub restores: Option<Spanned<u32>>,
    }
}

section! {
    /// A model that decides on a share of the entities.
    pub struct ChallengerSection {
        /// The model.
        pub model: Required<ModelSection>,
        /// Its share of the entity's keys, from 0 to 1. A larger share includes the keys of a smaller one.
        pub share: Required<f64>,
        /// The entity whose keys are divided. The first by default.
        #[schemars(default)]
        pub entity: Option<Spanned<String>>,
        /// Only transactions for which this holds. The champion decides on the others.
        #[schemars(default)]
        pub when: Option<Spanned<ExpressionText>>,
    }
}
