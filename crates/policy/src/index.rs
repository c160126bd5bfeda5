//! The index of rules: the rules that can hold for each range of a slot's values.
//!
//! Of a row's slots, each by itself excludes the rules that test it and fail. What is left are candidates, whose conditions are
//! evaluated. For a slot that many rules test, its values are divided into ranges at the constants of the rules, and each range
//! has the set of rules that can hold for a value in it; a decision looks up one set for each slot and intersects them. This is
//! the bit-vector scheme of packet classification (Lakshman and Stiliadis, 1998).

use riskstream_events::{Slot, Value, ValueType};
use riskstream_expressions::{Expression, Known, Tested};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Rules of a block: one bit for each.
type RuleSet = Vec<u64>;

/// Rules that are indexed together.
const BLOCK: usize = 2048;

/// A slot that fewer rules of a block test is not worth a look-up.
const FEWEST: usize = 8;

/// The values of a slot are divided at so many numbers or texts at most: an index takes at most 66 kB for a block and slot.
const MOST_CUTS: usize = 128;

#[derive(Clone, Debug)]
pub(crate) struct Index {
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
struct Block {
    all: RuleSet,
    slots: Vec<SlotIndex>,
}

/// The values of a slot, divided into ranges.
#[derive(Clone, Debug)]
struct SlotIndex {
    slot: Slot,
    ranges: Ranges,
    /// The rules that can hold if the slot is null.
    null: RuleSet,
    /// The sets of all ranges, one after the other.
    sets: Vec<u64>,
}

#[derive(Clone, Debug)]
enum Ranges {
    /// False, true.
    Bools,
    /// Below the first number, the first number, between it and the second, and so on.
    Ints(Vec<f64>),
    /// As of ints.
    Floats(Vec<f64>),
    /// Each of these texts, then any other.
    Texts(HashMap<String, usize>),
}

impl Index {
    pub(crate) fn new<'e>(rules: impl ExactSizeIterator<Item = &'e Expression>) -> Self {
        let rules: Vec<&Expression> = rules.collect();
        Index {
            blocks: rules.chunks(BLOCK).map(Block::new).collect(),
        }
    }

    /// Calls `each` for the rules that can hold in the row, in order.
    pub(crate) fn candidates(&self, row: &[Value], mut each: impl FnMut(usize)) {
        for (number, block) in self.blocks.iter().enumerate() {
            let candidates = block.candidates(row);
            for (word, mut bits) in candidates.into_iter().take(block.all.len()).enumerate() {
                while bits != 0 {
                    each(number * BLOCK + word * 64 + bits.trailing_zeros() as usize);
                    bits &= bits - 1;
                }
            }
        }
    }
}

impl Block {
    fn new(rules: &[&Expression]) -> Self {
        let mut all = vec![0; rules.len().div_ceil(64)];
        (0..rules.len()).for_each(|rule| all[rule / 64] |= 1 << (rule % 64));
        let mut tests: BTreeMap<Slot, Tests> = BTreeMap::new();
        for (rule, expression) in rules.iter().enumerate() {
            for tested in expression.tested() {
                tests.entry(tested.slot).or_default().add(rule, tested);
            }
        }
        let many = tests.into_iter().filter(|(_, tests)| tests.rules.len() >= FEWEST);
        let slots = many.filter_map(|(slot, tests)| SlotIndex::new(slot, &tests, rules, &all));
        Block {
            slots: slots.collect(),
            all,
        }
    }

    fn candidates(&self, row: &[Value]) -> [u64; BLOCK / 64] {
        let mut candidates = [0; BLOCK / 64];
        candidates[..self.all.len()].copy_from_slice(&self.all);
        for index in &self.slots {
            if let Some(possible) = index.look_up(row.get(index.slot)) {
                candidates
                    .iter_mut()
                    .zip(possible)
                    .for_each(|(bits, possible)| *bits &= possible);
            }
        }
        candidates
    }
}

/// How the rules of a block test a slot.
#[derive(Default)]
struct Tests {
    value_type: Option<ValueType>,
    rules: BTreeSet<usize>,
    constants: Vec<Value>,
}

impl Tests {
    fn add(&mut self, rule: usize, tested: Tested) {
        self.value_type = Some(tested.value_type);
        self.rules.insert(rule);
        self.constants.push(tested.constant);
    }

    /// The ranges into which the constants divide the values of the slot.
    fn ranges(&self) -> Option<Ranges> {
        Some(match self.value_type? {
            ValueType::Bool => Ranges::Bools,
            ValueType::Int => Ranges::Ints(self.cuts()),
            ValueType::Float => Ranges::Floats(self.cuts()),
            ValueType::Text => Ranges::Texts(self.texts()),
            ValueType::Timestamp | ValueType::List => return None,
        })
    }

    /// The constants in order or, if there are too many, evenly spaced ones of them.
    fn cuts(&self) -> Vec<f64> {
        let numbers = self.constants.iter().filter_map(Value::as_number);
        let mut numbers: Vec<f64> = numbers.filter(|n| n.is_finite()).map(|n| n + 0.0).collect();
        numbers.sort_by(f64::total_cmp);
        numbers.dedup();
        match numbers.len().div_ceil(MOST_CUTS) {
            0 | 1 => numbers,
            step => numbers.into_iter().step_by(step).collect(),
        }
    }

    /// The texts that rules test most often.
    fn texts(&self) -> HashMap<String, usize> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for constant in &self.constants {
            if let Value::Text(text) = constant {
                *counts.entry(text).or_default() += 1;
            }
        }
        let mut texts: Vec<(&str, usize)> = counts.into_iter().collect();
        texts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let often = texts.into_iter().take(MOST_CUTS).enumerate();
        often.map(|(range, (text, _))| (text.to_owned(), range)).collect()
    }
}

impl SlotIndex {
    /// `None` if the slot excludes no rule.
    fn new(slot: Slot, tests: &Tests, rules: &[&Expression], all: &RuleSet) -> Option<Self> {
        let ranges = tests.ranges()?;
        let possible = |known: Known<'_>| {
            let mut set = all.clone();
            for rule in &tests.rules {
                if !rules[*rule].can_be_true(slot, known) {
                    set[rule / 64] &= !(1 << (rule % 64));
                }
            }
            set
        };
        let sets = match &ranges {
            Ranges::Bools => [false, true].map(|value| possible(Known::Bool(value))).concat(),
            Ranges::Ints(cuts) | Ranges::Floats(cuts) => {
                let below = |index: usize| cuts.get(index).copied().unwrap_or(f64::INFINITY);
                let mut low = f64::NEG_INFINITY;
                let mut sets = possible(Known::Between(low, below(0)));
                for (index, cut) in cuts.iter().enumerate() {
                    low = *cut;
                    sets.extend(possible(Known::Number(low)));
                    sets.extend(possible(Known::Between(low, below(index + 1))));
                }
                sets
            }
            Ranges::Texts(texts) => {
                let mut sets = vec![0; texts.len() * all.len()];
                for (text, range) in texts {
                    sets[range * all.len()..][..all.len()].copy_from_slice(&possible(Known::Text(text)));
                }
                sets.extend(possible(Known::OtherText(&|text| texts.contains_key(text))));
                sets
            }
        };
        let null = possible(Known::Null);
        let excludes_some = sets.chunks(all.len()).chain([&*null]).any(|set| set != all);
        excludes_some.then_some(SlotIndex {
            slot,
            ranges,
            null,
            sets,
        })
    }

    /// The rules that can hold if the slot has this value; `None` if it may be any. A value of another type than declared counts
    /// as null, as it does in expressions.
    fn look_up(&self, value: Option<&Value>) -> Option<&[u64]> {
        let range = match (&self.ranges, value) {
            (Ranges::Bools, Some(Value::Bool(value))) => usize::from(*value),
            (Ranges::Ints(cuts) | Ranges::Floats(cuts), Some(Value::Int(int))) => range_of(cuts, *int as f64)?,
            (Ranges::Floats(cuts), Some(Value::Float(float))) => range_of(cuts, *float)?,
            (Ranges::Texts(texts), Some(Value::Text(text))) => texts.get(text.as_str()).copied().unwrap_or(texts.len()),
            _ => return Some(&self.null),
        };
        let words = self.null.len();
        Some(&self.sets[range * words..][..words])
    }
}

/// `None` for NaN and the infinities, which lie in no range.
fn range_of(cuts: &[f64], number: f64) -> Option<usize> {
    let above = cuts.partition_point(|cut| *cut < number);
    let is_cut = cuts.get(above) == Some(&number);
    number.is_finite().then_some(2 * above + usize::from(is_cut))
}
