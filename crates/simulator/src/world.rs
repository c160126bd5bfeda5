//! Terminals: online shops, and the terminals of towns.

use crate::category::{CATEGORIES, Category, online_category, physical_category};
use crate::config::SimulatorConfig;
use crate::random::{Purpose, log_normal, popular_index, stream};
use rand::{Rng, RngExt};
use std::ops::Range;

/// The country of the bank and of nearly all its customers.
const HOME: &str = "DE";
const ABROAD: [&str; 9] = ["FR", "NL", "AT", "IT", "ES", "PL", "GB", "US", "TR"];
const ONLINE_ABROAD: [&str; 6] = ["IE", "LU", "NL", "GB", "US", "CN"];

const ONLINE_SHARE: f64 = 0.15;
const TERMINALS_PER_TOWN: u32 = 60;

/// A device in a shop, or an online shop.
pub(crate) struct Terminal {
    category: u8,
    /// The amounts of payments relative to the median of the category.
    pub(crate) price_level: f32,
    pub(crate) country: &'static str,
}

impl Terminal {
    pub(crate) fn category(&self) -> &'static Category {
        &CATEGORIES[usize::from(self.category)]
    }
}

/// All terminals: online shops, then the terminals of each town. The terminals of each group are in order of decreasing
/// popularity.
pub(crate) struct World {
    pub(crate) terminals: Vec<Terminal>,
    online: Range<u32>,
    towns: Vec<Range<u32>>,
}

impl World {
    pub(crate) fn new(config: &SimulatorConfig) -> World {
        let mut rng = stream(config.seed, Purpose::World, 0, 0);
        let online = 0..((f64::from(config.terminals) * ONLINE_SHARE) as u32).max(1);
        let towns = lay_out_towns(online.end..config.terminals);
        let mut terminals = Vec::with_capacity(config.terminals as usize);
        for _ in online.clone() {
            let category = online_category(&mut rng);
            let country = if rng.random_bool(0.65) {
                HOME
            } else {
                ONLINE_ABROAD[rng.random_range(0..ONLINE_ABROAD.len())]
            };
            terminals.push(Terminal::new(&mut rng, category, country));
        }
        for (index, town) in towns.iter().enumerate() {
            let country = town_country(index);
            for _ in town.clone() {
                let category = physical_category(&mut rng);
                terminals.push(Terminal::new(&mut rng, category, country));
            }
        }
        World {
            terminals,
            online,
            towns,
        }
    }

    pub(crate) fn terminal(&self, terminal: u32) -> &Terminal {
        &self.terminals[terminal as usize]
    }

    pub(crate) fn is_online(&self, terminal: u32) -> bool {
        self.online.contains(&terminal)
    }

    /// A random town. Large towns have higher probabilities.
    pub(crate) fn town<R: Rng>(&self, rng: &mut R) -> u32 {
        let terminal = rng.random_range(self.online.end..self.terminals.len() as u32);
        self.towns.partition_point(|town| town.end <= terminal) as u32
    }

    /// A random home town of a customer, nearly always in the home country.
    pub(crate) fn home_town<R: Rng>(&self, rng: &mut R) -> u32 {
        let may_be_abroad = rng.random_bool(0.04);
        loop {
            // The loop ends: the first town, which is the most likely, is in the home country.
            let town = self.town(rng);
            if may_be_abroad || town_country(town as usize) == HOME {
                return town;
            }
        }
    }

    /// A random terminal of a town. Popular terminals have higher probabilities.
    pub(crate) fn terminal_in_town<R: Rng>(&self, rng: &mut R, town: u32) -> u32 {
        popular(rng, &self.towns[town as usize])
    }

    /// A random online shop. Popular shops have higher probabilities.
    pub(crate) fn online_terminal<R: Rng>(&self, rng: &mut R) -> u32 {
        popular(rng, &self.online)
    }
}

impl Terminal {
    fn new<R: Rng>(rng: &mut R, category: usize, country: &'static str) -> Terminal {
        Terminal {
            category: category as u8,
            price_level: log_normal(rng, 1.0, 0.3) as f32,
            country,
        }
    }
}

fn popular<R: Rng>(rng: &mut R, range: &Range<u32>) -> u32 {
    range.start + popular_index(rng, range.len()) as u32
}

/// The country of a town. One town in four is abroad, among them the second.
fn town_country(index: usize) -> &'static str {
    match index % 4 {
        1 => ABROAD[index / 4 % ABROAD.len()],
        _ => HOME,
    }
}

/// Divides terminals among at least two towns. The sizes of towns decrease as a power law.
fn lay_out_towns(terminals: Range<u32>) -> Vec<Range<u32>> {
    let count = (terminals.len() as u32 / TERMINALS_PER_TOWN).max(2);
    let weight = |index: u32| f64::from(index + 1).powf(-0.6);
    let total: f64 = (0..count).map(weight).sum();
    // Each town gets one terminal, and a share of the rest.
    let spare = f64::from(terminals.len() as u32 - count);
    let mut towns = Vec::with_capacity(count as usize);
    let mut start = terminals.start;
    let mut cumulated = 0.0;
    for index in 0..count {
        cumulated += weight(index) / total;
        let end = match index + 1 == count {
            true => terminals.end,
            false => terminals.start + index + 1 + (spare * cumulated) as u32,
        };
        towns.push(start..end);
        start = end;
    }
    towns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn towns_share_all_terminals_and_none_is_empty() {
        for terminals in [10, 11, 100, 121, 4_000, 100_000] {
            let config = SimulatorConfig {
                terminals,
                ..SimulatorConfig::default()
            };
            let world = World::new(&config);
            assert_eq!(world.terminals.len(), terminals as usize);
            let mut next = world.online.end;
            for town in &world.towns {
                assert_eq!(town.start, next);
                assert!(!town.is_empty(), "{terminals} terminals: {:?}", world.towns);
                next = town.end;
            }
            assert_eq!(next, terminals);
            assert!(world.towns.len() >= 2);
        }
    }

    #[test]
    fn a_town_can_be_found_by_each_of_its_terminals() {
        let world = World::new(&SimulatorConfig {
            terminals: 300,
            ..SimulatorConfig::default()
        });
        let mut rng = stream(1, Purpose::World, 1, 0);
        for _ in 0..1_000 {
            let town = world.town(&mut rng);
            let terminal = world.terminal_in_town(&mut rng, town);
            assert!(!world.is_online(terminal));
            assert_eq!(world.terminal(terminal).country, town_country(town as usize));
            let online = world.online_terminal(&mut rng);
            assert!(world.is_online(online));
        }
    }
}
