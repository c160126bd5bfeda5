//! How often each value occurs, in order of frequency.

use crate::accumulator::FrequenciesRead;
use crate::cell::{Cell, Form, list};
use hashbrown::HashMap;
use riskstream_events::Value;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::iter::successors;

/// No cell is less: words come before texts.
const LEAST: Cell = Cell::Word(i64::MIN);

/// The values of a window by their frequency, the most frequent first, of equally frequent ones the lesser first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frequencies {
    counts: HashMap<Cell, u32>,
    order: BTreeSet<(Reverse<u32>, Cell)>,
}

impl Frequencies {
    /// Counts one more of a value.
    pub(crate) fn add(&mut self, value: Cell) {
        let count = self.counts.get(&value).copied().unwrap_or(0);
        self.change(value, count, count + 1);
    }

    /// Counts one less of a value. False if it has not been added.
    pub(crate) fn remove(&mut self, value: Cell) -> bool {
        let Some(&count) = self.counts.get(&value) else {
            return false;
        };
        self.change(value, count, count - 1);
        true
    }

    fn change(&mut self, value: Cell, count: u32, changed: u32) {
        if count > 0 {
            self.order.remove(&(Reverse(count), value.clone()));
        }
        if changed > 0 {
            self.order.insert((Reverse(changed), value.clone()));
            self.counts.insert(value, changed);
        } else {
            self.counts.remove(&value);
        }
    }

    /// What a feature reads off them. `None` if there are no values.
    pub(crate) fn read(&self, read: FrequenciesRead, form: Form) -> Option<Value> {
        let value = |(_, value): &(_, Cell)| form.of_cell(value);
        match read {
            FrequenciesRead::Mode => self.order.first().map(value),
            FrequenciesRead::MostFrequent(k) => list(self.order.iter().take(k).map(value)),
            FrequenciesRead::Counts(k) => {
                let counts = self.order.iter().take(k);
                list(counts.map(|(Reverse(count), _)| Value::Int(i64::from(*count))))
            }
            FrequenciesRead::LeastFrequent(k) => list(self.ascending().take(k).map(value)),
        }
    }

    /// The least frequent first, of equally frequent values the lesser first. `order` read backwards would give the greater
    /// ones first, so each run of equally frequent values is read forwards.
    fn ascending(&self) -> impl Iterator<Item = &(Reverse<u32>, Cell)> {
        let start_of_run = |&(count, _): &(Reverse<u32>, Cell)| (count, LEAST);
        let runs = successors(self.order.last().map(start_of_run), move |start| {
            self.order.range(..start).next_back().map(start_of_run)
        });
        runs.flat_map(|start| {
            let count = start.0;
            self.order.range(start..).take_while(move |(other, _)| *other == count)
        })
    }

    /// Approximate memory in bytes, without texts on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.counts.capacity() * (2 * size_of::<(u64, Cell)>() + 1)
    }
}
