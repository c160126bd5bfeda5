//! What has to come out: a plain sequential computation. Rows are merged by the watermarks of their sources, and each stage
//! applies them to the naive model of the features' tests.
//!
//! Where the clock has a part in the order there is no such expectation, but for one stage that reads its input itself. In
//! history, what is late, doubled or a label has its place within its part of the load: what comes to topics at rest, and is older
//! than what was decided, is applied as it comes. The documentation says so (docs/guarantees.md, section 5).

use crate::definition;
use crate::load::Sent;
use crate::naive::{self, ABROAD, AMOUNT, FRAUD, ITEMS, Naive, OUTPUT, SHOP, row};
use crate::scenario::{Mode, Scenario};
use crate::table::{ROWS, Rows};
use riskstream_events::{Row, Value};
use riskstream_features::EntitySpec;
use riskstream_pipeline::partitioner::partition;
use std::collections::{BTreeMap, VecDeque};

/// What a payment's decision has to say.
#[derive(Clone, Debug)]
pub struct Expected {
    /// By the features' numbers.
    pub features: BTreeMap<usize, Value>,
    /// The columns of the table, if there is one.
    pub columns: Vec<Value>,
    pub late_by_ms: Option<i64>,
    pub is_late: bool,
    pub is_duplicate: bool,
    pub is_too_late: bool,
    pub is_inexact: bool,
}

/// A row on its way.
#[derive(Clone)]
struct Moving<'a> {
    sent: &'a Sent,
    watermark: i64,
    expected: Expected,
}

/// Whether what is decided does not depend on a clock.
pub fn is_exact(scenario: &Scenario) -> bool {
    scenario.mode != Mode::Live || (scenario.entities.len() == 1 && scenario.reads_input())
}

/// The decisions of each event id, in their order.
pub fn decisions(scenario: &Scenario) -> BTreeMap<String, Vec<Expected>> {
    let specs = definition::specs(scenario);
    let mut sources = ingest(scenario);
    for (stage, (spec, numbers)) in specs.iter().enumerate() {
        let count = scenario.entities[stage].partitions;
        let inbox = match stage == 0 && scenario.reads_input() {
            true => std::mem::take(&mut sources),
            false => deliver(scenario, &sources, stage, count),
        };
        sources = inbox
            .into_iter()
            .map(|partition| apply(scenario, partition, stage, spec, numbers))
            .collect();
    }
    let mut decisions: BTreeMap<String, Vec<Expected>> = BTreeMap::new();
    for row in sources.into_iter().flatten().filter(|row| row.sent.input == 0) {
        decisions.entry(row.sent.event_id()).or_default().push(row.expected);
    }
    decisions
}

/// The rows of each partition of the inputs.
fn ingest(scenario: &Scenario) -> Vec<Vec<Moving<'_>>> {
    let counts = [
        partitions_of_input(scenario),
        scenario.label_partitions.unwrap_or(0),
        scenario.table.map_or(0, |table| table.partitions),
    ];
    let mut sources: Vec<Vec<Moving<'_>>> = Vec::new();
    for (input, count) in counts.into_iter().enumerate() {
        let first = sources.len();
        sources.resize_with(first + count as usize, Vec::new);
        let mut watermarks = vec![i64::MIN; count as usize];
        for sent in &scenario.events {
            if usize::from(sent.input) != input || sent.is_damaged {
                continue;
            }
            let at = partition(sent.record_key(scenario).as_bytes(), count) as usize;
            watermarks[at] = watermarks[at].max(sent.time * 1000);
            let late_by = (watermarks[at] - sent.time * 1000) / 1000;
            sources[first + at].push(Moving {
                sent,
                watermark: watermarks[at],
                expected: Expected {
                    features: BTreeMap::new(),
                    columns: Vec::new(),
                    late_by_ms: (late_by > 0).then_some(late_by),
                    is_late: late_by > 0,
                    is_duplicate: false,
                    is_too_late: false,
                    is_inexact: false,
                },
            });
        }
    }
    sources
}

/// The number of partitions of the transactions.
pub fn partitions_of_input(scenario: &Scenario) -> i32 {
    match scenario.reads_input() {
        true => scenario.entities[0].partitions,
        false => scenario.input_partitions,
    }
}

/// The rows of each partition in front of a stage, in order.
fn deliver<'a>(scenario: &Scenario, sources: &[Vec<Moving<'a>>], stage: usize, count: i32) -> Vec<Vec<Moving<'a>>> {
    let mut queues: Vec<Vec<VecDeque<Moving<'a>>>> = (0..count)
        .map(|_| sources.iter().map(|_| VecDeque::new()).collect())
        .collect();
    for (number, source) in sources.iter().enumerate() {
        for row in source {
            let key = match scenario.table.filter(|_| row.sent.input == ROWS) {
                // On its way to its entity a row is in the partition of its key.
                Some(table) if table.entity >= stage => row.sent.key(table.entity),
                Some(_) => continue,
                None => row.sent.key(stage),
            };
            let at = partition(key.as_bytes(), count) as usize;
            queues[at][number].push_back(row.clone());
        }
    }
    queues.into_iter().map(merge).collect()
}

/// Always the row with the least watermark; of equal ones a label, then that of the first source.
fn merge(mut queues: Vec<VecDeque<Moving<'_>>>) -> Vec<Moving<'_>> {
    let mut merged = Vec::new();
    loop {
        let heads = queues.iter().enumerate();
        let heads = heads.filter_map(|(number, queue)| Some((queue.front()?, number)));
        let next = heads.min_by_key(|(row, number)| (row.watermark, row.sent.input == 0, *number));
        let Some((_, number)) = next else { return merged };
        merged.extend(queues[number].pop_front());
    }
}

fn apply<'a>(
    scenario: &Scenario,
    rows: Vec<Moving<'a>>,
    stage: usize,
    spec: &EntitySpec,
    numbers: &[usize],
) -> Vec<Moving<'a>> {
    let mut naive = Naive::new();
    let mut table = Rows::default();
    let has_table = scenario.table.is_some_and(|table| table.entity == stage);
    let apply = |mut moving: Moving<'a>| {
        let key = moving.sent.key(stage);
        if moving.sent.input == ROWS {
            if has_table {
                table.add(key, moving.sent);
            }
            return moving;
        }
        let mut row = row_of(moving.sent, numbers.len());
        let applied = naive.apply(spec, &key, moving.sent.input, &mut row);
        let expected = &mut moving.expected;
        if has_table && moving.sent.input == 0 {
            let entity = scenario.entities[stage];
            expected.columns = table.seen(&key, moving.sent, naive.stream(), entity).into();
        }
        expected.is_late |= applied.overtaken;
        expected.is_duplicate |= applied.duplicate;
        expected.is_too_late |= applied.too_late;
        expected.is_inexact |= applied.inexact;
        let values = numbers.iter().zip(row.drain(OUTPUT..));
        expected.features.extend(values.map(|(number, value)| (*number, value)));
        moving
    };
    rows.into_iter().map(apply).collect()
}

fn row_of(sent: &Sent, features: usize) -> Row {
    let mut row = row(sent.time * 1000, &sent.event_id(), features);
    row[AMOUNT] = sent.amount().map_or(Value::Null, Value::Float);
    row[ITEMS] = sent.items.map_or(Value::Null, |items| Value::Int(items.into()));
    row[SHOP] = sent
        .shop()
        .map_or(Value::Null, |shop| Value::Text(shop.as_str().into()));
    row[ABROAD] = Value::Bool(sent.truth);
    row[FRAUD] = Value::Bool(sent.truth);
    debug_assert_eq!(naive::types(features).len(), row.len());
    row
}
