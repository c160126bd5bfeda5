//! Who decides: the champion, its challengers and their shares, shadows that only watch, and who steps in for whom.

use crate::explanation::Explanation;
use crate::matrix::Column;
use riskstream_engine::write_key;
use riskstream_events::{Row, Slot};
use riskstream_expressions::Expression;
use riskstream_models::Model;
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// A loaded model, where its inputs come from, and what is expected of it.
#[derive(Debug)]
pub struct ModelPlan {
    /// Name and version as `name@version`, for metrics and shadow scores.
    pub label: Arc<str>,
    /// The model's name.
    pub name: String,
    /// The model's version.
    pub version: String,
    /// The model.
    pub model: Arc<Model>,
    /// The SHA-256 of its card in hexadecimal, if it has one: explanations depend on what it says.
    pub card: Option<String>,
    /// The slots of the inputs as they are listed, in the model's order: numbers where the model takes numbers, texts
    /// where it takes texts, lists where it takes sequences. Null becomes NaN, or the empty text.
    pub inputs: Vec<Slot>,
    /// Where each of the model's columns takes its value from.
    pub columns: Vec<Column>,
    /// What stands in the places of a sequence of numbers for which there is no event.
    pub pad: f32,
    /// Explains its scores, if decisions are to be explained.
    pub explanation: Option<Explanation>,
    /// How long one call may take; without it, as long as it takes.
    pub within: Option<Duration>,
    /// Which of the line-up's models steps in where this one gives no score.
    pub fallback: Option<usize>,
}

/// A model that decides on a share of the entities in place of the champion.
#[derive(Debug)]
pub struct Challenger {
    /// Its index among the line-up's models.
    pub model: usize,
    /// The entity whose keys are divided up: its name and the slot of its key.
    pub entity: (String, Slot),
    /// The part of all keys that it takes, within 0 to 1; see [`place_of_key`].
    pub share: Range<f64>,
    /// It takes only transactions for which this holds.
    pub when: Option<Expression>,
}

/// The models of a pipeline and their parts, from one change to the next. Immutable, shared by all workers.
#[derive(Debug, Default)]
pub struct Lineup {
    /// Later line-ups have larger numbers; the pipeline file's own is 0.
    pub revision: u64,
    /// What the log says of it, from which it can be made again; empty for the pipeline file's own.
    pub document: Arc<str>,
    /// All models, whatever their parts.
    pub models: Vec<Arc<ModelPlan>>,
    /// Who decides unless a challenger does. `None`: rules alone.
    pub champion: Option<usize>,
    /// The first that takes a transaction decides on it.
    pub challengers: Vec<Challenger>,
    /// They score everything and decide nothing.
    pub shadows: Vec<usize>,
}

impl Lineup {
    /// The champion.
    pub fn champion_plan(&self) -> Option<&ModelPlan> {
        self.champion.map(|model| &*self.models[model])
    }

    /// The model that is to decide on a row. `key` is scratch.
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

/// Where a key stands among all keys of its entity, from 0 to 1: the first 8 bytes of SHA-256 over the entity's name, a zero
/// byte and the key, read as a big-endian number, divided by 2^64. It depends on nothing else, so that a customer whom a
/// challenger has at 5 % stays with it at 10 %.
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
