//! Shadows score and decide nothing.

use crate::shop::{BAD, GOOD, OLD, Task, rollout, shop};
use riskstream_engine::ModelFailure;
use riskstream_scoring::Decision;

const AMOUNTS: [f64; 6] = [GOOD, BAD, 10.0, 1100.0, 500.0, BAD];

fn decide(text: &str, together: usize) -> (Task, Vec<Decision>) {
    let shop = shop(OLD, "");
    let mut task = Task::with_set(&shop, rollout(&shop, text));
    let decisions = task.pay(&AMOUNTS, together);
    (task, decisions)
}

#[test]
fn shadows_that_fail_or_are_slow_change_no_decision() {
    let (_, undisturbed) = decide("revision: 1", 1);
    let (task, watched) = decide(
        "
revision: 1
shadows:
  - {file: models/failing.onnx, version: f, inputs: [amount]}
  - {file: models/nan.onnx, version: n, inputs: [amount]}
  - {file: models/slow.onnx, version: s, inputs: [amount]}
",
        1,
    );
    for (watched, undisturbed) in watched.iter().zip(&undisturbed) {
        assert_eq!(watched.answer, undisturbed.answer);
        assert_eq!(watched.policy, undisturbed.policy);
        assert!(undisturbed.shadows.is_empty());
        let answers: Vec<&str> = watched
            .shadows
            .iter()
            .map(|(model, _)| task.version(Some(*model)))
            .collect();
        assert_eq!(answers, ["f", "n", "s"]);
        assert_eq!(
            watched.shadows[2].1,
            Err(ModelFailure::Late),
            "the slow one is not waited for"
        );
    }
}

#[test]
fn a_shadow_that_is_given_the_time_scores_everything() {
    for together in [1, 4, 6] {
        let (task, decisions) = decide(
            "{revision: 1, shadows: [{file: models/new.onnx, within: 1m}]}",
            together,
        );
        for (decision, amount) in decisions.iter().zip(AMOUNTS) {
            let score = f64::from((amount as f32 / 512.0).clamp(0.0, 1.0));
            let &[(model, answer)] = &decision.shadows[..] else {
                panic!("one shadow");
            };
            assert_eq!((task.version(Some(model)), answer), ("2", Ok(score)));
            assert_eq!(task.version(decision.answer.model), "1");
        }
    }
}
