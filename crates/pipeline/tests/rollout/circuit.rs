//! What steps in for a model that fails, and when the model is left alone.

use crate::driver::{decision, decisions, pay, pipeline, rolled_out, topology};
use crate::payments::version;
use crate::shop::{OLD, directory, pipeline_text};
use riskstream_definition::compile;
use riskstream_events::OwnedDecisionRecord;
use riskstream_pipeline::TestDriver;
use riskstream_pipeline::faulty::Faults;

/// Decides payments of these amounts, `together` in a batch.
fn decide(model: &str, amounts: &[f64], together: usize) -> Vec<OwnedDecisionRecord> {
    let pipeline = pipeline(model);
    let mut driver = TestDriver::new(topology(&pipeline), 1);
    for (batch, amounts) in amounts.chunks(together).enumerate() {
        pay(&driver, batch * together, amounts);
        driver.run().unwrap();
    }
    decisions(&driver)
}

/// The code and the description of the reason that tells of the model.
fn told(decision: &OwnedDecisionRecord) -> Option<(&str, &str)> {
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
                decision.outcome, "review",
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
        pipeline_text("shop", model).replace("decision: {", &format!("decision: {{without_score: {without}, "))
    };
    for without in ["approve", "decline"] {
        let compiled = compile("shop.yaml", &text(without), &directory(), &|_| None).unwrap();
        let mut driver = TestDriver::new(topology(&compiled), 1);
        pay(&driver, 0, &[BAD]);
        driver.run().unwrap();
        let decisions = decisions(&driver);
        assert_eq!(decisions[0].outcome, without);
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

/// Fails often enough that its circuit is open for 10, 20 and 40 decisions; with good answers in between.
fn troubled_amounts() -> Vec<f64> {
    let mut amounts = vec![GOOD, BAD, BAD, GOOD];
    amounts.extend([BAD; 60]);
    amounts.extend([GOOD; 60]);
    amounts.extend([BAD; 40]);
    amounts
}

fn nan_model() -> String {
    format!("{{file: models/nan.onnx, version: n, inputs: [amount], fallback: {OLD}}}")
}

/// A worker that ends, with or without its state, leaves a failing model alone for as long as it would have.
#[test]
fn circuits_survive_restarts_and_the_loss_of_state() {
    let (amounts, model) = (troubled_amounts(), nan_model());
    let undisturbed = decide(&model, &amounts, amounts.len());
    assert!(
        undisturbed
            .iter()
            .any(|decision| told(decision).is_some_and(|(_, why)| why == LEFT_ALONE))
    );
    for (together, lose) in [(1, false), (3, false), (7, true)] {
        let pipeline = pipeline(&model);
        let mut driver = TestDriver::new(topology(&pipeline), 1);
        for (batch, amounts) in amounts.chunks(together).enumerate() {
            pay(&driver, batch * together, amounts);
            driver.run().unwrap();
            driver.kill_worker(0);
            if lose {
                driver.stores.lose();
            }
            driver.add_worker();
        }
        assert_eq!(
            decisions(&driver),
            undisturbed,
            "{together} together, state lost: {lose}"
        );
    }
}

/// Workers that end between a commit and the write of their state, or have lost it, go on as if they had not: what was
/// decided is not decided again. The models come by roll-outs, through which a replay passes.
#[test]
fn circuits_survive_faults() {
    let rollouts = [
        "{revision: 1, champion: {file: models/nan.onnx, version: n, inputs: [amount]}}",
        "{revision: 2, champion: {file: models/failing.onnx, version: f, inputs: [amount]}}",
    ];
    let amounts = troubled_amounts();
    let count = amounts.len();
    let decide = |faults: Option<Faults>| {
        let pipeline = pipeline(OLD);
        let mut driver = TestDriver::new(topology(&pipeline), 1);
        driver.set_faults(faults.unwrap_or_default());
        driver.kill_worker(0);
        driver.add_worker();
        for (round, rollout) in rollouts.iter().enumerate() {
            driver.rollouts.put(rolled_out(&pipeline, rollout));
            driver.run().unwrap();
            for (batch, amounts) in amounts.chunks(4).enumerate() {
                pay(&driver, round * count + batch * 4, amounts);
                driver.run().unwrap();
                if faults.is_some() && batch % 10 == 9 {
                    driver.stores.lose();
                    driver.kill_worker(0);
                    driver.add_worker();
                }
            }
        }
        decisions(&driver)
    };
    let undisturbed = decide(None);
    assert_eq!(undisturbed.len(), 2 * count);
    for seed in 0..4 {
        let faults = Faults {
            seed: seed * 1000,
            aborted: 100,
            committed_unknown: 100,
            lost_unknown: 100,
            unacknowledged: 30,
            late: 20,
            unavailable: 50,
        };
        assert_eq!(decide(Some(faults)), undisturbed, "seed {seed}");
    }
}

/// A circuit is about one model in one line-up of one pipeline: others begin anew.
#[test]
fn circuits_are_forgotten_with_their_models() {
    /// Eight payments that the model cannot score: how many decisions were made without it?
    fn left_alone(driver: &mut TestDriver, first: usize) -> usize {
        pay(driver, first, &[BAD; 8]);
        driver.run().unwrap();
        let decisions = decisions(driver);
        let told = (first..first + 8).map(|number| told(decision(&decisions, number)));
        told.filter(|told| *told == Some(("NO_SCORE", LEFT_ALONE))).count()
    }
    let folder = tempfile::tempdir().unwrap();
    let put = |model: &str| std::fs::copy(directory().join("models").join(model), folder.path().join("model.onnx"));
    let pipeline = |version: &str| {
        let model = format!("{{file: model.onnx, version: {version}, inputs: [amount]}}");
        compile("shop.yaml", &pipeline_text("shop", &model), folder.path(), &|_| None).unwrap()
    };
    put("nan.onnx").unwrap();
    let first = pipeline("one");
    let mut driver = TestDriver::new(topology(&first), 1);
    assert_eq!(left_alone(&mut driver, 0), 3);
    driver.rollouts.put(rolled_out(&first, "revision: 1"));
    driver.run().unwrap();
    assert_eq!(left_alone(&mut driver, 10), 3, "the same model in a roll-out");
    for (number, version, file, expected) in [
        (20, "one", "nan.onnx", 7),
        (30, "two", "nan.onnx", 3),
        (40, "two", "failing.onnx", 3),
    ] {
        put(file).unwrap();
        let next = pipeline(version);
        let mut successor = TestDriver::new(topology(&next), 1);
        successor.kill_worker(0);
        driver.kill_worker(0);
        successor.broker = driver.broker.clone();
        successor.stores = driver.stores.clone();
        successor.rollouts.put(rolled_out(&next, "revision: 1"));
        successor.add_worker();
        driver = successor;
        assert_eq!(left_alone(&mut driver, number), expected, "{version} {file}");
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
    driver.rollouts.put(rolled_out(&pipeline, text));
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
