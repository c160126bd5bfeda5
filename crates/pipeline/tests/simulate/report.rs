//! What a run of many seeds says.

use crate::check::judge;
use crate::cluster::Failure;
use crate::definition;
use crate::scenario::{Mode, Scenario};
use crate::shrink::shrink;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// See the module.
pub struct Report {
    first: u64,
    began: Instant,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    seeds: u64,
    events: usize,
    modes: BTreeMap<&'static str, u64>,
    actions: BTreeMap<String, u64>,
    /// The failing seed that is least.
    failure: Option<(u64, Scenario, Failure)>,
}

impl Report {
    pub fn new(first: u64) -> Report {
        Report {
            first,
            began: Instant::now(),
            counts: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn has_failed(&self) -> bool {
        self.lock().failure.is_some()
    }

    pub fn add(&self, seed: u64, scenario: &Scenario, result: Result<(), Failure>) {
        let mut counts = self.lock();
        counts.seeds += 1;
        counts.events += scenario.events.len();
        let mode = match scenario.mode {
            Mode::Told => "told",
            Mode::History => "history",
            Mode::Live => "live",
        };
        *counts.modes.entry(mode).or_default() += 1;
        for (_, _, action) in &scenario.actions {
            let action = format!("{action:?}");
            let kind = action.split([' ', '{']).next().unwrap_or_default().to_owned();
            *counts.actions.entry(kind).or_default() += 1;
        }
        if let Err(failure) = result
            && counts.failure.as_ref().is_none_or(|(least, ..)| seed < *least)
        {
            counts.failure = Some((seed, scenario.clone(), failure));
        }
        if counts.seeds.is_multiple_of(10_000) {
            eprintln!("{} seeds in {} s", counts.seeds, self.began.elapsed().as_secs());
        }
    }

    /// Says what was run; for a failure how to repeat it, and its shortest form.
    pub fn conclude(&self) {
        let counts = std::mem::take(&mut *self.lock());
        let seconds = self.began.elapsed().as_secs_f64();
        println!(
            "{} seeds from {} on, {} events, in {seconds:.1} s",
            counts.seeds, self.first, counts.events
        );
        println!("  {:?}; {:?}", counts.modes, counts.actions);
        let Some((seed, scenario, failure)) = counts.failure else {
            return;
        };
        println!("seed {seed} fails: {failure}\n  again: scripts/simulate --seed {seed} --seeds 1");
        let (shortest, failure) = shrink(scenario, failure);
        let mut trace = Vec::new();
        drop(judge(&shortest, Some(&mut trace)));
        println!("its shortest form fails: {failure}\n\n{}", definition::text(&shortest));
        println!(
            "{:?}: {} processes, partitions {} and {:?}, {:?}, {:?}, batches of {}, a part every {} rounds{}",
            shortest.mode,
            shortest.processes.len(),
            shortest.input_partitions,
            shortest.label_partitions,
            shortest.table,
            shortest
                .entities
                .iter()
                .map(|entity| entity.partitions)
                .collect::<Vec<_>>(),
            shortest.batch_events,
            shortest.gap,
            if shortest.has_standby { ", a standby" } else { "" }
        );
        println!("{:?}, of the disk {:?}", shortest.faults, shortest.store_faults);
        for sent in &shortest.events {
            let input = ["payment", "label", "row"][usize::from(sent.input)];
            println!(
                "  part {}: {input} {}",
                sent.part,
                match sent.is_deletion {
                    true => format!("that deletes {} at {}", sent.record_key(&shortest), sent.time),
                    false => String::from_utf8_lossy(&sent.json()).into_owned(),
                }
            );
        }
        trace.iter().for_each(|line| println!("  {line}"));
        panic!("seed {seed} fails: {failure}");
    }
}
