//! How fraud is planted among honest payments.

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

/// Payments that a thief attempts with one card.
const THEFT_PAYMENTS: RangeInclusive<u32> = 3..=12;
/// Days for which a terminal stays manipulated.
const COMPROMISE_DAYS: RangeInclusive<i64> = 14..=28;
/// The share of cards used at a manipulated terminal that are charged again.
const COMPROMISE_SHARE: RangeInclusive<f64> = 0.6..=0.95;

/// Terminals that are manipulated now, and how often new fraud begins.
pub(crate) struct Fraudsters {
    seed: u64,
    thefts_per_day: f64,
    compromises_per_day: f64,
    outliers_per_payment: f64,
    /// For each terminal, how attractive it and all terminals before it are to manipulate.
    cumulated_appeal: Vec<f64>,
    /// For each terminal, until when it is manipulated and the share of cards it charges again.
    compromises: Vec<Compromise>,
}

#[derive(Clone, Copy)]
struct Compromise {
    end_day: i64,
    share: f64,
}

impl Fraudsters {
    /// Fraud that comes to the given shares of all payments, of which each terminal sees `traffic` a day. Terminals
    /// that were manipulated before the first day still are.
    pub(crate) fn new(seed: u64, shares: &FraudShares, traffic: &[f64], first_day: i64) -> Self {
        let payments_per_day: f64 = traffic.iter().sum();
        let mean_burst = f64::from(THEFT_PAYMENTS.start() + THEFT_PAYMENTS.end()) / 2.0;
        let mean_days = (COMPROMISE_DAYS.start() + COMPROMISE_DAYS.end()) as f64 / 2.0;
        let mean_share = (COMPROMISE_SHARE.start() + COMPROMISE_SHARE.end()) / 2.0;
        // Busy terminals are more worth the trouble, but better watched.
        let appeal = || traffic.iter().map(|payments| payments.sqrt());
        // The traffic of a terminal that is chosen in proportion to its appeal.
        let mean_traffic = appeal().zip(traffic).map(|(a, x)| a * x).sum::<f64>() / appeal().sum::<f64>();
        let charges_per_compromise = mean_days * mean_share * mean_traffic;
        let cumulate = |sum: &mut f64, appeal: f64| {
            *sum += appeal;
            Some(*sum)
        };
        let mut fraudsters = Fraudsters {
            seed,
            thefts_per_day: shares.stolen_card * payments_per_day / mean_burst,
            compromises_per_day: shares.compromised_terminal * payments_per_day / charges_per_compromise,
            outliers_per_payment: shares.amount_outlier,
            cumulated_appeal: appeal().scan(0.0, cumulate).collect(),
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

    /// Lets terminals be manipulated from an epoch day on, busy ones rather than others.
    pub(crate) fn compromise_terminals(&mut self, day: i64) {
        let rng = &mut stream(self.seed, Purpose::Compromise, 0, day);
        let total = self.cumulated_appeal.last().copied().unwrap_or(0.0);
        for _ in 0..poisson(rng, self.compromises_per_day) {
            let point = rng.random::<f64>() * total;
            let terminal = self
                .cumulated_appeal
                .partition_point(|sum| *sum <= point)
                .min(self.compromises.len() - 1);
            let end_day = day + rng.random_range(COMPROMISE_DAYS);
            self.compromises[terminal] = Compromise {
                end_day,
                share: rng.random_range(COMPROMISE_SHARE),
            };
        }
    }

    /// Lets cards be stolen on an epoch day, and appends what the thieves will pay, that day and later.
    pub(crate) fn steal_cards(&self, day: i64, customers: &mut [Customer], world: &World, payments: &mut Vec<Payment>) {
        let rng = &mut stream(self.seed, Purpose::Theft, 0, day);
        for _ in 0..poisson(rng, self.thefts_per_day) {
            let index = rng.random_range(0..customers.len());
            let start = day * DAY + rng.random_range(0..DAY);
            let theft = Theft::plan(rng, start, &customers[index], world);
            if customers[index].card.is_sound(day * DAY) {
                theft.carry_out(rng, index as u32, &mut customers[index], world, payments);
            }
        }
    }

    /// What follows from an honest payment: perhaps a second charge by a manipulated terminal, perhaps one payment
    /// far beyond the customer's means. At most three days later.
    pub(crate) fn exploit(
        &self,
        number: u64,
        day: i64,
        honest: &Payment,
        scale: f64,
        world: &World,
        payments: &mut Vec<Payment>,
    ) {
        let rng = &mut stream(self.seed, Purpose::Charge, number, day);
        let compromise = self.compromises[honest.terminal as usize];
        if day < compromise.end_day && rng.random_bool(compromise.share) {
            payments.push(charge_again(rng, honest, world));
        }
        if rng.random_bool(self.outliers_per_payment) {
            payments.push(outlier(rng, honest, scale, world));
        }
    }
}

/// A charge at the terminal of an honest payment, up to three days later.
fn charge_again(rng: &mut ChaCha8Rng, honest: &Payment, world: &World) -> Payment {
    let delay = hours(exponential(rng) * 14.0).clamp(MINUTE, 3 * DAY);
    // Fraudsters stay near what the shop's customers pay.
    let category = world.terminal(honest.terminal).category();
    let usual = category.median * f64::from(world.terminal(honest.terminal).price_level);
    let cents = cents(log_normal(rng, usual * 2.5, category.sigma));
    let channel = channel(rng, world, honest.terminal, cents);
    let fraud = Some(FraudScenario::CompromisedTerminal);
    Payment {
        time: honest.time + delay,
        cents,
        channel,
        fraud,
        ..*honest
    }
}

/// One payment of many times what the customer is used to, within hours of an honest payment.
fn outlier(rng: &mut ChaCha8Rng, honest: &Payment, scale: f64, world: &World) -> Payment {
    let delay = hours(rng.random_range(0.2..20.0));
    let terminal = if rng.random_bool(0.6) {
        world.online_terminal(rng)
    } else {
        honest.terminal
    };
    let cents = cents(log_normal(rng, 800.0 * scale, 0.4));
    let channel = channel(rng, world, terminal, cents);
    Payment {
        time: honest.time + delay,
        terminal,
        cents,
        channel,
        fraud: Some(FraudScenario::AmountOutlier),
        ..*honest
    }
}

/// Payments with a card that is not one's own.
struct Theft {
    start: i64,
    /// Whether the thief has the card itself, or only its number.
    has_card: bool,
    /// Whether the thief pays amounts like the owner's, so as not to be noticed.
    is_careful: bool,
    /// Whether the thief first tries with a tiny amount if the card works.
    tests_first: bool,
    /// The mean time between payments.
    pace: f64,
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
            pace: log_normal(rng, 0.5, 0.9) * HOUR as f64,
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
            time = (time + (self.pace * exponential(rng)) as i64 + MINUTE).min(last_possible);
        }
        let blocked = time + 1;
        let replaced = blocked + rng.random_range(2 * DAY..5 * DAY);
        victim
            .card
            .steal(if self.has_card { self.start } else { blocked }, blocked, replaced);
    }

    /// Somewhere to pay: of a few shops the first whose goods can be sold on, if the thief is not choosy.
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

/// Half of those who pay with a stolen number do so at night, when nobody looks.
fn towards_night(rng: &mut ChaCha8Rng, time: i64) -> i64 {
    if rng.random_bool(0.5) {
        return time;
    }
    time.div_euclid(DAY) * DAY + rng.random_range(0..5 * HOUR)
}

/// How long it takes until a fraud is known, in microseconds: 1 to 14 days, mostly about 7.
pub(crate) fn label_delay(seed: u64, number: u64) -> i64 {
    let rng = &mut stream(seed, Purpose::LabelDelay, number, 0);
    hours((7.0 + 2.5 * normal(rng)).clamp(1.0, 14.0) * 24.0)
}
