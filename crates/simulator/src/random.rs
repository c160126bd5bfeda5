//! Independent random streams, and draws from distributions.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, StandardNormal};

/// The purpose of a random stream. Streams of different purposes are independent.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    World = 1,
    Profile = 2,
    GenuineDay = 3,
    Theft = 4,
    Compromise = 5,
    Charge = 6,
    LabelDelay = 7,
}

/// The random stream for one purpose, subject (such as a customer) and day. The events of a customer on a day depend
/// on no other customer, and on other days only through the customer's state.
pub(crate) fn stream(seed: u64, purpose: Purpose, subject: u64, day: i64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    key[16..24].copy_from_slice(&subject.to_le_bytes());
    key[24..].copy_from_slice(&day.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// A draw from the log-normal distribution with this median; `sigma` is the standard deviation of the logarithm.
pub(crate) fn log_normal<R: Rng>(rng: &mut R, median: f64, sigma: f64) -> f64 {
    median * (sigma * normal(rng)).exp()
}

/// A draw from the standard normal distribution.
pub(crate) fn normal<R: Rng>(rng: &mut R) -> f64 {
    StandardNormal.sample(rng)
}

/// A draw from the exponential distribution with mean 1.
pub(crate) fn exponential<R: Rng>(rng: &mut R) -> f64 {
    Exp1.sample(rng)
}

/// A draw from the Poisson distribution: the number of arrivals of a process of rate 1 before time `mean`. Takes time
/// proportional to `mean`.
pub(crate) fn poisson<R: Rng>(rng: &mut R, mean: f64) -> u32 {
    let mut arrivals = 0;
    let mut elapsed = exponential(rng);
    while elapsed < mean {
        arrivals += 1;
        elapsed += exponential(rng);
    }
    arrivals
}

/// An index in `0..len`. The probability decreases with the index as a power law.
pub(crate) fn popular_index<R: Rng>(rng: &mut R, len: usize) -> usize {
    let u: f64 = rng.random();
    ((len as f64 * u * u) as usize).min(len - 1)
}

/// An index drawn with probabilities in proportion to `weights`, which must not all be zero.
pub(crate) fn weighted_index<R: Rng>(rng: &mut R, weights: impl Iterator<Item = f64> + Clone) -> usize {
    let mut rest = rng.random::<f64>() * weights.clone().sum::<f64>();
    let mut last = 0;
    for (index, weight) in weights.enumerate().filter(|(_, weight)| *weight > 0.0) {
        last = index;
        rest -= weight;
        if rest < 0.0 {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_has_its_mean_and_variance() {
        let mut rng = stream(1, Purpose::World, 0, 0);
        let draws: Vec<f64> = (0..20_000).map(|_| f64::from(poisson(&mut rng, 2.5))).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!((mean - 2.5).abs() < 0.05, "{mean}");
        assert!((variance - 2.5).abs() < 0.1, "{variance}");
    }

    #[test]
    fn weighted_index_skips_zero_weights() {
        let mut rng = stream(1, Purpose::World, 0, 0);
        let mut counts = [0; 4];
        for _ in 0..10_000 {
            counts[weighted_index(&mut rng, [1.0, 0.0, 3.0, 0.0].into_iter())] += 1;
        }
        assert_eq!((counts[1], counts[3]), (0, 0));
        assert!((2_300..2_700).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn streams_differ_by_every_part_of_their_key() {
        let first = |mut rng: ChaCha8Rng| rng.random::<u64>();
        let base = first(stream(1, Purpose::World, 2, 3));
        assert_eq!(base, first(stream(1, Purpose::World, 2, 3)));
        assert_ne!(base, first(stream(2, Purpose::World, 2, 3)));
        assert_ne!(base, first(stream(1, Purpose::Theft, 2, 3)));
        assert_ne!(base, first(stream(1, Purpose::World, 3, 3)));
        assert_ne!(base, first(stream(1, Purpose::World, 2, 4)));
    }
}
