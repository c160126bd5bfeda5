//! The stream of events, generated one day at a time.

use crate::config::{ConfigError, SimulatorConfig};
use crate::customer::Customer;
use crate::event::{Label, SimulatedEvent, Transaction};
use crate::fraud::{Fraudsters, label_delay};
use crate::payment::{Payment, customer_id, terminal_id, transaction_id};
use crate::time::DAY;
use crate::world::World;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

/// The time from a genuine payment to its label.
const GENUINE_LABEL_DELAY: i64 = 7 * DAY;

/// An iterator over transactions and labels in event-time order; a label comes before a transaction of the same time.
/// Every transaction has exactly one label. Labels that are due after the last transaction follow it.
///
/// It holds the customers, the terminals, the payments of one day, the fraud planned for the next few days, and the
/// labels of at most 14 days. Its memory does not depend on the number of days.
pub struct Simulator {
    config: SimulatorConfig,
    world: World,
    customers: Vec<Customer>,
    fraudsters: Fraudsters,
    /// The epoch day that is generated next.
    next_day: i64,
    last_day: i64,
    /// The remaining payments of the current day, in order.
    today: std::vec::IntoIter<Payment>,
    /// Fraudulent payments of later days.
    planned: BTreeMap<i64, Vec<Payment>>,
    /// Pending labels of genuine payments. They are in order, because all have the same delay.
    genuine: VecDeque<PendingLabel>,
    /// Pending labels of fraudulent payments, the earliest on top.
    fraudulent: BinaryHeap<Reverse<PendingLabel>>,
    /// The number of the next transaction.
    number: u64,
}

/// A label that is not yet known. Ordered by the time at which it becomes known, then by its transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PendingLabel {
    known_at: i64,
    number: u64,
    customer: u32,
    terminal: u32,
    fraud: bool,
}

impl Simulator {
    /// Generates customers and terminals. Time and memory are proportional to their numbers.
    ///
    /// # Errors
    /// When the configuration cannot be simulated.
    pub fn new(config: SimulatorConfig) -> Result<Simulator, ConfigError> {
        config.check()?;
        let world = World::new(&config);
        let customers: Vec<Customer> = (0..config.customers)
            .map(|index| Customer::new(config.seed, index, &world))
            .collect();
        let traffic = expected_traffic(&customers, config.terminals);
        let first_day = config.first_day();
        let fraudsters = Fraudsters::new(config.seed, &config.fraud, &traffic, first_day);
        Ok(Simulator {
            next_day: first_day,
            last_day: first_day + i64::from(config.days) - 1,
            config,
            world,
            customers,
            fraudsters,
            today: Vec::new().into_iter(),
            planned: BTreeMap::new(),
            genuine: VecDeque::new(),
            fraudulent: BinaryHeap::new(),
            number: 0,
        })
    }

    /// The expected number of all transactions, with an error of some per cent, for progress bars.
    pub fn expected_transactions(&self) -> u64 {
        let payments_per_day: f64 = self.customers.iter().map(Customer::payments_per_day).sum();
        (payments_per_day * f64::from(self.config.days)) as u64
    }

    /// Generates days until there are payments or no days are left.
    fn refill(&mut self) {
        while self.today.as_slice().is_empty() && self.next_day <= self.last_day {
            let day = self.next_day;
            self.next_day += 1;
            self.generate_day(day);
        }
    }

    fn generate_day(&mut self, day: i64) {
        self.fraudsters.compromise_terminals(day);
        let mut planned = Vec::new();
        // Thefts are generated first, because a customer whose card was stolen does not pay later that day.
        self.fraudsters
            .steal_cards(day, &mut self.customers, &self.world, &mut planned);
        let mut payments = Vec::new();
        for (index, customer) in (0..).zip(&mut self.customers) {
            customer.pay(self.config.seed, index, day, &self.world, &mut payments);
        }
        for (number, payment) in (0..).zip(&payments) {
            let scale = f64::from(self.customers[payment.customer as usize].scale);
            self.fraudsters
                .follow_up(number, day, payment, scale, &self.world, &mut planned);
        }
        for payment in planned {
            self.planned
                .entry(payment.time.div_euclid(DAY))
                .or_default()
                .push(payment);
        }
        for payment in self.planned.remove(&day).into_iter().flatten() {
            let card = &self.customers[payment.customer as usize].card;
            if card.accepted(payment.time) == Some(payment.generation) {
                payments.push(payment);
            }
        }
        payments.sort_by_key(Payment::sort_key);
        self.today = payments.into_iter();
    }

    fn next_transaction(&mut self) -> Option<Transaction> {
        let payment = self.today.next()?;
        let number = self.number;
        self.number += 1;
        let fraud = payment.fraud.is_some();
        let delay = if fraud {
            label_delay(self.config.seed, number)
        } else {
            GENUINE_LABEL_DELAY
        };
        let known_at = payment.time + delay;
        let label = PendingLabel {
            known_at,
            number,
            customer: payment.customer,
            terminal: payment.terminal,
            fraud,
        };
        match fraud {
            true => self.fraudulent.push(Reverse(label)),
            false => self.genuine.push_back(label),
        }
        Some(payment.into_transaction(&self.world, self.config.seed, number))
    }

    /// Takes the label that becomes known first, if this is not after `time`.
    fn next_label(&mut self, time: i64) -> Option<Label> {
        let genuine = self.genuine.front().copied();
        let fraudulent = self.fraudulent.peek().map(|Reverse(label)| *label);
        let first = genuine.into_iter().chain(fraudulent).min()?;
        if first.known_at > time {
            return None;
        }
        match first.fraud {
            true => drop(self.fraudulent.pop()),
            false => drop(self.genuine.pop_front()),
        }
        Some(Label {
            transaction_id: transaction_id(self.config.seed, first.number),
            customer_id: customer_id(first.customer),
            terminal_id: terminal_id(first.terminal),
            fraud: first.fraud,
            known_at: first.known_at,
        })
    }
}

/// The expected number of payments a day at each terminal.
fn expected_traffic(customers: &[Customer], terminals: u32) -> Vec<f64> {
    let exploring: f64 = customers.iter().map(Customer::exploring_payments_per_day).sum();
    let mut traffic = vec![exploring / f64::from(terminals); terminals as usize];
    for customer in customers {
        customer.add_traffic(&mut traffic);
    }
    traffic
}

impl Iterator for Simulator {
    type Item = SimulatedEvent;

    fn next(&mut self) -> Option<SimulatedEvent> {
        self.refill();
        let time = self.today.as_slice().first().map_or(i64::MAX, |payment| payment.time);
        if let Some(label) = self.next_label(time) {
            return Some(SimulatedEvent::Label(label));
        }
        self.next_transaction().map(SimulatedEvent::Transaction)
    }
}
