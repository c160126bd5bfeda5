//! The circuits of a deciding task as text, stored as the metadata of its committed offset: decisions go on at that offset,
//! wherever the state stands. A replay of state asks no model, so it could not compute the circuits again.
//!
//! ```text
//! text    = pipeline-version "," revision {"," circuit}
//! circuit = index ":" sha256 ":" failures ":" opened-for ":" left       the model's index in the line-up, 8 digits of its hash
//! ```
//!
//! A circuit counts only for the same model in the same line-up of the same pipeline version.

use riskstream_engine::plan::Plan;
use riskstream_scoring::{Circuit, Lineup, ModelsInForce};
use std::fmt::Write;
use std::sync::Arc;

/// Circuits in a text: brokers keep at most 4,096 bytes of metadata with an offset (`offset.metadata.max.bytes`).
const MOST: usize = 64;

/// The text; `None` if no circuit has counted a failure.
pub fn to_text(plan: &Plan, models: &ModelsInForce) -> Option<String> {
    let mut circuits = models.circuits_with_failures().take(MOST).peekable();
    circuits.peek()?;
    let lineup = models.lineup();
    let mut text = format!("{},{}", plan.version, lineup.revision);
    for (model, circuit) in circuits {
        let [failures, opened_for, left] = circuit.numbers();
        let hash = hash(lineup, model);
        write!(text, ",{model}:{hash}:{failures}:{opened_for}:{left}").expect("writing to a String succeeds");
    }
    Some(text)
}

/// Puts `lineup` in force, with the circuits in the text that belong to its models.
pub fn models_in_force(plan: &Plan, lineup: Arc<Lineup>, text: Option<&str>) -> ModelsInForce {
    let mut models = ModelsInForce::new(Arc::clone(&lineup));
    let mut parts = text.unwrap_or_default().split(',');
    let revision = lineup.revision.to_string();
    if parts.next() == Some(&plan.version) && parts.next() == Some(&revision) {
        for (model, circuit) in parts.filter_map(|part| circuit(&lineup, part)) {
            models.set_circuit(model, circuit);
        }
    }
    models
}

fn circuit(lineup: &Lineup, text: &str) -> Option<(usize, Circuit)> {
    let (model, rest) = text.split_once(':')?;
    let (expected, rest) = rest.split_once(':')?;
    let model = model.parse().ok().filter(|model| *model < lineup.models.len())?;
    let numbers: Vec<u32> = rest
        .split(':')
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    let circuit = Circuit::from_numbers(numbers.try_into().ok()?)?;
    (hash(lineup, model) == expected).then_some((model, circuit))
}

fn hash(lineup: &Lineup, model: usize) -> &str {
    &lineup.models[model].model.sha256()[..8]
}
