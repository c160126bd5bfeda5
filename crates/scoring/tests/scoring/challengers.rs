//! Which model decides on which transaction.

use crate::shop::{GOOD, OLD, Task, payments, rollout, shop, slot};
use riskstream_events::Value;
use riskstream_scoring::place_of_key;

const AMOUNTS: [f64; 200] = [GOOD; 200];

#[test]
fn a_challenger_decides_on_its_share_of_the_keys() {
    let shop = shop(OLD, "");
    let lineup = rollout(
        &shop,
        "{revision: 1, challengers: [{model: {file: models/new.onnx}, share: 0.25}]}",
    );
    let mut task = Task::with_lineup(&shop, lineup);
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
fn a_challenger_with_a_condition_takes_only_what_fulfils_it() {
    let shop = shop(OLD, "");
    let lineup = rollout(
        &shop,
        "{revision: 1, challengers: [{model: {file: models/new.onnx}, share: 1, when: country == 'DE'}]}",
    );
    let mut task = Task::with_lineup(&shop, lineup);
    let mut events = payments(&shop.plan, &[GOOD; 4]);
    let (customer, country) = (slot(&shop.plan, "customer"), slot(&shop.plan, "country"));
    events[1].row[country] = Value::Text("DE".into());
    events[2].row[country] = Value::Text("FR".into());
    events[3].row[country] = Value::Text("DE".into());
    events[3].row[customer] = Value::Null;
    let versions: Vec<String> = task
        .decide(&mut events)
        .iter()
        .map(|decision| task.version(decision.answer.model).to_owned())
        .collect();
    assert_eq!(versions, ["1", "2", "1", "1"], "no country, DE, FR, no customer");
}

#[test]
fn a_failing_challenger_leaves_the_champions_customers_alone() {
    let shop = shop(OLD, "");
    let lineup = rollout(
        &shop,
        "
revision: 1
challengers:
  - {model: {file: models/nan.onnx, version: n, inputs: [amount], fallback: {file: models/new.onnx}}, share: 0.5}
",
    );
    let mut task = Task::with_lineup(&shop, lineup);
    let mut counts = [0, 0];
    for decision in task.pay(&[crate::shop::BAD; 40], 40) {
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
    let mut other = riskstream_scoring::ModelsInForce::new(new);
    for _ in 0..3 {
        for expected in [GOOD / 1024.0, GOOD / 512.0] {
            let decisions = task.pay(&[GOOD; 3], 2);
            assert!(decisions.iter().all(|decision| decision.answer.score == Some(expected)));
            std::mem::swap(&mut task.models, &mut other);
        }
    }
}
