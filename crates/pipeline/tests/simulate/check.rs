//! Runs a scenario and judges it.

use crate::cluster::{Cluster, Failure};
use crate::home::States;
use crate::oracle::{self, Expected};
use crate::scenario::Scenario;
use crate::table::COLUMNS;
use riskstream_events::{FeatureValue, OwnedDecisionRecord, Value};
use riskstream_features::state::{MemoryState, StateStore};
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// What is wrong with a scenario's results, or with the run; a panic is a failure too.
pub fn judge(scenario: &Scenario, trace: Option<&mut Vec<String>>) -> Result<(), Failure> {
    let mut cluster = catch_unwind(AssertUnwindSafe(|| Cluster::new(scenario, trace.is_some()))).map_err(text)?;
    let judged = catch_unwind(AssertUnwindSafe(|| {
        cluster.run()?;
        check(scenario, &mut cluster)
    }));
    if let Some(trace) = trace {
        *trace = cluster.trace.take().unwrap_or_default();
    }
    judged.unwrap_or_else(|panic| Err(text(panic)))
}

fn text(panic: Box<dyn Any + Send>) -> Failure {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a panic: {}", text.unwrap_or("without a text"))
}

fn check(scenario: &Scenario, cluster: &mut Cluster<'_>) -> Result<(), Failure> {
    let decisions = decisions(cluster)?;
    let expected = oracle::decisions(scenario);
    for (id, expected) in &expected {
        let found = decisions.get(id).map_or(0, Vec::len);
        if found != expected.len() {
            let letters = cluster.broker.all_records(&cluster.topology.dead_letters);
            let reasons: Vec<String> = letters
                .iter()
                .flat_map(|letter| letter.headers.iter())
                .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
                .collect();
            let sent = expected.len();
            return Err(format!(
                "{id} was sent {sent} times and decided {found} times; dead letters: {}",
                reasons.join(" ")
            ));
        }
    }
    if let Some(id) = decisions.keys().find(|id| !expected.contains_key(*id)) {
        return Err(format!("{id} was decided and is no payment"));
    }
    if oracle::is_exact(scenario) {
        for (id, expected) in &expected {
            for (found, expected) in decisions[id].iter().zip(expected) {
                compare(found, expected).map_err(|what| format!("{id}: {what}"))?;
            }
        }
    }
    let damaged = scenario.events.iter().filter(|sent| sent.is_damaged);
    let damaged = damaged.filter(|sent| scenario.input_of(sent) < cluster.topology.inputs.len());
    let (damaged, dead_letters) = (
        damaged.count(),
        cluster.broker.all_records(&cluster.topology.dead_letters),
    );
    if damaged != dead_letters.len() {
        return Err(format!(
            "{damaged} records cannot be decoded, and there are {} dead letters",
            dead_letters.len()
        ));
    }
    compare_states(cluster)
}

/// The decisions on each event id, in their order.
fn decisions(cluster: &Cluster<'_>) -> Result<BTreeMap<String, Vec<OwnedDecisionRecord>>, Failure> {
    let mut decisions: BTreeMap<String, Vec<OwnedDecisionRecord>> = BTreeMap::new();
    for record in cluster.broker.all_records(&cluster.topology.decisions) {
        let value = record.value.ok_or("a decision has no value")?;
        let decision = OwnedDecisionRecord::from_json(&value).map_err(|error| error.to_string())?;
        decisions.entry(decision.event_id.clone()).or_default().push(decision);
    }
    Ok(decisions)
}

fn compare(found: &OwnedDecisionRecord, expected: &Expected) -> Result<(), Failure> {
    for (number, value) in &expected.features {
        let name = format!("f{number}");
        let given = found.feature(&name);
        if !given.is_some_and(|given| agree(given, value)) {
            return Err(format!("{name} is {given:?} instead of {value:?}"));
        }
    }
    for (column, value) in COLUMNS.iter().zip(&expected.columns) {
        let given = found.feature(column);
        if !given.is_some_and(|given| agree(given, value)) {
            return Err(format!("{column} is {given:?} instead of {value:?}"));
        }
    }
    let is_busy = matches!(expected.features.get(&0), Some(Value::Int(count)) if *count > crate::definition::BUSY);
    if (found.outcome == "review") != is_busy {
        return Err(format!("the outcome is {}", found.outcome));
    }
    if found.late_by_ms != expected.late_by_ms {
        return Err(format!(
            "late by {:?} ms instead of {:?}",
            found.late_by_ms, expected.late_by_ms
        ));
    }
    let flags = [
        ("late", expected.is_late),
        ("duplicate", expected.is_duplicate),
        ("too_late", expected.is_too_late),
        ("inexact", expected.is_inexact),
    ];
    for (flag, is_expected) in flags {
        if found.flags.iter().any(|found| found == flag) != is_expected {
            return Err(format!(
                "the flags are {:?}, and {flag} should be {is_expected}",
                found.flags
            ));
        }
    }
    Ok(())
}

fn agree(given: &FeatureValue, value: &Value) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0);
    match (given, value) {
        (FeatureValue::Null(()), Value::Null) => true,
        (FeatureValue::Bool(a), Value::Bool(b)) => a == b,
        (FeatureValue::Text(a), Value::Text(b)) => *a == **b,
        (FeatureValue::Int(a), Value::Int(b)) => a == b,
        (FeatureValue::Int(a), Value::Float(b)) => near(*a as f64, *b),
        (FeatureValue::Float(a), Value::Float(b)) => near(*a, *b),
        (FeatureValue::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| agree(a, b))
        }
        _ => false,
    }
}

/// The states of the owners are those that a replay of the log gives.
fn compare_states(cluster: &Cluster<'_>) -> Result<(), Failure> {
    let owned = cluster.states();
    let home = cluster.new_home();
    let mut follower = cluster.follower(&home);
    for _ in 0..200 {
        follower
            .round(Duration::ZERO)
            .map_err(|error| format!("the replay: {error}"))?;
        cluster.wait();
        if is_level(&owned, &home.states()) {
            break;
        }
    }
    if let Some(stopped) = follower.stopped().first() {
        return Err(format!(
            "the replay of {} has stopped: {}",
            stopped.partition, stopped.reason
        ));
    }
    let replayed = home.states();
    for (task, state) in &owned {
        let other = replayed.get(task).cloned().unwrap_or_default();
        if position(state) != position(&other) {
            let (at, other) = (position(state), position(&other));
            return Err(format!("the state of {task:?} is at {at:?}, its replay at {other:?}"));
        }
        let (content, replayed) = (content(state), content(&other));
        if content != replayed {
            let of = |content: &BTreeMap<Vec<u8>, Vec<u8>>, other: &BTreeMap<Vec<u8>, Vec<u8>>| {
                let differ = content.iter().filter(|(key, value)| other.get(*key) != Some(value));
                let keys = differ.map(|(key, _)| key.escape_ascii().to_string());
                keys.collect::<Vec<_>>().join(", ")
            };
            let (a, b) = (of(&content, &replayed), of(&replayed, &content));
            return Err(format!(
                "the state of {task:?} is not what a replay gives, at the keys {a}; {b}"
            ));
        }
    }
    Ok(())
}

fn is_level(owned: &States, replayed: &States) -> bool {
    let is_level = |(task, state)| {
        replayed
            .get(task)
            .is_some_and(|other| position(other) == position(state))
    };
    owned.iter().all(is_level)
}

fn position(state: &MemoryState) -> Option<i64> {
    state.position().unwrap_or(None)
}

fn content(state: &MemoryState) -> BTreeMap<Vec<u8>, Vec<u8>> {
    state.scan(b"").unwrap_or_default().into_iter().collect()
}
