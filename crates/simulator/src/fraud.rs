//! Simulated fraud.

use crate::config::FraudShares;
use crate::customer::Customer;
use crate::event::FraudScenario;
use crate::payment::{Payment, cents, channel, usual_cents};
use crate::random::{Purpose, exponential, log_normal, normal, poisson, stream};
use crate::time::{DAY, HOUR, MINUTE, hours};
use crate::world::World;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::ops::RangeInclusive;

/// The number of payments that a thief attempts with one card.
const THEFT_PAYMENTS: RangeInclusive<u32> = 3..=12;
/// The number of days for which a terminal is manipulated.
const COMPROMISE_DAYS: RangeInclusive<i64> = 14..=28;
/// The share of cards used at a manipulated terminal that are charged again.
const COMPROMISE_SHARE: RangeInclusive<f64> = 0.6..=0.95;

/// The terminals that are manipulated, and the rates of new fraud.
pub(crate) struct Fraudsters {
    seed: u64,
    thefts_per_day: f64,
    compromises_per_day: f64,
    outliers_per_payment: f64,
    /// For each terminal the sum of the weights up to it; terminals are manipulated with probabilities in proportion
    /// to their weights.
    cumulated_weights: Vec<f64>,
    /// For each terminal the end of its manipulation, and the share of cards that it charges again.
    compromises: Vec<Compromise>,
}

#[derive(Clone, Copy)]
struct Compromise {
    end_day: i64,
    share: f64,
}

impl Fraudsters {
    /// Fraud with these expected shares of all payments. `traffic` is the expected number of payments a day at each
    /// terminal. On the first day some terminals are already manipulated.
    pub(crate) fn new(seed: u64, shares: &FraudShares, traffic: &[f64], first_day: i64) -> Self {
        let payments_per_day: f64 = traffic.iter().sum();
        let mean_burst = f64::from(THEFT_PAYMENTS.start() + THEFT_PAYMENTS.end()) / 2.0;
        let mean_days = (COMPROMISE_DAYS.start() + COMPROMISE_DAYS.end()) as f64 / 2.0;
        let mean_share = (COMPROMISE_SHARE.start() + COMPROMISE_SHARE.end()) / 2.0;
        // Busy terminals are more profitable to manipulate, but better monitored.
        let weights = || traffic.iter().map(|payments| payments.sqrt());
        // The expected traffic of a terminal that is manipulated.
        let mean_traffic = weights().zip(traffic).map(|(a, x)| a * x).sum::<f64>() / weights().sum::<f64>();
        let charges_per_compromise = mean_days * mean_share * mean_traffic;
        let cumulate = |sum: &mut f64, weight: f64| {
            *sum += weight;
            Some(*sum)
        };
        let mut fraudsters = Fraudsters {
            seed,
            thefts_per_day: shares.stolen_card * payments_per_day / mean_burst,
            compromises_per_day: shares.compromised_terminal * payments_per_day / charges_per_compromise,
            outliers_per_payment: shares.amount_outlier,
            cumulated_weights: weights().scan(0.0, cumulate).collect(),
            compromises: vec![
                Compromise {
                    end_day: i64::MIN,
                    share: 0.0
                };
                traffic.len()
            ],
        };
        for day in first_day - COMPROMISE_DAYS.end()..first_day {
            fraudsters.compromise_terminals(day);
        }
        fraudsters
    }

    /// Starts manipulations of terminals on an epoch day. Busy terminals have higher probabilities.
    pub(crate) fn compromise_terminals(&mut self, day: i64) {
        let rng = &mut stream(self.seed, Purpose::Compromise, 0, day);
        let total = self.cumulated_weights.last().copied().unwrap_or(0.0);
        for _ in 0..poisson(rng, self.compromises_per_day) {
            let point = rng.random::<f64>() * total;
            let terminal = self
                .cumulated_weights
                .partition_point(|sum| *sum <= point)
                .min(self.compromises.len() - 1);
            let end_day = day + rng.random_range(COMPROMISE_DAYS);
            self.compromises[terminal] = Compromise {
                end_day,
                share: rng.random_range(COMPROMISE_SHARE),
            };
        }
    }

    /// Steals cards on an epoch day, and appends the payments of the thieves, that day and later.
    pub(crate) fn steal_cards(&self, day: i64, customers: &mut [Customer], world: &World, payments: &mut Vec<Payment>) {
        let rng = &mut stream(self.seed, Purpose::Theft, 0, day);
        for _ in 0..poisson(rng, self.thefts_per_day) {
            let index = rng.random_range(0..customers.len());
            let start = day * DAY + rng.random_range(0..DAY);
            let theft = Theft::plan(rng, start, &customers[index], world);
            if customers[index].card.can_be_stolen(day * DAY) {
                theft.carry_out(rng, index as u32, &mut customers[index], world, payments);
            }
        }
    }

    /// Appends the fraud that follows a genuine payment within three days: a second charge by a manipulated terminal,
    /// or one payment far above the customer's usual amounts.
    pub(crate) fn follow_up(
        &self,
        number: u64,
        day: i64,
        genuine: &Payment,
        scale: f64,
        world: &World,
        payments: &mut Vec<Payment>,
    ) {
        let rng = &mut stream(self.seed, Purpose::Charge, number, day);
        let compromise = self.compromises[genuine.terminal as usize];
        if day < compromise.end_day && rng.random_bool(compromise.share) {
            payments.push(charge_again(rng, genuine, world));
        }
        if rng.random_bool(self.outliers_per_payment) {
            payments.push(outlier(rng, genuine, scale, world));
        }
    }
}

/// A second charge at the terminal of a genuine payment, up to three days later.
fn charge_again(rng: &mut ChaCha8Rng, genuine: &Payment, world: &World) -> Payment {
    let delay = hours(exponential(rng) * 14.0).clamp(MINUTE, 3 * DAY);
    // The amount is close to the usual ones at the terminal.
    let category = world.terminal(genuine.terminal).category();
    let usual = category.median * f64::from(world.terminal(genuine.terminal).price_level);
    let cents = cents(log_normal(rng, usual * 2.5, category.sigma));
    let channel = channel(rng, world, genuine.terminal, cents);
    let fraud = Some(FraudScenario::CompromisedTerminal);
    Payment {
        time: genuine.time + delay,
        cents,
        channel,
        fraud,
        ..*genuine
    }
}

/// A payment of many times the customer's usual amounts, within hours of a genuine payment.
fn outlier(rng: &mut ChaCha8Rng, genuine: &Payment, scale: f64, world: &World) -> Payment {
    let delay = hours(rng.random_range(0.2..20.0));
    let terminal = if rng.random_bool(0.6) {
        world.online_terminal(rng)
    } else {
        genuine.terminal
    };
    let cents = cents(log_normal(rng, 800.0 * scale, 0.4));
    let channel = channel(rng, world, terminal, cents);
    Payment {
        time: genuine.time + delay,
        terminal,
        cents,
        channel,
        fraud: Some(FraudScenario::AmountOutlier),
        ..*genuine
    }
}

/// A thief's payments with a stolen card or its number.
struct Theft {
    start: i64,
    /// Whether the thief has the card itself instead of only its number.
    has_card: bool,
    /// Whether the thief pays amounts like the owner's, to avoid detection.
    is_careful: bool,
    /// Whether the thief first tests the card with a small amount.
    tests_first: bool,
    /// The mean time between payments, in microseconds.
    mean_interval: f64,
    town: u32,
}

impl Theft {
    fn plan(rng: &mut ChaCha8Rng, start: i64, victim: &Customer, world: &World) -> Theft {
        let has_card = rng.random_bool(0.35);
        let is_far_away = rng.random_bool(0.5);
        Theft {
            start: if has_card { start } else { towards_night(rng, start) },
            has_card,
            is_careful: rng.random_bool(0.12),
            tests_first: rng.random_bool(0.3),
            mean_interval: log_normal(rng, 0.5, 0.9) * HOUR as f64,
            town: if is_far_away { world.town(rng) } else { victim.town() },
        }
    }

    fn carry_out(
        &self,
        rng: &mut ChaCha8Rng,
        customer: u32,
        victim: &mut Customer,
        world: &World,
        payments: &mut Vec<Payment>,
    ) {
        let Some(generation) = victim.card.accepted(self.start) else {
            return;
        };
        let scale = f64::from(victim.scale);
        let mut time = self.start;
        let last_possible = self.start + 4 * DAY;
        for attempt in 0..rng.random_range(THEFT_PAYMENTS) {
            let is_test = attempt == 0 && self.tests_first;
            let terminal = self.choose_terminal(rng, world);
            let cents = self.choose_cents(rng, is_test, terminal, scale, world);
            let channel = channel(rng, world, terminal, cents);
            let fraud = Some(FraudScenario::StolenCard);
            payments.push(Payment {
                time,
                customer,
                generation,
                terminal,
                cents,
                channel,
                fraud,
            });
            time = (time + (self.mean_interval * exponential(rng)) as i64 + MINUTE).min(last_possible);
        }
        let blocked = time + 1;
        let replaced = blocked + rng.random_range(2 * DAY..5 * DAY);
        victim
            .card
            .steal(if self.has_card { self.start } else { blocked }, blocked, replaced);
    }

    /// A terminal to pay at. A thief who is not careful prefers shops with goods that can be resold.
    fn choose_terminal(&self, rng: &mut ChaCha8Rng, world: &World) -> u32 {
        let pays_online = !self.has_card || rng.random_bool(0.25);
        let mut choose = || {
            if pays_online {
                world.online_terminal(rng)
            } else {
                world.terminal_in_town(rng, self.town)
            }
        };
        let (first, second, third) = (choose(), choose(), choose());
        let is_resellable = |terminal: &u32| world.terminal(*terminal).category().resellable;
        if self.is_careful {
            return first;
        }
        [first, second, third].into_iter().find(is_resellable).unwrap_or(first)
    }

    fn choose_cents(&self, rng: &mut ChaCha8Rng, is_test: bool, terminal: u32, scale: f64, world: &World) -> i64 {
        if is_test {
            cents(rng.random_range(0.5..3.0))
        } else if self.is_careful {
            usual_cents(rng, world, terminal, scale * 1.2)
        } else {
            cents(log_normal(rng, 260.0, 0.7))
        }
    }
}

/// Moves half of the times to the night. Half of the payments with stolen numbers are made at night.
fn towards_night(rng: &mut ChaCha8Rng, time: i64) -> i64 {
    if rng.random_bool(0.5) {
        return time;
    }
    time.div_euclid(DAY) * DAY + rng.random_range(0..5 * HOUR)
}

/// The time from a fraudulent payment to its label, in microseconds: 1 to 14 days, usually about 7.
pub(crate) fn label_delay(seed: u64, number: u64) -> i64 {
    let rng = &mut stream(seed, Purpose::LabelDelay, number, 0);
    hours((7.0 + 2.5 * normal(rng)).clamp(1.0, 14.0) * 24.0)
}
