//! The bootstrap over groups: how much a statistic varies with the sample of cards.

/// Draws groups with replacement, as many as there are, again and again. The same seed draws the same groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resampling {
    /// Seed of the random numbers.
    pub seed: u64,
    /// How often groups are drawn.
    pub replicas: usize,
}

/// The middle 95 % of a statistic's values.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Interval {
    /// The 2.5th percentile.
    pub low: f64,
    /// The 97.5th percentile.
    pub high: f64,
}

impl Resampling {
    /// The 95 % interval of each of `N` statistics, by the percentile method. They get how often each of the groups was drawn.
    /// A replica in which one is not defined is left out for it; none if fewer than half of them remain.
    pub fn intervals<const N: usize>(
        &self,
        groups: usize,
        mut statistics: impl FnMut(&[u32]) -> [Option<f64>; N],
    ) -> [Option<Interval>; N] {
        let mut random = SplitMix(self.seed);
        let mut values: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(self.replicas));
        let mut drawn = vec![0u32; groups];
        for _ in 0..self.replicas {
            drawn.fill(0);
            for _ in 0..groups {
                drawn[random.below(groups)] += 1;
            }
            for (values, value) in values.iter_mut().zip(statistics(&drawn)) {
                values.extend(value);
            }
        }
        values.map(|mut values| {
            values.sort_unstable_by(f64::total_cmp);
            let enough = !values.is_empty() && 2 * values.len() >= self.replicas;
            enough.then(|| Interval {
                low: percentile(&values, 0.025),
                high: percentile(&values, 0.975),
            })
        })
    }
}

/// The value below which this share of `sorted` lies, interpolated between neighbours as numpy does. `sorted` has values.
pub(super) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * part
}

/// Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, by Lemire's multiplication; its bias is below 2^-32 for the bounds here.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}
