//! A sorted multiset of integers with look-up by rank.

/// At how many numbers a run is split in two.
const RUN: usize = 512;

/// Sorted numbers in sorted runs: adding, removing and ranking cost a search and a short move.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sorted {
    runs: Vec<Vec<i64>>,
    len: usize,
}

impl Sorted {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn add(&mut self, number: i64) {
        self.len += 1;
        if self.runs.is_empty() {
            self.runs.push(vec![number]);
            return;
        }
        let index = self.run_of(number).min(self.runs.len() - 1);
        let run = &mut self.runs[index];
        run.insert(run.partition_point(|&other| other < number), number);
        if run.len() >= RUN {
            let rest = run.split_off(RUN / 2);
            self.runs.insert(index + 1, rest);
        }
    }

    /// Removes one number. False if it is not in the multiset.
    pub(crate) fn remove(&mut self, number: i64) -> bool {
        let index = self.run_of(number);
        let Some(run) = self.runs.get_mut(index) else {
            return false;
        };
        let at = run.partition_point(|&other| other < number);
        if run[at] != number {
            return false;
        }
        run.remove(at);
        if run.is_empty() {
            self.runs.remove(index);
        }
        self.len -= 1;
        true
    }

    /// The first run whose last number is not less; the number of runs if there is none.
    fn run_of(&self, number: i64) -> usize {
        self.runs
            .partition_point(|run| run.last().is_some_and(|&last| last < number))
    }

    /// The number of this rank, from 0.
    pub(crate) fn get(&self, mut rank: usize) -> Option<i64> {
        for run in &self.runs {
            if rank < run.len() {
                return Some(run[rank]);
            }
            rank -= run.len();
        }
        None
    }

    pub(crate) fn memory(&self) -> usize {
        self.runs.iter().map(|run| run.capacity() * 8 + 24).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Sorted;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn ranks_are_those_of_a_sorted_vector(
            numbers in prop::collection::vec(-300i64..300, 0..3000),
            removals in prop::collection::vec(any::<prop::sample::Index>(), 0..2000),
        ) {
            let mut sorted = Sorted::default();
            let mut expected = Vec::new();
            for &number in &numbers {
                sorted.add(number);
                expected.push(number);
            }
            for index in removals {
                if expected.is_empty() { break; }
                prop_assert!(sorted.remove(expected.swap_remove(index.index(expected.len()))));
            }
            for number in (-301..=301).filter(|number| !expected.contains(number)) {
                prop_assert!(!sorted.remove(number));
            }
            expected.sort_unstable();
            prop_assert_eq!(sorted.len(), expected.len());
            for (rank, &number) in expected.iter().enumerate() {
                prop_assert_eq!(sorted.get(rank), Some(number));
            }
            prop_assert_eq!(sorted.get(expected.len()), None);
        }
    }
}
