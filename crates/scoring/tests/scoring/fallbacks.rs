//! The fallback of a model that gives no score.

use crate::shop::{BAD, GOOD, OLD, Task, model, shop, transaction};
use riskstream_engine::{Answer, ModelFailure};
use riskstream_events::Outcome;

#[test]
fn a_fallback_scores_the_rows_that_its_model_does_not() {
    for (name, failure) in [("failing", ModelFailure::Failed), ("nan", ModelFailure::NotANumber)] {
        let mut task = Task::new(&shop(&model(name, &format!(", fallback: {OLD}")), ""));
        let decisions = task.pay(&[GOOD, BAD, GOOD], 3);
        for (decision, amount) in decisions.iter().zip([GOOD, BAD, GOOD]) {
            let answer = &decision.answer;
            assert_eq!(task.version(answer.asked), name);
            let (version, expected) = match amount == BAD {
                true => ("1", Some(failure)),
                false => (name, None),
            };
            assert_eq!((task.version(answer.model), answer.failure), (version, expected));
            assert!(answer.score.is_some());
        }
        assert_eq!(decisions[1].answer.score, Some(BAD / 1024.0));
        assert_eq!(decisions[1].policy.outcome, Outcome::REVIEW, "of the fallback's score");
    }
}

#[test]
fn if_the_fallback_fails_too_there_is_no_score_and_the_first_failure_counts() {
    let fallback = model("failing", "");
    let mut task = Task::new(&shop(&model("nan", &format!(", fallback: {fallback}")), ""));
    let decision = &task.pay(&[BAD], 1)[0];
    let expected = Answer {
        asked: decision.answer.asked,
        model: decision.answer.asked,
        score: None,
        failure: Some(ModelFailure::NotANumber),
    };
    assert_eq!(decision.answer, expected);
    assert_eq!(task.version(decision.answer.asked), "nan");
    assert_eq!(
        decision.policy.outcome,
        Outcome::REVIEW,
        "as without_score says unless it is set"
    );
}

#[test]
fn the_record_says_why_a_fallback_decided() {
    let with_fallback = model("failing", &format!(", fallback: {OLD}"));
    for (section, version, code, outcome) in [
        (with_fallback, "1", "FALLBACK_SCORE", "approve"),
        (model("failing", ""), "failing", "NO_SCORE", "review"),
    ] {
        let shop = shop(&section, "");
        let record = Task::new(&shop).record(transaction(&shop.plan, "t", &[("amount", BAD)]));
        assert_eq!(record.model.unwrap().version, version);
        let reason = record.reasons.iter().find(|reason| reason.name == "model").unwrap();
        assert_eq!((reason.code.as_str(), reason.outcome.as_str()), (code, outcome));
        assert_eq!(reason.description.as_deref(), Some("the model failed"));
        assert_eq!(record.flags, ["degraded"]);
    }
}

#[test]
fn without_a_model_nothing_is_asked() {
    let root = crate::shop::root();
    let rules = root.join("pipelines/card-fraud-rules.yaml");
    let compiled = riskstream_definition::load(&rules, &|_| None).unwrap();
    let decision = &Task::new(&compiled).decide(&mut [transaction(&compiled.plan, "t", &[("amount", 9.0)])])[0];
    assert_eq!(decision.answer, Answer::default());
    assert_eq!(decision.policy.outcome, Outcome::APPROVE);
}
