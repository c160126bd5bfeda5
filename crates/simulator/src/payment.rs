//! Payments, before they get transaction ids.

use crate::card::card_number;
use crate::event::{FraudScenario, Transaction};
use crate::random::log_normal;
use crate::world::World;
use rand::{Rng, RngExt};

/// Up to this amount, in cents, most payments are contactless.
const CONTACTLESS_LIMIT: i64 = 50_00;

pub(crate) struct Payment {
    pub(crate) time: i64,
    pub(crate) customer: u32,
    /// The number of the customer's card, from 0.
    pub(crate) generation: u32,
    pub(crate) terminal: u32,
    pub(crate) cents: i64,
    pub(crate) channel: &'static str,
    pub(crate) fraud: Option<FraudScenario>,
}

impl Payment {
    /// The sort key of payments: by time, then by customer, terminal and amount, so that the order is unique.
    pub(crate) fn sort_key(&self) -> (i64, u32, u32, i64) {
        (self.time, self.customer, self.terminal, self.cents)
    }

    /// The transaction with the given running number.
    pub(crate) fn into_transaction(self, world: &World, seed: u64, number: u64) -> Transaction {
        let terminal = world.terminal(self.terminal);
        Transaction {
            transaction_id: transaction_id(seed, number),
            customer_id: customer_id(self.customer),
            card_id: card_number(self.customer, self.generation),
            terminal_id: terminal_id(self.terminal),
            merchant_category: terminal.category().name,
            country: terminal.country,
            channel: self.channel,
            amount: self.cents as f64 / 100.0,
            amount_cents: self.cents,
            event_time: self.time,
            fraud: self.fraud,
        }
    }
}

pub(crate) fn transaction_id(seed: u64, number: u64) -> String {
    format!("T{seed:x}-{number:010}")
}

pub(crate) fn customer_id(customer: u32) -> String {
    format!("C{customer:07}")
}

pub(crate) fn terminal_id(terminal: u32) -> String {
    format!("M{terminal:07}")
}

/// The amount of a payment at a terminal, in cents, by a customer with this `scale`.
pub(crate) fn usual_cents<R: Rng>(rng: &mut R, world: &World, terminal: u32, scale: f64) -> i64 {
    let terminal = world.terminal(terminal);
    let category = terminal.category();
    cents(log_normal(
        rng,
        category.median * f64::from(terminal.price_level) * scale,
        category.sigma,
    ))
}

/// Euros as cents, at least 10 cents and at most 25,000 euros.
pub(crate) fn cents(euros: f64) -> i64 {
    (euros * 100.0).round().clamp(10.0, 2_500_000.0) as i64
}

/// The channel of a payment at a terminal: `online`, `contactless` or `chip`.
pub(crate) fn channel<R: Rng>(rng: &mut R, world: &World, terminal: u32, cents: i64) -> &'static str {
    if world.is_online(terminal) {
        "online"
    } else if cents <= CONTACTLESS_LIMIT && rng.random_bool(0.75) {
        "contactless"
    } else {
        "chip"
    }
}
