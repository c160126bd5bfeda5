//! The pure part of deciding: rules and thresholds on a complete row and the models' answer.

use crate::shop::{NOON, SHOP, Shop, flags, slot};
use riskstream_engine::{Answer, Event, ModelFailure};
use riskstream_events::{Flags, Outcome, Value};
use riskstream_lists::ListSet;
use riskstream_policy::PolicyResult;

/// The shop with thresholds. Without a model the policy may not read the score, so it has one that is never run.
fn shop_with_thresholds(without_score: &str) -> Shop {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../definition/tests/rollout/models");
    let source = format!(
        "{SHOP}model: {{file: {models}/old.onnx}}\n\
         decision: {{decline: score >= 0.9, review: score >= 0.5, without_score: {without_score}}}\n"
    );
    Shop::new(&source)
}

fn decide(shop: &Shop, event: &mut Event, answer: Answer) -> (Outcome, Vec<String>) {
    let mut result = PolicyResult {
        outcome: Outcome::DECLINE,
        fired: vec![99],
        shadows: vec![98],
    };
    shop.plan().decide.decide(event, &answer, &mut result);
    let policy = &shop.plan().decide.policy;
    let code = |fired: &usize| policy.reason(*fired).expect("it fired").code.clone();
    (result.outcome, result.fired.iter().map(code).collect())
}

fn scored(score: f64) -> Answer {
    Answer {
        asked: Some(0),
        model: Some(0),
        score: Some(score),
        failure: None,
    }
}

/// A payment of `amount`, complete.
fn payment(shop: &mut Shop, amount: f64) -> Event {
    let mut event = shop.pay("t1", NOON, amount);
    shop.plan().decide.complete(&ListSet::default(), &mut event);
    event
}

#[test]
fn rules_read_fields_features_and_expressions() {
    let mut shop = Shop::new(SHOP);
    let mut event = payment(&mut shop, 2000.0);
    assert_eq!(shop.value(&event, "share"), Value::Float(1.0));
    let (outcome, codes) = decide(&shop, &mut event, Answer::default());
    assert_eq!((outcome, codes), (Outcome::DECLINE, vec!["WHOLE".to_owned()]));
    let mut event = payment(&mut Shop::new(SHOP), 10.0);
    let (outcome, codes) = decide(&shop, &mut event, Answer::default());
    assert_eq!(
        (outcome, codes),
        (Outcome::APPROVE, Vec::new()),
        "the result before is overwritten"
    );
    assert!(!event.flags.contains(Flags::DEGRADED));
}

#[test]
fn thresholds_read_the_score() {
    let mut shop = shop_with_thresholds("review");
    let mut event = payment(&mut shop, 10.0);
    for (score, outcome, code) in [
        (0.49, Outcome::APPROVE, None),
        (0.5, Outcome::REVIEW, Some("SCORE_REVIEW")),
        (0.9, Outcome::DECLINE, Some("SCORE_DECLINE")),
    ] {
        let (found, codes) = decide(&shop, &mut event, scored(score));
        assert_eq!((found, codes.first().map(String::as_str)), (outcome, code));
        assert_eq!(event.row[shop.plan().decide.score], Value::Float(score));
    }
    let customer = slot(shop.plan(), "customer");
    event.row[customer] = crate::shop::text("vip");
    let (outcome, codes) = decide(&shop, &mut event, scored(0.99));
    assert_eq!((outcome, codes), (Outcome::APPROVE, vec!["VIP".to_owned()]));
}

#[test]
fn the_score_of_a_fallback_counts_and_the_decision_is_degraded() {
    let mut shop = shop_with_thresholds("decline");
    let mut event = payment(&mut shop, 10.0);
    let answer = Answer {
        model: Some(1),
        failure: Some(ModelFailure::Late),
        ..scored(0.6)
    };
    let (outcome, codes) = decide(&shop, &mut event, answer);
    assert_eq!((outcome, codes), (Outcome::REVIEW, vec!["SCORE_REVIEW".to_owned()]));
    assert!(flags(&event).contains(&"degraded"));
}

#[test]
fn without_a_score_the_outcome_is_no_milder_than_without_score_says() {
    let no_score = Answer {
        score: None,
        failure: Some(ModelFailure::CircuitOpen),
        ..scored(0.0)
    };
    for (without_score, small, large) in [
        ("approve", Outcome::APPROVE, Outcome::DECLINE),
        ("review", Outcome::REVIEW, Outcome::DECLINE),
        ("decline", Outcome::DECLINE, Outcome::DECLINE),
    ] {
        for (amount, expected) in [(10.0, small), (2000.0, large)] {
            let mut shop = shop_with_thresholds(without_score);
            let mut event = payment(&mut shop, amount);
            let (outcome, _) = decide(&shop, &mut event, no_score);
            assert_eq!(outcome, expected, "{without_score}, {amount}");
            assert_eq!(event.row[shop.plan().decide.score], Value::Null);
            assert!(event.flags.contains(Flags::DEGRADED));
        }
    }
}
