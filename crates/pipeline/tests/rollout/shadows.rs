//! Shadows watch: whatever they do, decisions are what they are without them.

use crate::driver::{decision, decisions, pay, pipeline, rolled_out, topology};
use crate::shop::OLD;
use riskstream_events::OwnedDecisionRecord;
use riskstream_pipeline::TestDriver;

const AMOUNTS: [f64; 60] = {
    let mut amounts = [0.0; 60];
    let mut at = 0;
    while at < 60 {
        amounts[at] = (at % 12) as f64 * 100.0 + 10.0;
        at += 1;
    }
    amounts
};

/// The decisions with this roll-out in force, payment by payment.
fn decide(rollout: &str) -> Vec<OwnedDecisionRecord> {
    let pipeline = pipeline(OLD);
    let mut driver = TestDriver::new(topology(&pipeline), 3);
    driver.rollouts.put(rolled_out(&pipeline, rollout));
    driver.run().unwrap();
    for (number, amount) in AMOUNTS.iter().enumerate() {
        pay(&driver, number, &[*amount]);
        driver.run().unwrap();
    }
    assert_eq!(driver.dead_letters().len(), 0);
    decisions(&driver)
}

#[test]
fn shadows_that_fail_answer_nan_or_are_slow_change_nothing() {
    let undisturbed = decide("revision: 1");
    let mut watched = decide(
        "
revision: 1
shadows:
  - {file: models/failing.onnx, version: '1', inputs: [amount]}
  - {file: models/nan.onnx, version: '1', inputs: [amount]}
  - {file: models/slow.onnx, version: '1', inputs: [amount]}
",
    );
    for (number, amount) in AMOUNTS.iter().enumerate() {
        let scores = &decision(&watched, number).shadow_scores;
        let score = |label: &str| scores.iter().find(|(name, _)| name == label);
        // Each call takes it much longer than the 2 ms for which a decision waits.
        assert_eq!(score("slow@1"), None, "t{number} waited for the slow one");
        if *amount > 500.0 {
            assert_eq!((score("failing@1"), score("nan@1")), (None, None), "t{number}");
        }
    }
    for decision in &mut watched {
        decision.shadow_scores.clear();
    }
    assert_eq!(watched, undisturbed);
}

#[test]
fn a_shadow_that_is_given_the_time_scores_everything() {
    let watched = decide("{revision: 1, shadows: [{file: models/new.onnx, within: 1m}]}");
    for (number, amount) in AMOUNTS.iter().enumerate() {
        let decision = decision(&watched, number);
        let score = f64::from((*amount as f32 / 512.0).clamp(0.0, 1.0));
        assert_eq!(
            decision.shadow_scores,
            [("fraud@2".to_owned(), Some(score))],
            "t{number}"
        );
        assert_eq!(decision.model.as_ref().unwrap().version, "1");
    }
}
