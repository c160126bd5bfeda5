//! `rollout:` of the pipeline file, and the roll-out file. The doc comments of the latter are the reference
//! (docs/rollout.md).

use super::decision::{Explain, Rule};
use super::example::Example;
use super::feature::Feature;
use super::lists::ListSection;
use super::model::ModelSection;
use super::read::{ExpressionText, List, Map, Required, Spanned, section};
use super::thresholds::Thresholds;

section! {
    /// Where roll-outs come from. A roll-out changes what decides while the pipeline runs: models, rules, thresholds,
    /// constants, expressions: docs/rollout.md.
    pub struct Rollout {
        /// A roll-out file to watch, relative to the pipeline file. It takes effect if its `revision` is larger than the
        /// one in force.
        #[schemars(default)]
        pub file: Option<Spanned<String>>,
        /// The topic that `riskstream rollout` writes to.
        #[schemars(default)]
        pub topic: Option<Spanned<String>>,
        /// How many people other than its author must approve a roll-out before it can be applied.
        #[schemars(default, extend("default" = 0))]
        pub approvals: Option<Spanned<u32>>,
        /// The topic of approvals, so that Kafka's access rights say who may approve. By default they are records of `topic`.
        #[schemars(default)]
        pub approvals_topic: Option<Spanned<String>>,
    }
}

section! {
    /// A roll-out: what decides in place of the sections of the pipeline file.
    pub struct RolloutFile {
        /// The number of this roll-out. It takes effect only if it is larger than the one in force. A watched file must have
        /// it; `riskstream rollout apply` adds the next number to a file without one.
        #[schemars(default)]
        pub revision: Option<Spanned<u32>>,
        /// Who answers for the roll-out. `riskstream rollout` adds it.
        #[schemars(default)]
        pub author: Option<Spanned<String>>,
        /// The reason for the roll-out, in a sentence. It has no effect.
        #[schemars(default)]
        pub description: Option<Spanned<String>>,
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
        /// The rules: all of them, in place of the pipeline file's.
        #[schemars(default)]
        pub rules: Option<Spanned<List<Rule>>>,
        /// The thresholds: all of them, in place of the pipeline file's.
        #[schemars(default)]
        pub decision: Option<Spanned<Thresholds>>,
        /// Which decisions are explained, in place of what the pipeline file says.
        #[schemars(default)]
        pub explain: Option<Spanned<Explain>>,
        /// Expressions over fields and features, by name. They are added to the pipeline file's, or take the place of those with the
        /// same name. Aggregations cannot be rolled out, since state depends on them.
        #[schemars(default)]
        pub features: Map<Feature>,
        /// Lists of constants, by name. They are added to the pipeline file's, or take the place of those with the same name.
        #[schemars(default)]
        pub lists: Map<ListSection>,
        /// What must hold before the roll-out takes effect, in place of the pipeline file's examples.
        #[schemars(default)]
        pub examples: Option<Spanned<List<Example>>>,
        /// The revision that is restored, or 0 for the pipeline file. `riskstream rollout back` writes it.
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

section! {
    /// A record about a roll-out: that someone approved it, or that it is to take effect.
    pub struct RolloutStep {
        /// The revision that is approved.
        #[schemars(default)]
        pub approves: Option<Spanned<u32>>,
        /// The revision that is to take effect.
        #[schemars(default)]
        pub applies: Option<Spanned<u32>>,
        /// The SHA-256 of the roll-out's text, in hexadecimal digits.
        pub sha256: Required<String>,
        /// Who says so.
        pub author: Required<String>,
    }
}
