//! Roll-outs of models, with the commands: apply, kill, take over, roll back, change of the watched file.
//!
//! The model `old` scores amount / 1024, `new` amount / 512.

use crate::support::kafka::read_all;
use crate::support::process::{Service, run, wait_for};
use crate::support::shop::Shop;
use rdkafka::message::Message;
use riskstream_events::{OwnedDecisionRecord, OwnedReason};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

const PARTITIONS: usize = 3;
const CUSTOMERS: usize = 40;

impl Shop {
    fn pay(&self, numbers: Range<usize>, amount: f64) {
        for number in numbers {
            let customer = format!("c{}", number % CUSTOMERS);
            let payment = payment(number, &customer, amount);
            let topic = format!("{}-transactions", self.name);
            self.writer.send(&topic, Some(customer.as_bytes()), Some(&payment));
        }
        self.writer.flush();
    }

    /// Runs `riskstream rollout ACTION PIPELINE …`: exit code, standard output, standard error.
    fn rollout(&self, action: &str, files: &[&str]) -> (Option<i32>, String, String) {
        let files = ["pipeline.yaml"].iter().chain(files).map(|file| self.path(file));
        let files: Vec<PathBuf> = files.collect();
        let mut arguments = vec!["rollout", action];
        arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
        run(&arguments, &[])
    }

    /// Writes a roll-out file and applies it.
    fn apply(&self, text: &str) -> (Option<i32>, String, String) {
        std::fs::write(self.path("apply.yaml"), text).unwrap();
        self.rollout("apply", &["apply.yaml"])
    }

    fn decisions(&self, mut each: impl FnMut(i32, OwnedDecisionRecord)) {
        read_all(&self.brokers, &format!("{}-decisions", self.name), |message| {
            let decision = OwnedDecisionRecord::from_json(message.payload().unwrap()).unwrap();
            each(message.partition(), decision);
        });
    }
}

/// A pipeline with the models under crates/definition/tests/rollout/models. `properties` are those of librdkafka, in YAML.
fn shop(name: &str, properties: &str) -> Shop {
    Shop::new(name, PARTITIONS as i32, &[], |directory, name, brokers| {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../definition/tests/rollout/models");
        std::os::unix::fs::symlink(models, directory.join("models")).unwrap();
        pipeline_text(name, brokers, properties)
    })
}

fn pipeline_text(name: &str, brokers: &str, properties: &str) -> String {
    format!(
        "
name: {name}
inputs:
  transactions:
    topic: {name}-transactions
    key: customer
    id: id
    event_time: time
    fields: {{id: text, time: timestamp, customer: text, amount: float}}
entities: {{customer: {{key: customer}}}}
features:
  payments: {{entity: customer, count: transactions, window: 1d}}
model: {{file: models/old.onnx}}
rollout: {{file: rollout.yaml, topic: {name}-rollouts}}
decision: {{decline: score >= 0.9, review: score >= 0.5}}
outputs: {{decisions: {name}-decisions, dead_letters: {name}-dead-letters}}
kafka: {{brokers: '{brokers}', properties: {properties}}}
"
    )
}

/// Payment number `number`: one a second.
fn payment(number: usize, customer: &str, amount: f64) -> Vec<u8> {
    let time = 1_767_225_600_000 + number as u64 * 1000;
    format!(r#"{{"id":"t{number}","time":{time},"customer":"{customer}","amount":{amount}}}"#).into_bytes()
}

/// The position of a key among all keys, from 0 to 1, as docs/rollout.md defines it.
fn place(entity: &str, key: &str) -> f64 {
    let digest = Sha256::digest(format!("{entity}\0{key}"));
    let first = digest[..8].iter();
    let first = first.fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    first as f64 / 2f64.powi(64)
}

/// The version of the model that gave the score.
fn version(decision: &OwnedDecisionRecord) -> &str {
    &decision.model.as_ref().unwrap().version
}

/// The revisions in force in the partitions of a copy, by its metrics.
fn revisions(service: &Service) -> Vec<u64> {
    let Some((200, metrics)) = service.get("/metrics") else {
        return Vec::new();
    };
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("riskstream_rollout_revision{"));
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect()
}

/// Waits until the models of `revision` are in force in all partitions.
fn wait_for_revision(services: &[&Service], revision: u64) {
    wait_for(&format!("revision {revision} in all partitions"), || {
        let revisions: Vec<u64> = services.iter().flat_map(|service| revisions(service)).collect();
        let in_force = revisions.iter().filter(|found| **found == revision).count();
        (in_force >= PARTITIONS && services.iter().map(|service| service.partitions()).sum::<u64>() > 0).then_some(())
    });
}

#[test]
fn applied_killed_taken_over_rolled_back_and_changed_by_file() {
    let mut shop = shop("rollout", "{session.timeout.ms: 6000, heartbeat.interval.ms: 500}");
    check_rollout_topic(&shop);
    let mut first = shop.start("first");
    shop.pay(0..200, 100.0);
    shop.wait_for_decisions(200, &mut first);

    let (code, applied, errors) = shop.apply("champion: {file: models/new.onnx}\n");
    assert_eq!(code, Some(0), "{errors}");
    assert!(applied.starts_with("revision 1 is on its way"), "{applied}");
    wait_for_revision(&[&first], 1);
    shop.pay(200..400, 100.0);
    shop.wait_for_decisions(100, &mut first);
    // A copy that takes over finds the models in force in the log and the state.
    first.kill();
    let (mut second, mut third) = (shop.start("second"), shop.start("third"));
    shop.wait_for_decisions(100, &mut second);
    shop.pay(400..600, 100.0);
    shop.wait_for_decisions(200, &mut second);

    let (code, _, errors) = shop.apply("champion: {file: models/newer.onnx, inputs: [amount]}\n");
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("models/newer.onnx"), "{errors}");
    let (code, back, errors) = shop.rollout("back", &[]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(back.starts_with("revision 2 restores the pipeline file"), "{back}");
    wait_for_revision(&[&second, &third], 2);
    shop.pay(600..800, 100.0);
    shop.wait_for_decisions(200, &mut second);

    let by_file = "{revision: 7, champion: {file: models/new.onnx, version: by-file}}";
    std::fs::write(shop.path("rollout.yaml"), by_file).unwrap();
    wait_for_revision(&[&second, &third], 7);
    shop.pay(800..1000, 100.0);
    shop.wait_for_decisions(200, &mut third);
    let (code, history, errors) = shop.rollout("history", &[]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        history.contains("restores revision 0") && history.contains("models/new.onnx"),
        "{history}"
    );
    third.end();
    second.end();
    check_decisions(&shop, 1000);
}

/// The roll-out topic has one partition: its order is the order of the roll-outs.
fn check_rollout_topic(shop: &Shop) {
    let (code, topics, errors) = run(&["topics", shop.path("pipeline.yaml").to_str().unwrap()], &[]);
    assert_eq!(code, Some(0), "{errors}");
    let rollouts = topics.lines().find(|line| line.contains("roll-outs")).unwrap();
    assert!(rollouts.contains(" 1 "), "{topics}");
}

/// Checks that each payment was decided once, and that revisions only grow in each partition.
fn check_decisions(shop: &Shop, expected: usize) {
    let mut decisions: BTreeMap<String, OwnedDecisionRecord> = BTreeMap::new();
    let mut last: BTreeMap<i32, u64> = BTreeMap::new();
    shop.decisions(|partition, decision| {
        let before = last.insert(partition, decision.rollout).unwrap_or(0);
        assert!(before <= decision.rollout, "{} after {before}", decision.rollout);
        let (expected, score) = match decision.rollout {
            0 | 2 => ("1", 100.0 / 1024.0),
            1 => ("2", 100.0 / 512.0),
            7 => ("by-file", 100.0 / 512.0),
            other => panic!("roll-out {other}"),
        };
        assert_eq!((version(&decision), decision.score), (expected, Some(score)));
        let twice = decisions.insert(decision.event_id.clone(), decision);
        assert!(twice.is_none(), "decided twice: {twice:?}");
    });
    assert_eq!(decisions.len(), expected);
    for number in 0..expected {
        let rollout = decisions[&format!("t{number}")].rollout;
        assert_eq!(rollout, [0, 1, 1, 2, 7][number / 200], "t{number}");
    }
}

const CANARY: &str = "
revision: 1
challengers:
  - {model: {file: models/failing.onnx, version: n, inputs: [amount], fallback: {file: models/new.onnx}}, share: 0.5}
shadows:
  - {file: models/slow.onnx, version: n, inputs: [amount]}
  - {file: models/new.onnx, version: shadow, within: 1m}
";

#[test]
fn canary_shadows_fallback_and_circuit() {
    let mut shop = shop("canary", "{}");
    std::fs::write(shop.path("rollout.yaml"), CANARY).unwrap();
    let mut metrics = Vec::new();
    // The first copy is killed while the circuits are open.
    for numbers in [0..200, 200..400] {
        let mut service = shop.start("state");
        wait_for_revision(&[&service], 1);
        shop.pay(numbers, 700.0);
        shop.wait_for_decisions(200, &mut service);
        metrics.push(wait_for("the count of all decisions", || {
            let (_, metrics) = service.get("/metrics")?;
            (model_results(&metrics, "slow@n", "late") == 200).then_some(metrics)
        }));
        service.kill();
    }
    let (challenged, with_open_circuit) = check_canary(&shop);
    assert!((100..300).contains(&challenged), "{challenged}");
    assert!(
        with_open_circuit > 0 && with_open_circuit < challenged,
        "{with_open_circuit} of {challenged}"
    );
    let results = |model: &str, result: &str| -> u64 {
        let results = metrics.iter().map(|metrics| model_results(metrics, model, result));
        results.sum()
    };
    assert_eq!(results("failing@n", "circuit_open"), with_open_circuit);
    assert_eq!(results("failing@n", "failed"), challenged - with_open_circuit);
    assert_eq!(results("fraud@2", "scored"), challenged);
    assert_eq!(results("slow@n", "late"), 400);
}

/// Checks each decision. Returns how many were the challenger's, and for how many of these its circuit was open.
fn check_canary(shop: &Shop) -> (u64, u64) {
    let is_circuit_open = |reason: &OwnedReason| reason.description.as_ref().unwrap().contains("failed repeatedly");
    // For each partition and decision of the challenger, whether its circuit was open.
    let mut open: BTreeMap<i32, Vec<bool>> = BTreeMap::new();
    shop.decisions(|partition, decision| {
        assert_eq!(decision.shadow_scores, [("fraud@shadow".to_owned(), Some(1.0))]);
        let is_challenged = place("customer", decision.entity("customer").unwrap()) < 0.5;
        let reason = decision.reasons.iter().find(|reason| reason.name == "model");
        assert_eq!(reason.is_some(), is_challenged, "{decision:?}");
        let (expected, score) = if is_challenged {
            ("2", 1.0)
        } else {
            ("1", 700.0 / 1024.0)
        };
        assert_eq!((version(&decision), decision.score), (expected, Some(score)));
        open.entry(partition).or_default().extend(reason.map(is_circuit_open));
    });
    // In each partition the circuit opens after five failures. The model is tried again after 10, 20 and 40 decisions.
    for (partition, open) in &open {
        let tried = (0..open.len()).filter(|number| !open[*number]);
        let expected = [0, 1, 2, 3, 4, 15, 36, 77, 158].into_iter();
        assert!(
            tried.eq(expected.filter(|number| *number < open.len())),
            "partition {partition}: {open:?}"
        );
    }
    let all: Vec<bool> = open.into_values().flatten().collect();
    (all.len() as u64, all.iter().filter(|open| **open).count() as u64)
}

/// The number of results `result` of a model, by the metrics of a copy.
fn model_results(metrics: &str, model: &str, result: &str) -> u64 {
    let line = format!("riskstream_model_scores_total{{model=\"{model}\",result=\"{result}\"}} ");
    let count = metrics.lines().find_map(|found| found.strip_prefix(&line));
    count.map_or(0, |count| count.parse().unwrap())
}
