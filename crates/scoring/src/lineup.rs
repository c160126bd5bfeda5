//! A line-up: the champion, challengers with their shares, shadows, and the fallback of each model.

use crate::model_plan::ModelPlan;
use riskstream_engine::write_key;
use riskstream_events::{Row, Slot};
use riskstream_expressions::Expression;
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// A model that decides on a share of the entities in place of the champion.
#[derive(Clone, Debug)]
pub struct Challenger {
    /// Its index among the line-up's models.
    pub model: usize,
    /// The entity whose keys are divided up: its name and the slot of its key.
    pub entity: (String, Slot),
    /// The share of all keys that it takes, a range within 0 to 1; see [`place_of_key`].
    pub share: Range<f64>,
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
        let (entity, slot) = &self.entity;
        let place = write_key(&row[*slot], key).map(|key| place_of_key(entity, key));
        place.is_some_and(|place| self.share.contains(&place))
            && self.when.as_ref().is_none_or(|when| when.is_true(row))
    }
}

/// The place of a key among all keys of its entity, from 0 to below 1: the first 8 bytes of SHA-256 over the entity's name, a
/// zero byte and the key, read as a big-endian number, divided by 2^64. It depends on nothing else: a customer whom a
/// challenger takes at a share of 5 % stays with it at 10 %.
pub fn place_of_key(entity: &str, key: &str) -> f64 {
    let digest = Sha256::new()
        .chain_update(entity)
        .chain_update([0])
        .chain_update(key)
        .finalize();
    let first = digest.first_chunk().expect("SHA-256 has 32 bytes");
    // The highest 53 bits are exact as a float: the quotient is below 1.
    (u64::from_be_bytes(*first) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spread_evenly_and_stay_where_they_are() {
        // python3: int.from_bytes(hashlib.sha256(b"customer\0" + b"4711").digest()[:8], "big") / 2**64
        assert!((place_of_key("customer", "4711") - 0.21894943667041952).abs() < 1e-15);
        let mut counts = [0; 10];
        for key in 0..100_000 {
            counts[(place_of_key("customer", &key.to_string()) * 10.0) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
        assert_ne!(place_of_key("card", "4711"), place_of_key("customer", "4711"));
    }
}
