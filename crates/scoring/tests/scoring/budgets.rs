//! Time budgets.

use crate::shop::{GOOD, OLD, Task, model, shop};
use riskstream_engine::ModelFailure;

#[test]
fn a_model_over_its_time_budget_is_not_waited_for() {
    let section = model("slow", &format!(", within: 1ms, fallback: {OLD}"));
    let mut task = Task::new(&shop(&section, ""));
    for (number, decision) in task.pay(&[GOOD; 20], 1).iter().enumerate() {
        let failure = match number < 5 || number == 15 {
            true => ModelFailure::Late,
            false => ModelFailure::CircuitOpen,
        };
        assert_eq!(decision.answer.failure, Some(failure), "t{number}");
        assert_eq!(decision.answer.score, Some(GOOD / 1024.0));
    }
}

#[test]
fn a_model_within_its_time_budget_decides() {
    let mut task = Task::new(&shop("{file: models/old.onnx, within: 1m}", ""));
    for decision in task.pay(&[GOOD; 300], 300) {
        assert_eq!(
            (decision.answer.score, decision.answer.failure),
            (Some(GOOD / 1024.0), None)
        );
    }
}
