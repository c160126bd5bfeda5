//! Which model decides on which transaction.

use crate::shop::{BAD, GOOD, OLD, Task, payments, rollout, shop, slot};
use riskstream_events::Value;
use riskstream_events::place_of_key;

const AMOUNTS: [f64; 200] = [GOOD; 200];

#[test]
fn a_challenger_decides_on_its_share_of_the_keys() {
    let shop = shop(OLD, "");
    let set = rollout(
        &shop,
        "{revision: 1, challengers: [{model: {file: models/new.onnx}, share: 0.25}]}",
    );
    let mut task = Task::with_set(&shop, set);
    let mut challenged = 0;
    for together in [1, AMOUNTS.len()] {
        challenged = 0;
        for (number, decision) in task.pay(&AMOUNTS, together).iter().enumerate() {
            let is_challenged = place_of_key("customer", &format!("c{number}")) < 0.25;
            challenged += usize::from(is_challenged);
            let (version, score) = match is_challenged {
                true => ("2", GOOD / 512.0),
                false => ("1", GOOD / 1024.0),
            };
            assert_eq!(task.version(decision.answer.model), version, "c{number}");
            assert_eq!((decision.answer.score, decision.answer.failure), (Some(score), None));
        }
    }
    assert!((30..70).contains(&challenged), "{challenged}");
}

#[test]
fn a_challenger_takes_only_keys_and_what_fulfils_its_condition() {
    let shop = shop(OLD, "");
    let set = rollout(
        &shop,
        "{revision: 1, challengers: [{model: {file: models/new.onnx}, share: 1, when: amount > 500}]}",
    );
    let mut task = Task::with_set(&shop, set);
    let mut events = payments(&shop.plan, &[GOOD, BAD, GOOD, BAD]);
    events[3].row[slot(&shop.plan, "customer")] = Value::Null;
    let decisions = task.decide(&mut events);
    let versions = decisions.iter().map(|decision| task.version(decision.answer.model));
    let expected = ["1", "2", "1", "1"];
    assert_eq!(versions.collect::<Vec<_>>(), expected, "the last one has no customer");
}

#[test]
fn a_failing_challenger_leaves_the_champions_customers_alone() {
    let shop = shop(OLD, "");
    let set = rollout(
        &shop,
        "
revision: 1
challengers:
  - {model: {file: models/nan.onnx, version: n, inputs: [amount], fallback: {file: models/new.onnx}}, share: 0.5}
",
    );
    let mut task = Task::with_set(&shop, set);
    let mut counts = [0, 0];
    for decision in task.pay(&[BAD; 40], 40) {
        let answer = decision.answer;
        let expected = match task.version(answer.asked) {
            "n" => ("2", true),
            version => (version, false),
        };
        assert_eq!((task.version(answer.model), answer.failure.is_some()), expected);
        counts[usize::from(answer.failure.is_some())] += 1;
    }
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
}

#[test]
fn one_worker_decides_with_several_line_ups_at_once() {
    let shop = shop(OLD, "");
    let new = rollout(&shop, "{revision: 1, champion: {file: models/new.onnx}}");
    let mut task = Task::new(&shop);
    let mut other = riskstream_scoring::InForce::new(new);
    for _ in 0..3 {
        for expected in [GOOD / 1024.0, GOOD / 512.0] {
            let decisions = task.pay(&[GOOD; 3], 2);
            assert!(decisions.iter().all(|decision| decision.answer.score == Some(expected)));
            std::mem::swap(&mut task.models, &mut other);
        }
    }
}
