//! The circuits of a deciding task as text, stored as the metadata of its committed offset: decisions go on at that offset,
//! wherever the state stands. A replay of state asks no model, so it could not compute the circuits again.
//!
//! ```text
//! text    = pipeline-version "," revision {"," circuit}
//! circuit = index ":" sha256 ":" failures ":" opened-for ":" left       the model's index in the line-up, 8 digits of its hash
//! ```
//!
//! A circuit counts only for the same model in the same roll-out of the same pipeline version.

use riskstream_engine::plan::Plan;
use riskstream_scoring::{Circuit, DecisionSet, InForce, Lineup};
use std::fmt::Write;
use std::sync::Arc;

/// Circuits in a text: brokers keep at most 4,096 bytes of metadata with an offset (`offset.metadata.max.bytes`).
const MOST: usize = 64;

/// The text; `None` if no circuit has counted a failure.
pub fn to_text(plan: &Plan, in_force: &InForce) -> Option<String> {
    let mut circuits = in_force.circuits_with_failures().take(MOST).peekable();
    circuits.peek()?;
    let set = in_force.set();
    let mut text = format!("{},{}", plan.version, set.revision);
    for (model, circuit) in circuits {
        let [failures, opened_for, left] = circuit.numbers();
        let hash = hash(&set.lineup, model);
        write!(text, ",{model}:{hash}:{failures}:{opened_for}:{left}").expect("writing to a String succeeds");
    }
    Some(text)
}

/// Puts `set` in force, with the circuits in the text that belong to its models.
pub fn put_in_force(plan: &Plan, set: Arc<DecisionSet>, text: Option<&str>) -> InForce {
    let mut in_force = InForce::new(Arc::clone(&set));
    let mut parts = text.unwrap_or_default().split(',');
    let revision = set.revision.to_string();
    if parts.next() == Some(&plan.version) && parts.next() == Some(&revision) {
        for (model, circuit) in parts.filter_map(|part| circuit(&set.lineup, part)) {
            in_force.set_circuit(model, circuit);
        }
    }
    in_force
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
