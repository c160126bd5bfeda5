//! A line-up: the champion, challengers with their shares, shadows, and the fallback of each model.

use crate::model_plan::ModelPlan;
use riskstream_events::{KeyShare, Row};
use riskstream_expressions::Expression;
use std::sync::Arc;
use std::time::Duration;

/// A model that decides on a share of the entities in place of the champion.
#[derive(Clone, Debug)]
pub struct Challenger {
    /// Its index among the line-up's models.
    pub model: usize,
    /// The keys that it takes.
    pub share: KeyShare,
    /// A condition: it takes only transactions for which this is true.
    pub when: Option<Expression>,
}

/// The models of a pipeline and their roles, as a roll-out or the pipeline file sets them.
#[derive(Clone, Debug, Default)]
pub struct Lineup {
    /// All models, in any role.
    pub models: Vec<Arc<ModelPlan>>,
    /// The model that decides unless a challenger does. `None`: rules alone decide.
    pub champion: Option<usize>,
    /// In order: the first that takes a transaction decides on it.
    pub challengers: Vec<Challenger>,
    /// Models that score every transaction and decide on none.
    pub shadows: Vec<usize>,
}

impl Lineup {
    /// The champion.
    pub fn champion_plan(&self) -> Option<&ModelPlan> {
        self.champion.map(|model| &*self.models[model])
    }

    /// The same models, which are waited for: those with a time budget get this one.
    pub(crate) fn with_time_budgets(&self, within: Duration) -> Lineup {
        let model = |model: &Arc<ModelPlan>| {
            Arc::new(ModelPlan {
                within: model.within.map(|_| within),
                ..ModelPlan::clone(model)
            })
        };
        Lineup {
            models: self.models.iter().map(model).collect(),
            ..self.clone()
        }
    }

    /// The model that is asked first for a row. `key` is a buffer.
    pub(crate) fn model_for(&self, row: &Row, key: &mut String) -> Option<usize> {
        let challenger = self.challengers.iter().find(|challenger| challenger.takes(row, key));
        challenger.map(|challenger| challenger.model).or(self.champion)
    }
}

impl Challenger {
    fn takes(&self, row: &Row, key: &mut String) -> bool {
        self.share.contains(row, key) && self.when.as_ref().is_none_or(|when| when.is_true(row))
    }
}
