//! What steps in for a model that fails, and when the model is left alone.

use crate::shop::{OLD, decision, decisions, lineup, pay, pipeline, topology, version};
use riskstream_events::{Outcome, OwnedDecision};
use riskstream_pipeline::TestDriver;

/// Decides payments of these amounts, `together` in a batch.
fn decide(model: &str, amounts: &[f64], together: usize) -> Vec<OwnedDecision> {
    let pipeline = pipeline(model);
    let mut driver = TestDriver::new(topology(&pipeline), 1);
    for (batch, amounts) in amounts.chunks(together).enumerate() {
        pay(&driver, batch * together, amounts);
        driver.run().unwrap();
    }
    decisions(&driver)
}

/// The code and the description of the reason that tells of the model.
fn told(decision: &OwnedDecision) -> Option<(&str, &str)> {
    let reason = decision.reasons.iter().find(|reason| reason.name == "model")?;
    Some((reason.code.as_str(), reason.description.as_deref()?))
}

const BAD: f64 = 700.0;
const GOOD: f64 = 100.0;
const FAILED: &str = "the model failed";
const NOT_A_NUMBER: &str = "the model's answer is not a finite number";
const LATE: &str = "the model exceeded its time budget";
const LEFT_ALONE: &str = "the model failed repeatedly and is left alone until its next trial";

#[test]
fn a_former_model_steps_in() {
    for (file, why) in [("failing", FAILED), ("nan", NOT_A_NUMBER)] {
        let model = format!("{{file: models/{file}.onnx, version: n, inputs: [amount], fallback: {OLD}}}");
        let decisions = decide(&model, &[GOOD, BAD, GOOD], 3);
        for (number, amount) in [GOOD, BAD, GOOD].into_iter().enumerate() {
            let decision = decision(&decisions, number);
            if amount == GOOD {
                assert_eq!((version(decision), told(decision)), ("n", None), "{file}");
                continue;
            }
            assert_eq!(version(decision), "1", "{file}");
            assert_eq!(decision.score, Some(BAD / 1024.0), "{file}");
            assert_eq!(
                decision.outcome,
                Outcome::Review,
                "the threshold holds for the fallback's score"
            );
            assert_eq!(told(decision), Some(("FALLBACK_SCORE", why)), "{file}");
            assert!(decision.flags.contains(&"degraded".to_owned()), "{file}");
        }
    }
}

#[test]
fn without_a_fallback_a_fixed_outcome_or_rules_alone_decide() {
    let model = "{file: models/nan.onnx, version: n, inputs: [amount]}";
    let text = |without: &str| {
        crate::shop::pipeline_text("shop", model)
            .replace("decision: {", &format!("decision: {{without_score: {without}, "))
    };
    for (without, outcome) in [("approve", Outcome::Approve), ("decline", Outcome::Decline)] {
        let compiled =
            riskstream::file::compile("shop.yaml", &text(without), &crate::shop::directory(), &|_| None).unwrap();
        let mut driver = TestDriver::new(topology(&compiled), 1);
        pay(&driver, 0, &[BAD]);
        driver.run().unwrap();
        let decisions = decisions(&driver);
        assert_eq!(decisions[0].outcome, outcome);
        assert_eq!(decisions[0].score, None);
        assert_eq!(told(&decisions[0]), Some(("NO_SCORE", NOT_A_NUMBER)));
    }
}

#[test]
fn a_model_over_its_time_budget_is_not_waited_for() {
    let model = format!("{{file: models/slow.onnx, version: n, inputs: [amount], within: 1ms, fallback: {OLD}}}");
    let decisions = decide(&model, &[GOOD; 20], 1);
    for number in 0..20 {
        let decision = decision(&decisions, number);
        assert_eq!(version(decision), "1");
        let why = if number < 5 || number == 15 { LATE } else { LEFT_ALONE };
        assert_eq!(told(decision), Some(("FALLBACK_SCORE", why)), "t{number}");
    }
}

#[test]
fn a_model_within_its_time_budget_decides() {
    let decisions = decide("{file: models/old.onnx, within: 1m}", &[GOOD; 300], 300);
    for number in 0..300 {
        let decision = decision(&decisions, number);
        assert_eq!((decision.score, told(decision)), (Some(GOOD / 1024.0), None));
    }
}

/// Five failures in a row open the circuit for 10 decisions; a trial that fails doubles that, one that succeeds closes it.
/// What is decided together with what makes no difference.
#[test]
fn the_circuit_opens_and_closes_at_the_same_places_however_rows_are_batched() {
    let mut amounts = vec![GOOD, BAD, BAD, BAD, BAD, GOOD];
    amounts.extend([BAD; 5]);
    amounts.extend([GOOD; 10]);
    amounts.push(BAD);
    amounts.extend([GOOD; 20]);
    amounts.extend([GOOD; 3]);
    let model = format!("{{file: models/nan.onnx, version: n, inputs: [amount], fallback: {OLD}}}");
    let one_by_one = decide(&model, &amounts, 1);
    for (number, amount) in amounts.iter().enumerate() {
        let expected = match number {
            11..=20 | 22..=41 => Some(LEFT_ALONE),
            _ if *amount == BAD => Some(NOT_A_NUMBER),
            _ => None,
        };
        let found = told(decision(&one_by_one, number)).map(|(_, why)| why);
        assert_eq!(found, expected, "t{number}");
    }
    for together in [2, 7, amounts.len()] {
        assert_eq!(decide(&model, &amounts, together), one_by_one, "{together} together");
    }
}

/// A challenger that fails is replaced by its own fallback and leaves the champion's customers alone.
#[test]
fn a_failing_challenger_harms_nobody_else() {
    let pipeline = pipeline(OLD);
    let mut driver = TestDriver::new(topology(&pipeline), 1);
    let text = "
revision: 1
challengers:
  - {model: {file: models/nan.onnx, version: n, inputs: [amount], fallback: {file: models/new.onnx}}, share: 0.5}
";
    driver.rollouts.put(lineup(&pipeline, text));
    driver.run().unwrap();
    pay(&driver, 0, &[BAD; 40]);
    driver.run().unwrap();
    let decisions = decisions(&driver);
    let challenged = decisions.iter().filter(|decision| version(decision) == "2");
    assert!(challenged.clone().count() > 10);
    assert!(
        challenged
            .clone()
            .all(|decision| decision.score == Some(1.0) && told(decision).is_some())
    );
    let others = decisions.iter().filter(|decision| version(decision) == "1");
    assert!(
        others
            .clone()
            .all(|decision| told(decision).is_none() && !decision.flags.contains(&"degraded".to_owned()))
    );
    assert_eq!(challenged.count() + others.count(), 40);
}
