//! How the models of a deciding task have been doing, as a word beside its committed position: that is where decisions go on,
//! wherever the state stands. A replay asks no model, so what the models did in it could not be found again.
//!
//! ```text
//! word    = pipeline-version "," revision {"," circuit}
//! circuit = place ":" sha256 ":" failures ":" opened-for ":" left       the model's place in the line-up, 8 digits of its hash
//! ```
//!
//! A model that is another now, or runs in another pipeline or line-up, is not held to it.

use riskstream_engine::plan::Plan;
use riskstream_scoring::{Circuit, Lineup, ModelsInForce};
use std::fmt::Write;
use std::sync::Arc;

/// Circuits in a word: brokers keep 4,096 bytes beside a position (`offset.metadata.max.bytes`).
const MOST: usize = 80;

/// The word; none if all circuits are closed and no model failed last.
pub fn note(plan: &Plan, models: &ModelsInForce) -> Option<String> {
    let mut circuits = models.open_or_failing().take(MOST).peekable();
    circuits.peek()?;
    let lineup = models.lineup();
    let mut word = format!("{},{}", plan.version, lineup.revision);
    for (place, circuit) in circuits {
        let [failures, opened_for, left] = circuit.numbers();
        let hash = hash(lineup, place);
        write!(word, ",{place}:{hash}:{failures}:{opened_for}:{left}").expect("writing to a String succeeds");
    }
    Some(word)
}

/// The models in force with `lineup`, with the circuits in the word as far as they are its models'.
pub fn models(plan: &Plan, lineup: Arc<Lineup>, word: Option<&str>) -> ModelsInForce {
    let mut models = ModelsInForce::new(Arc::clone(&lineup));
    let mut words = word.unwrap_or_default().split(',');
    let revision = lineup.revision.to_string();
    if words.next() == Some(&plan.version) && words.next() == Some(&revision) {
        for (place, circuit) in words.filter_map(|word| circuit(&lineup, word)) {
            models.set_circuit(place, circuit);
        }
    }
    models
}

fn circuit(lineup: &Lineup, word: &str) -> Option<(usize, Circuit)> {
    let (place, rest) = word.split_once(':')?;
    let (expected, rest) = rest.split_once(':')?;
    let place = place.parse().ok().filter(|place| *place < lineup.models.len())?;
    let numbers: Vec<u32> = rest
        .split(':')
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    let circuit = Circuit::from_numbers(numbers.try_into().ok()?)?;
    (hash(lineup, place) == expected).then_some((place, circuit))
}

fn hash(lineup: &Lineup, place: usize) -> &str {
    &lineup.models[place].model.sha256()[..8]
}
