//! Makes a scenario that fails smaller, as long as it fails: fewer events, faults, processes, partitions, stages, features.

use crate::check::judge;
use crate::cluster::Failure;
use crate::scenario::Scenario;
use riskstream_pipeline::faulty::Faults;
use std::time::{Duration, Instant};

/// After this time the scenario is small enough.
const LIMIT: Duration = Duration::from_secs(40);

/// The smallest scenario found, and how it fails.
pub fn shrink(scenario: Scenario, failure: Failure) -> (Scenario, Failure) {
    let mut smallest = Smallest {
        scenario,
        failure,
        until: Instant::now() + LIMIT,
    };
    while smallest.pass() && Instant::now() < smallest.until {}
    (smallest.scenario, smallest.failure)
}

struct Smallest {
    scenario: Scenario,
    failure: Failure,
    until: Instant,
}

impl Smallest {
    /// Tries everything once; whether anything helped.
    fn pass(&mut self) -> bool {
        let mut helped = self.pieces(|scenario| &mut scenario.actions);
        helped |= self.pieces(|scenario| &mut scenario.events);
        helped |= self.pieces(|scenario| &mut scenario.processes);
        helped |= self.pieces(|scenario| &mut scenario.features);
        let kinds: [fn(&mut Faults) -> &mut u16; 6] = [
            |faults| &mut faults.aborted,
            |faults| &mut faults.committed_unknown,
            |faults| &mut faults.lost_unknown,
            |faults| &mut faults.unacknowledged,
            |faults| &mut faults.late,
            |faults| &mut faults.unavailable,
        ];
        for kind in kinds {
            helped |= self.change(|scenario| std::mem::take(kind(&mut scenario.faults)) > 0);
        }
        for kind in 0..3 {
            helped |= self.change(|scenario| std::mem::take(&mut scenario.store_faults[kind]) > 0);
        }
        for entity in 0..self.scenario.entities.len() {
            helped |= self.change(|scenario| std::mem::replace(&mut scenario.entities[entity].partitions, 1) > 1);
        }
        helped |= self.change(drop_last_stage);
        helped |= self.change(|scenario| std::mem::replace(&mut scenario.input_partitions, 1) > 1);
        helped |= self.change(|scenario| scenario.label_partitions.replace(1).is_some_and(|count| count > 1));
        helped |= self.change(drop_labels);
        helped |= self.change(drop_table);
        helped |= self.change(|scenario| std::mem::take(&mut scenario.has_standby));
        helped | self.change(|scenario| scenario.processes.iter_mut().any(std::mem::take))
    }

    /// Leaves out pieces, first large ones.
    fn pieces<T: Clone>(&mut self, of: impl Fn(&mut Scenario) -> &mut Vec<T>) -> bool {
        let mut helped = false;
        let mut size = of(&mut self.scenario).len();
        while size > 0 {
            let mut at = 0;
            while at < of(&mut self.scenario).len() {
                let shorter = |scenario: &mut Scenario| {
                    let all = of(scenario);
                    let end = (at + size).min(all.len());
                    all.drain(at..end);
                    true
                };
                match self.change(shorter) {
                    true => helped = true,
                    false => at += size,
                }
            }
            size /= 2;
        }
        helped
    }

    /// Keeps a change if there is one and the scenario still fails.
    fn change(&mut self, change: impl FnOnce(&mut Scenario) -> bool) -> bool {
        let mut changed = self.scenario.clone();
        if Instant::now() > self.until || !change(&mut changed) || !is_whole(&changed) {
            return false;
        }
        match judge(&changed, None) {
            Ok(()) => false,
            Err(failure) => {
                (self.scenario, self.failure) = (changed, failure);
                true
            }
        }
    }
}

/// Each entity needs a feature, or it has no stage; the rule reads the first feature.
fn is_whole(scenario: &Scenario) -> bool {
    let has_feature = |entity| {
        scenario
            .features
            .iter()
            .any(|feature| feature.entity == entity && !feature.of_labels)
    };
    let features = scenario.features.first();
    let uses_labels = scenario.features.iter().any(|feature| feature.of_labels);
    scenario.label_partitions.is_some() == uses_labels
        && !scenario.processes.is_empty()
        && features.is_some_and(|first| first.aggregation == riskstream_features::Aggregation::Count)
        && (0..scenario.entities.len()).all(has_feature)
}

fn drop_last_stage(scenario: &mut Scenario) -> bool {
    scenario.entities.pop();
    let count = scenario.entities.len();
    scenario.features.retain(|feature| feature.entity < count);
    if scenario.table.is_some_and(|table| table.entity >= count) {
        drop_table(scenario);
    }
    for sent in &mut scenario.events {
        sent.keys.truncate(count);
    }
    count > 0
}

fn drop_table(scenario: &mut Scenario) -> bool {
    let had_table = scenario.table.is_some();
    *scenario = scenario.clone().without_table();
    had_table
}

fn drop_labels(scenario: &mut Scenario) -> bool {
    scenario.features.retain(|feature| !feature.of_labels);
    scenario.events.retain(|sent| sent.input != 1);
    scenario.label_partitions.take().is_some()
}
