//! Further outputs on the in-process log: with aborts, crashes and rebalances each decision is exactly once where its condition
//! holds, with the bytes that it has on the topic of decisions.

mod history;

use history::{LATER, all_faults, decisions, events, fill, options};
use riskstream_definition::{Style, compile};
use riskstream_events::OwnedDecisionRecord;
use riskstream_pipeline::faulty::Faults;
use riskstream_pipeline::memory::StoredRecord;
use riskstream_pipeline::{TestDriver, WorkerRole};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const OUTCOMES: &str = "outcomes: [approve, challenge, review, decline]\nrules:\n  \
                        - {name: often, when: customer_count_1d > 3, then: challenge}\n";
const OUTPUTS: &str = r#"
  challenges: {topic: challenges, when: 'outcome == "challenge"'}
  scores: {topic: scores, when: score > 0.01 && outcome != "challenge"}
"#;

fn driver(faults: Faults) -> TestDriver {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines");
    let source = std::fs::read_to_string(directory.join("card-fraud.yaml")).unwrap();
    let (before, rest) = source.split_once("outputs:").expect("the shipped pipeline has outputs");
    let (outputs, after) = rest.split_once('\n').unwrap();
    assert_eq!(outputs, "", "a block");
    let source = format!("{}outputs:{OUTPUTS}{after}", before.replace("rules:\n", OUTCOMES));
    let (source, _) = source
        .split_once("examples:")
        .expect("the shipped pipeline has examples");
    let compiled = compile("card-fraud.yaml", source, &directory, &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
    let topology = compiled.json_topology(Some(b"a secret for simulated people")).unwrap();
    let mut driver = TestDriver::new(Arc::new(topology), 3);
    driver.kill_worker(0);
    driver.clock.advance(LATER);
    driver.set_options(options());
    driver.set_faults(faults);
    driver
}

/// The records by event id. None is there twice.
fn by_id(records: Vec<StoredRecord>) -> BTreeMap<String, StoredRecord> {
    let count = records.len();
    let id = |record: &StoredRecord| {
        let decision = OwnedDecisionRecord::from_json(record.value.as_deref().unwrap()).unwrap();
        decision.event_id
    };
    let records: BTreeMap<String, StoredRecord> = records.into_iter().map(|record| (id(&record), record)).collect();
    assert_eq!(records.len(), count, "a record is there twice");
    records
}

#[test]
fn each_decision_is_once_where_its_condition_holds() {
    let events = events();
    for (faults, workers) in [
        (Faults::default(), &[WorkerRole::All][..]),
        (all_faults(1), &[WorkerRole::All; 3]),
        (
            all_faults(2),
            &[WorkerRole::Upstream, WorkerRole::Deciding, WorkerRole::Deciding],
        ),
    ] {
        let mut driver = driver(faults);
        workers.iter().for_each(|role| driver.add_worker_of(*role));
        fill(&driver, &events);
        driver.run().expect("the run ends");
        let records = by_id(driver.decisions());
        let [challenges, scores] = ["challenges", "scores"].map(|topic| by_id(driver.broker.all_records(topic)));
        assert!(
            challenges.len() > 20 && !scores.is_empty(),
            "{} {}",
            challenges.len(),
            scores.len()
        );
        for (id, decision) in decisions(&driver) {
            let is_challenge = decision.outcome == "challenge";
            let is_scored = !is_challenge && decision.score.is_some_and(|score| score > 0.01);
            assert_eq!(challenges.get(&id), is_challenge.then(|| &records[&id]), "{id}");
            assert_eq!(scores.get(&id), is_scored.then(|| &records[&id]), "{id}");
        }
    }
}
