//! Circuits of models that fail repeatedly.

use crate::shop::{BAD, GOOD, OLD, Task, model, shop};
use riskstream_engine::ModelFailure::{self, CircuitOpen, NotANumber};
use riskstream_scoring::{Decision, InForce};
use std::sync::Arc;

fn section() -> String {
    model("nan", &format!(", fallback: {OLD}"))
}

fn failures(decisions: &[Decision]) -> Vec<Option<ModelFailure>> {
    decisions.iter().map(|decision| decision.answer.failure).collect()
}

/// Fails often enough that its circuit is open for 10 and 20 decisions, with good answers in between.
fn amounts() -> Vec<f64> {
    let mut amounts = vec![GOOD, BAD, BAD, BAD, BAD, GOOD];
    amounts.extend([BAD; 5]);
    amounts.extend([GOOD; 10]);
    amounts.push(BAD);
    amounts.extend([GOOD; 23]);
    amounts
}

#[test]
fn a_circuit_opens_and_closes_at_the_same_decisions_however_rows_are_batched() {
    let amounts = amounts();
    let shop = shop(&section(), "");
    for together in [1, 2, 7, amounts.len()] {
        let found = failures(&Task::new(&shop).pay(&amounts, together));
        for (number, amount) in amounts.iter().enumerate() {
            let expected = match number {
                11..=20 | 22..=41 => Some(CircuitOpen),
                _ if *amount == BAD => Some(NotANumber),
                _ => None,
            };
            assert_eq!(found[number], expected, "t{number}, {together} together");
        }
    }
}

#[test]
fn stored_circuits_go_on_where_they_were() {
    let amounts = amounts();
    let shop = shop(&section(), "");
    let undisturbed = failures(&Task::new(&shop).pay(&amounts, amounts.len()));
    let mut task = Task::new(&shop);
    let mut found = Vec::new();
    for amount in amounts {
        found.extend(failures(&task.pay(&[amount], 1)));
        let mut restored = InForce::new(Arc::clone(&shop.decision));
        for (model, circuit) in task.models.circuits_with_failures() {
            restored.set_circuit(model, circuit);
        }
        task = Task::new(&shop);
        task.models = restored;
    }
    assert_eq!(found, undisturbed);
}

#[test]
fn only_models_that_failed_since_their_last_success_have_a_circuit_to_store() {
    let shop = shop(&section(), "");
    let mut task = Task::new(&shop);
    let stored = |task: &Task| -> Vec<usize> { task.models.circuits_with_failures().map(|(model, _)| model).collect() };
    task.pay(&[GOOD], 1);
    assert!(stored(&task).is_empty());
    task.pay(&[BAD], 1);
    assert_eq!(stored(&task), [shop.decision.lineup.champion.unwrap()]);
    task.pay(&[GOOD], 1);
    assert!(stored(&task).is_empty());
}
