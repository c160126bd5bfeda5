//! The comparison of a branch as cuts of the axis of keys.

use std::collections::HashMap;

use super::ensemble::{Branch, Comparison, Ensemble, Node};
use super::key::{Key, Number};

/// At least one cut. The comparison is alternately true and false on the regions between cuts, beginning with
/// `first_region_is_true`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split<K> {
    cuts: Cuts<K>,
    pub first_region_is_true: bool,
}

#[derive(Clone, Copy, Debug)]
enum Cuts<K> {
    One(K),
    Two(K, K),
    /// A range of [`Splits::member_cuts`].
    Many {
        first: u32,
        count: u32,
    },
}

impl<K> Split<K> {
    pub fn count(&self) -> u32 {
        match self.cuts {
            Cuts::One(_) => 1,
            Cuts::Two(..) => 2,
            Cuts::Many { count, .. } => count,
        }
    }
}

/// The splits of an ensemble's branches. Those of set memberships are computed in advance.
#[derive(Debug)]
pub(crate) struct Splits<K> {
    member_cuts: Vec<K>,
    member_splits: HashMap<u32, Split<K>>,
}

impl<K: Key> Splits<K> {
    pub fn new<N: Number<Key = K>>(ensemble: &Ensemble) -> Self {
        let mut splits = Splits {
            member_cuts: Vec::new(),
            member_splits: HashMap::new(),
        };
        for (index, node) in ensemble.nodes.iter().enumerate() {
            if let Node::Branch(Branch {
                comparison: Comparison::Member { first, count },
                ..
            }) = node
            {
                let members = &ensemble.members[*first as usize..][..*count as usize];
                let split = splits.membership::<N>(members);
                splits.member_splits.insert(index as u32, split);
            }
        }
        splits
    }

    pub fn of<N: Number<Key = K>>(&self, node: u32, branch: &Branch) -> Split<K> {
        let threshold = N::from_f64(branch.threshold);
        if threshold.is_nan() && !matches!(branch.comparison, Comparison::Member { .. }) {
            return if branch.comparison == Comparison::NotEqual {
                always()
            } else {
                never()
            };
        }
        let key = threshold.key();
        let (cuts, first_region_is_true) = match branch.comparison {
            Comparison::LessOrEqual => (Cuts::One(key.next()), true),
            Comparison::Less => (Cuts::One(key), true),
            Comparison::GreaterOrEqual => (Cuts::One(key), false),
            Comparison::Greater => (Cuts::One(key.next()), false),
            Comparison::Equal => (Cuts::Two(key, key.next()), false),
            Comparison::NotEqual => (Cuts::Two(key, key.next()), true),
            Comparison::Member { .. } => return self.member_splits[&node],
        };
        Split {
            cuts,
            first_region_is_true,
        }
    }

    pub fn cut(&self, split: Split<K>, index: u32) -> K {
        match split.cuts {
            Cuts::One(cut) => cut,
            Cuts::Two(first, second) => {
                if index == 0 {
                    first
                } else {
                    second
                }
            }
            Cuts::Many { first, .. } => self.member_cuts[(first + index) as usize],
        }
    }

    /// A cut below and a cut above each run of adjacent keys.
    fn membership<N: Number<Key = K>>(&mut self, members: &[f64]) -> Split<K> {
        let mut keys: Vec<K> = members
            .iter()
            .filter(|member| !member.is_nan())
            .map(|&member| N::from_f64(member).key())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return never();
        }
        let first = self.member_cuts.len() as u32;
        for key in keys {
            if self.member_cuts.len() as u32 > first && self.member_cuts.last() == Some(&key) {
                self.member_cuts.pop();
            } else {
                self.member_cuts.push(key);
            }
            self.member_cuts.push(key.next());
        }
        let count = self.member_cuts.len() as u32 - first;
        Split {
            cuts: Cuts::Many { first, count },
            first_region_is_true: false,
        }
    }
}

/// False for every number: all keys lie above the only cut.
fn never<K: Key>() -> Split<K> {
    Split {
        cuts: Cuts::One(K::LOWEST.next()),
        first_region_is_true: true,
    }
}

/// True for every number.
fn always<K: Key>() -> Split<K> {
    Split {
        cuts: Cuts::One(K::LOWEST.next()),
        first_region_is_true: false,
    }
}
