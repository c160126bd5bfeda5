//! Customers, their habits, and their genuine payments of a day.

use crate::card::Card;
use crate::payment::{Payment, cents, channel, usual_cents};
use crate::random::{Purpose, log_normal, normal, poisson, stream, weighted_index};
use crate::time::{DAY, HOUR, weekday};
use crate::world::World;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The relative number of payments in each hour of the day, for a customer with usual hours.
const HOUR_WEIGHTS: [f64; 24] = [
    0.3, 0.15, 0.1, 0.1, 0.2, 0.5, 1.5, 3.5, 5.0, 5.0, 5.5, 6.0, 7.5, 6.5, 5.5, 5.5, 6.5, 8.0, 8.5, 7.5, 6.0, 4.0, 2.0,
    0.8,
];
/// The payments on Monday to Sunday relative to the daily mean. Their mean is 1.
const WEEKDAY_FACTORS: [f64; 7] = [0.90, 0.92, 0.94, 1.00, 1.18, 1.22, 0.84];

/// The probability per day that a customer who travels starts a trip.
const TRIP_PROBABILITY: f64 = 0.02;
/// The number of payments on a trip relative to that at home.
const TRIP_FACTOR: f64 = 1.8;
/// The probability of a shopping spree per day and daily payment, and of a purchase far above the usual per payment.
const SPREE_PROBABILITY: f64 = 0.003;
const BIG_PURCHASE_PROBABILITY: f64 = 0.003;

/// A customer: fixed habits, and a state that changes from day to day.
pub(crate) struct Customer {
    home: u32,
    payments_per_day: f32,
    /// The amounts of this customer relative to the usual ones.
    pub(crate) scale: f32,
    online_share: f32,
    /// The share of payments at terminals that are not among the habitual ones.
    exploration_share: f32,
    /// The shift of the customer's payments from the usual hours, in hours.
    hour_shift: f32,
    /// The payments on weekends relative to those of other customers.
    weekend_factor: f32,
    travels: bool,
    nearby: [u32; 12],
    online: [u32; 4],
    pub(crate) card: Card,
    trip: Option<Trip>,
}

struct Trip {
    town: u32,
    last_day: i64,
}

impl Customer {
    pub(crate) fn new(seed: u64, index: u32, world: &World) -> Customer {
        let rng = &mut stream(seed, Purpose::Profile, u64::from(index), 0);
        let home = world.home_town(rng);
        let is_night_owl = rng.random_bool(0.05);
        Customer {
            home,
            payments_per_day: log_normal(rng, 1.45, 0.65).clamp(0.1, 9.0) as f32,
            scale: log_normal(rng, 1.0, 0.35) as f32,
            online_share: log_normal(rng, 0.16, 0.7).clamp(0.01, 0.8) as f32,
            exploration_share: rng.random_range(0.05..0.30),
            hour_shift: (0.8 * normal(rng) + if is_night_owl { 4.5 } else { 0.0 }) as f32,
            weekend_factor: log_normal(rng, 1.0, 0.25) as f32,
            travels: rng.random_bool(0.6),
            nearby: std::array::from_fn(|_| world.terminal_in_town(rng, home)),
            online: std::array::from_fn(|_| world.online_terminal(rng)),
            card: Card::first(),
            trip: None,
        }
    }

    /// The expected number of payments a day at home.
    pub(crate) fn payments_per_day(&self) -> f64 {
        f64::from(self.payments_per_day)
    }

    /// Adds the expected habitual payments a day at each terminal to `traffic`. The others are spread evenly over all.
    pub(crate) fn add_traffic(&self, traffic: &mut [f64]) {
        let (online, exploring) = (f64::from(self.online_share), f64::from(self.exploration_share));
        let habitual = self.payments_per_day() * (1.0 - exploring);
        for terminal in self.nearby {
            traffic[terminal as usize] += habitual * (1.0 - online) / self.nearby.len() as f64;
        }
        for terminal in self.online {
            traffic[terminal as usize] += habitual * online / self.online.len() as f64;
        }
    }

    /// The expected number of payments a day at terminals that are not habitual.
    pub(crate) fn exploring_payments_per_day(&self) -> f64 {
        self.payments_per_day() * f64::from(self.exploration_share)
    }

    /// The town in which the customer is.
    pub(crate) fn town(&self) -> u32 {
        self.trip.as_ref().map_or(self.home, |trip| trip.town)
    }

    /// Appends the customer's payments on an epoch day, except those for which there is no usable card.
    pub(crate) fn pay(&mut self, seed: u64, index: u32, day: i64, world: &World, payments: &mut Vec<Payment>) {
        let rng = &mut stream(seed, Purpose::GenuineDay, u64::from(index), day);
        self.start_or_end_trip(rng, day, world);
        for _ in 0..poisson(rng, self.expected_payments(day)) {
            let time = self.time_of_payment(rng, day);
            let terminal = self.choose_terminal(rng, world);
            let factor = if rng.random_bool(BIG_PURCHASE_PROBABILITY) {
                log_normal(rng, 4.5, 0.5)
            } else {
                1.0
            };
            self.pay_at(rng, index, time, terminal, factor, world, payments);
        }
        if rng.random_bool((SPREE_PROBABILITY * self.payments_per_day()).min(0.1)) {
            self.go_on_a_spree(rng, index, day, world, payments);
        }
    }

    fn start_or_end_trip(&mut self, rng: &mut ChaCha8Rng, day: i64, world: &World) {
        if self.trip.as_ref().is_some_and(|trip| trip.last_day < day) {
            self.trip = None;
        }
        if self.trip.is_none() && self.travels && rng.random_bool(TRIP_PROBABILITY) {
            self.trip = Some(Trip {
                town: world.town(rng),
                last_day: day + rng.random_range(1..12),
            });
        }
    }

    fn expected_payments(&self, day: i64) -> f64 {
        let weekday = weekday(day);
        let weekend = if weekday >= 5 {
            f64::from(self.weekend_factor)
        } else {
            1.0
        };
        let travel = if self.trip.is_some() { TRIP_FACTOR } else { 1.0 };
        self.payments_per_day() * WEEKDAY_FACTORS[weekday] * weekend * travel
    }

    /// A time on the day at the customer's usual hours. A time past midnight wraps around to the start of the same day.
    fn time_of_payment(&self, rng: &mut ChaCha8Rng, day: i64) -> i64 {
        let hour = weighted_index(rng, HOUR_WEIGHTS.iter().copied()) as i64;
        let within = hour * HOUR + rng.random_range(0..HOUR);
        let shifted = within + crate::time::hours(f64::from(self.hour_shift));
        day * DAY + shifted.rem_euclid(DAY)
    }

    fn choose_terminal(&self, rng: &mut ChaCha8Rng, world: &World) -> u32 {
        let is_online = rng.random_bool(f64::from(self.online_share));
        let explores = rng.random_bool(f64::from(self.exploration_share));
        match (is_online, explores || self.trip.is_some()) {
            (true, false) => self.online[rng.random_range(0..self.online.len())],
            (true, true) => world.online_terminal(rng),
            (false, false) => self.nearby[rng.random_range(0..self.nearby.len())],
            (false, true) => world.terminal_in_town(rng, self.town()),
        }
    }

    /// Several larger payments within hours, all online or all in the town where the customer is.
    fn go_on_a_spree(&self, rng: &mut ChaCha8Rng, index: u32, day: i64, world: &World, payments: &mut Vec<Payment>) {
        let is_online = rng.random_bool(0.5);
        let mut time = self.time_of_payment(rng, day);
        for _ in 0..rng.random_range(3..8) {
            let terminal = if is_online {
                world.online_terminal(rng)
            } else {
                world.terminal_in_town(rng, self.town())
            };
            let factor = log_normal(rng, 1.5, 0.4);
            self.pay_at(rng, index, time, terminal, factor, world, payments);
            time += rng.random_range(HOUR / 30..HOUR);
            if time >= (day + 1) * DAY {
                break;
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a payment")]
    fn pay_at(
        &self,
        rng: &mut ChaCha8Rng,
        customer: u32,
        time: i64,
        terminal: u32,
        factor: f64,
        world: &World,
        payments: &mut Vec<Payment>,
    ) {
        let cents = cents(usual_cents(rng, world, terminal, f64::from(self.scale)) as f64 / 100.0 * factor);
        let channel = channel(rng, world, terminal, cents);
        if let Some(generation) = self.card.held_by_owner(time) {
            payments.push(Payment {
                time,
                customer,
                generation,
                terminal,
                cents,
                channel,
                fraud: None,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekday_factors_keep_the_daily_mean() {
        assert!((WEEKDAY_FACTORS.iter().sum::<f64>() / 7.0 - 1.0).abs() < 1e-12);
    }
}
