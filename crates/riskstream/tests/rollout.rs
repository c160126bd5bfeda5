//! Roll-outs on a real Kafka, through the commands that people use: apply, kill, take over, roll back, edit the watched
//! file.
//!
//! Needs KAFKA_BOOTSTRAP_SERVERS (`scripts/kafka start`).

#[path = "../../pipeline/tests/rollout/payments.rs"]
mod payments;
#[path = "../../definition/tests/rollout/shop.rs"]
mod shop;
mod support;

use crate::payments::{payment, place, version};
use crate::shop::{OLD, directory, pipeline_text};
use crate::support::kafka::{Reader, Writer, brokers, create_topics_of, delete_topics, read_all};
use crate::support::process::{Service, run, wait_for};
use crate::support::unique;
use rdkafka::message::Message;
use riskstream_events::{OwnedDecisionRecord, OwnedReason};
use std::collections::BTreeMap;

const PARTITIONS: usize = 3;

/// The revisions in force in the partitions that a copy decides on, as its metrics tell.
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

/// Waits until all partitions are decided by the models of `revision`.
fn wait_for_revision(services: &[&Service], revision: u64) {
    wait_for(&format!("revision {revision} everywhere"), || {
        let revisions: Vec<u64> = services.iter().flat_map(|service| revisions(service)).collect();
        let in_force = revisions.iter().filter(|found| **found == revision).count();
        (in_force >= PARTITIONS && services.iter().map(|service| service.partitions()).sum::<u64>() > 0).then_some(())
    });
}

fn command(arguments: &[&str]) -> String {
    let (code, out, errors) = run(arguments, &[]);
    assert_eq!(code, Some(0), "{arguments:?}: {out}{errors}");
    out
}

#[test]
fn applied_killed_taken_over_rolled_back_and_changed_by_file() {
    let (brokers, name) = (brokers(), unique("rollout"));
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file);
    std::os::unix::fs::symlink(directory().join("models"), path("models")).unwrap();
    let text = pipeline_text(&name, OLD).replace("rollout: {", "rollout: {file: rollout.yaml, ")
        + &format!(
            "kafka: {{brokers: '{brokers}', properties: {{session.timeout.ms: 6000, heartbeat.interval.ms: 500}}}}\n"
        );
    std::fs::write(path("pipeline.yaml"), text).unwrap();
    let pipeline = path("pipeline.yaml");
    create_topics_of(&pipeline, PARTITIONS as i32, &[]);
    let topics = command(&["topics", pipeline.to_str().unwrap()]);
    let rollouts = topics.lines().find(|line| line.contains("roll-outs")).unwrap();
    assert!(
        rollouts.contains(" 1 "),
        "its order is the order of the roll-outs: {topics}"
    );

    let writer = Writer::new(&brokers);
    let mut decided = Reader::new(&brokers, &format!("{name}-decisions"));
    let mut sent = 0;
    let mut pay = |count: usize| {
        for number in sent..sent + count {
            let customer = format!("c{}", number % 40);
            let payment = payment(number, &customer, 100.0);
            writer.send(
                &format!("{name}-transactions"),
                Some(customer.as_bytes()),
                Some(&payment),
            );
        }
        writer.flush();
        sent += count;
    };
    let start = |copy: &str| Service::start(&pipeline, &path(copy), &path("log"), &[], &[]);
    let mut first = start("first");
    first.wait_until_ready();
    pay(200);
    decided.wait_for(200, || first.check_running());

    std::fs::write(path("new.yaml"), "champion: {file: models/new.onnx}\n").unwrap();
    let apply = |file: &str| {
        command(&[
            "rollout",
            "apply",
            pipeline.to_str().unwrap(),
            path(file).to_str().unwrap(),
        ])
    };
    assert!(apply("new.yaml").starts_with("revision 1 is on its way"));
    wait_for_revision(&[&first], 1);
    pay(200);
    decided.wait_for(100, || first.check_running());
    // Whoever takes over knows which models decide: from the log and the state, not from its own memory.
    first.kill();
    let (mut second, mut third) = (start("second"), start("third"));
    second.wait_until_ready();
    third.wait_until_ready();
    decided.wait_for(100, || second.check_running());
    pay(200);
    decided.wait_for(200, || second.check_running());

    std::fs::write(
        path("bad.yaml"),
        "champion: {file: models/newer.onnx, inputs: [amount]}\n",
    )
    .unwrap();
    let (code, _, errors) = run(
        &[
            "rollout",
            "apply",
            pipeline.to_str().unwrap(),
            path("bad.yaml").to_str().unwrap(),
        ],
        &[],
    );
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("models/newer.onnx"), "{errors}");
    let back = command(&["rollout", "back", pipeline.to_str().unwrap()]);
    assert!(
        back.starts_with("revision 2 restores the pipeline file's own models"),
        "{back}"
    );
    wait_for_revision(&[&second, &third], 2);
    pay(200);
    decided.wait_for(200, || second.check_running());

    std::fs::write(
        path("rollout.yaml"),
        "{revision: 7, champion: {file: models/new.onnx, version: by-file}}",
    )
    .unwrap();
    wait_for_revision(&[&second, &third], 7);
    pay(200);
    decided.wait_for(200, || third.check_running());
    let shown = command(&["rollout", "show", pipeline.to_str().unwrap()]);
    assert!(
        shown.contains("restores revision 0") && shown.contains("models/new.onnx"),
        "{shown}"
    );
    third.end();
    second.end();
    check_decisions(&brokers, &name, 1000);
    delete_topics(&brokers, &name);
}

#[test]
fn canary_shadows_fallback_and_circuit() {
    let (brokers, name) = (brokers(), unique("canary"));
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file);
    std::os::unix::fs::symlink(directory().join("models"), path("models")).unwrap();
    let text = pipeline_text(&name, OLD).replace("rollout: {", "rollout: {file: rollout.yaml, ")
        + &format!("kafka: {{brokers: '{brokers}'}}\n");
    std::fs::write(path("pipeline.yaml"), text).unwrap();
    let rollout = "
revision: 1
challengers:
  - {model: {file: models/failing.onnx, version: n, inputs: [amount], fallback: {file: models/new.onnx}}, share: 0.5}
shadows:
  - {file: models/slow.onnx, version: n, inputs: [amount]}
  - {file: models/new.onnx, version: shadow, within: 1m}
";
    std::fs::write(path("rollout.yaml"), rollout).unwrap();
    create_topics_of(&path("pipeline.yaml"), PARTITIONS as i32, &[]);
    let mut decided = Reader::new(&brokers, &format!("{name}-decisions"));
    let mut metrics = Vec::new();
    // The first copy is killed while the circuits are open.
    for half in [0..200, 200..400] {
        let mut service = Service::start(&path("pipeline.yaml"), &path("state"), &path("log"), &[], &[]);
        service.wait_until_ready();
        wait_for_revision(&[&service], 1);
        let writer = Writer::new(&brokers);
        for number in half {
            let customer = format!("c{}", number % 40);
            writer.send(
                &format!("{name}-transactions"),
                Some(customer.as_bytes()),
                Some(&payment(number, &customer, 700.0)),
            );
        }
        writer.flush();
        decided.wait_for(200, || service.check_running());
        metrics.push(wait_for("the count of all decisions", || {
            let (_, metrics) = service.get("/metrics")?;
            (counted(&metrics, "slow@n", "late") == 200).then_some(metrics)
        }));
        service.kill();
    }

    let (mut challenged, mut left_alone) = (0, 0);
    let mut told_in: BTreeMap<i32, Vec<bool>> = BTreeMap::new();
    read_all(&brokers, &format!("{name}-decisions"), |message| {
        let decision = OwnedDecisionRecord::from_json(message.payload().unwrap()).unwrap();
        assert_eq!(decision.shadow_scores, [("fraud@shadow".to_owned(), Some(1.0))]);
        let is_challenged = place("customer", decision.entity("customer").unwrap()) < 0.5;
        let told = decision.reasons.iter().find(|reason| reason.name == "model");
        assert_eq!(told.is_some(), is_challenged, "{decision:?}");
        let expected = if is_challenged {
            ("2", 1.0)
        } else {
            ("1", 700.0 / 1024.0)
        };
        assert_eq!((version(&decision), decision.score), (expected.0, Some(expected.1)));
        challenged += u64::from(is_challenged);
        let is_left_alone = |told: &OwnedReason| told.description.as_ref().unwrap().contains("left alone");
        left_alone += u64::from(told.is_some_and(is_left_alone));
        told_in
            .entry(message.partition())
            .or_default()
            .extend(told.map(is_left_alone));
    });
    assert!((100..300).contains(&challenged), "{challenged}");
    assert!(
        left_alone > 0 && left_alone < challenged,
        "{left_alone} of {challenged}"
    );
    // In each partition five failures, then trials after 10, 20 and 40 decisions without the model.
    for (partition, told) in told_in {
        let tried = (0..told.len()).filter(|place| !told[*place]);
        let expected = [0, 1, 2, 3, 4, 15, 36, 77, 158]
            .into_iter()
            .filter(|place| *place < told.len());
        assert!(tried.eq(expected), "partition {partition}: {told:?}");
    }
    let counted =
        |model: &str, result: &str| -> u64 { metrics.iter().map(|metrics| counted(metrics, model, result)).sum() };
    assert_eq!(counted("failing@n", "circuit_open"), left_alone);
    assert_eq!(counted("failing@n", "failed"), challenged - left_alone);
    assert_eq!(counted("fraud@2", "scored"), challenged);
    assert_eq!(counted("slow@n", "late"), 400);
    delete_topics(&brokers, &name);
}

/// How often a model did what `result` says, by a copy's metrics.
fn counted(metrics: &str, model: &str, result: &str) -> u64 {
    let line = format!("riskstream_model_scores_total{{model=\"{model}\",result=\"{result}\"}} ");
    let found = metrics.lines().find_map(|found| found.strip_prefix(&line));
    found.map_or(0, |count| count.parse().unwrap())
}

/// Each payment was decided once, and in each partition one roll-out followed the other.
fn check_decisions(brokers: &str, name: &str, expected: usize) {
    let mut decisions: BTreeMap<String, OwnedDecisionRecord> = BTreeMap::new();
    let mut last: BTreeMap<i32, u64> = BTreeMap::new();
    read_all(brokers, &format!("{name}-decisions"), |message| {
        let decision = OwnedDecisionRecord::from_json(message.payload().unwrap()).unwrap();
        let before = last.insert(message.partition(), decision.rollout).unwrap_or(0);
        assert!(before <= decision.rollout, "{} after {before}", decision.rollout);
        let (version_expected, score) = match decision.rollout {
            0 | 2 => ("1", 100.0 / 1024.0),
            1 => ("2", 100.0 / 512.0),
            7 => ("by-file", 100.0 / 512.0),
            other => panic!("roll-out {other}"),
        };
        assert_eq!((version(&decision), decision.score), (version_expected, Some(score)));
        let twice = decisions.insert(decision.event_id.clone(), decision);
        assert!(twice.is_none(), "decided twice: {twice:?}");
    });
    assert_eq!(decisions.len(), expected);
    for number in 0..expected {
        let rollout = decisions[&format!("t{number}")].rollout;
        assert_eq!(rollout, [0, 1, 1, 2, 7][number / 200], "t{number}");
    }
}
