//! The pipeline file as a whole.

use super::decision::{Explain, Rule};
use super::entity::Entity;
use super::example::Example;
use super::feature::Feature;
use super::headers::Headers;
use super::input::Input;
use super::lists::ListSection;
use super::model::ModelSection;
use super::outputs::Outputs;
use super::read::{Duration, ExpressionText, List, Map, Required, Spanned, section};
use super::rollout::Rollout;
use super::service::{Delivery, Http, Kafka, PersonalData, Registry, State};
use super::tables::TableSection;
use super::thresholds::Thresholds;

section! {
    /// A pipeline: its inputs, features, model, rules and outputs.
    pub struct PipelineFile {
        /// The pipeline's name. Part of every decision id, of the names of repartition topics and, unless `kafka.group` says
        /// otherwise, the consumer group.
        pub name: Required<String>,
        /// What the pipeline is for, in a sentence. It has no effect.
        #[schemars(default)]
        pub description: Option<String>,
        /// The topics that are read, by name. `transactions` is required. Every other input has labels, facts about
        /// transactions that become known later, unless `kind: events` says that it has other events of entities, or `kind: table` rows of them.
        pub inputs: Map<Input>,
        /// The entities for which features are computed, by name: customer, card, terminal, … Their order is the order of
        /// the stages.
        pub entities: Map<Entity>,
        /// The features, by name. Each is one aggregation over a window of an entity's events, or an expression over
        /// fields and other features. Decisions list them in this order.
        #[schemars(default)]
        pub features: Map<Feature>,
        /// Lists by name, for `x in name` in expressions: constants, as in `[DE, FR]`, or entries that change while the pipeline
        /// runs, as in `{key: card, topic: blocked-cards}`.
        #[schemars(default)]
        pub lists: Map<ListSection>,
        /// Reference tables by name, for `bins[card_bin].country` and `card_bin in bins` in rules, and in expressions that nothing is
        /// aggregated over.
        #[schemars(default)]
        pub tables: Map<TableSection>,
        /// The model that scores transactions. Without one the score is null and rules decide.
        #[schemars(default)]
        pub model: Option<Spanned<ModelSection>>,
        /// Where roll-outs come from, which change what decides while the pipeline runs.
        #[schemars(default)]
        pub rollout: Option<Spanned<Rollout>>,
        /// Which decisions are explained: their reasons name the model's inputs that raised the score most.
        #[schemars(default)]
        pub explain: Option<Spanned<Explain>>,
        /// The outcomes, the mildest first and the most severe last: `[approve, challenge, review, decline]`. From 2 to 32. A
        /// transaction for which nothing else is decided gets the first.
        #[schemars(default, extend("default" = ["approve", "review", "decline"]))]
        pub outcomes: Option<Spanned<List<String>>>,
        /// Named rules. A decision lists all that hold and has the most severe of their outcomes.
        #[schemars(default)]
        pub rules: List<Rule>,
        /// The thresholds. A transaction for which no rule and no threshold holds gets the mildest outcome.
        #[schemars(default)]
        pub decision: Option<Spanned<Thresholds>>,
        /// The topics of decisions and dead letters, and further topics for some of the decisions.
        pub outputs: Required<Outputs>,
        /// The headers of decisions.
        #[schemars(default)]
        pub headers: Option<Spanned<Headers>>,
        /// `exactly_once` (Kafka transactions) or `at_least_once` (lower latency; decisions may be duplicated after a
        /// crash).
        #[schemars(default, extend("default" = "exactly_once"))]
        pub delivery: Option<Delivery>,
        /// How to reach Kafka. `run` needs it; `demo`, `check` and `backfill` do not.
        #[schemars(default)]
        pub kafka: Option<Spanned<Kafka>>,
        /// The schema registry of inputs and outputs whose format is `avro`.
        #[schemars(default)]
        pub registry: Option<Spanned<Registry>>,
        /// The state of stages.
        #[schemars(default)]
        pub state: Option<State>,
        /// The HTTP server for metrics and health.
        #[schemars(default)]
        pub http: Option<Http>,
        /// The secret for pseudonyms of `personal` fields.
        #[schemars(default)]
        pub personal_data: Option<PersonalData>,
        /// How far an event time may be ahead of the time at which Kafka received the record. A record with a later one is
        /// a dead letter: it would move the watermark, and windows would expire too early.
        #[schemars(default, extend("default" = "1h"))]
        pub max_future: Option<Duration>,
        /// Sequences of events and the expected decisions. `riskstream check` runs them through the production engine.
        #[schemars(default)]
        pub examples: List<Example>,
    }
}

impl PipelineFile {
    /// The expressions of rules, thresholds, further outputs and headers.
    pub fn sources_at_decision(&self) -> impl Iterator<Item = &Spanned<ExpressionText>> {
        let rules = self.rules.0.iter().filter_map(|rule| rule.value.when.0.as_ref());
        let thresholds = self
            .decision
            .iter()
            .flat_map(|decision| decision.value.conditions.iter());
        let outputs = self.outputs.0.iter().flat_map(|outputs| outputs.value.further.iter());
        let headers = self.headers.iter().flat_map(|headers| headers.value.fields.iter());
        rules
            .chain(thresholds.filter_map(|(_, condition)| condition.as_ref()))
            .chain(outputs.filter_map(|(_, output)| output.when.0.as_ref()))
            .chain(headers.map(|(_, source)| source))
    }
}
