//! The stream of events, made a day at a time.

use crate::config::{ConfigError, SimulatorConfig};
use crate::customer::Customer;
use crate::event::{Label, SimulatedEvent, Transaction};
use crate::fraud::{Fraudsters, label_delay};
use crate::payment::{Payment, customer_id, terminal_id, transaction_id};
use crate::time::DAY;
use crate::world::World;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

/// After how long a payment that nobody disputed counts as genuine.
const GENUINE_AFTER: i64 = 7 * DAY;

/// A source of transactions and labels: an iterator in event-time order, a label before a
/// transaction of the same time. Every transaction gets exactly one label; after the last transaction the
/// labels that are still due follow.
///
/// Holds the customers, the terminals, one day's payments, what fraudsters plan for the next few days, and the labels
/// of at most 14 days: memory does not grow with the number of days.
pub struct Simulator {
    config: SimulatorConfig,
    world: World,
    customers: Vec<Customer>,
    fraudsters: Fraudsters,
    /// The epoch day that is made next.
    next_day: i64,
    last_day: i64,
    /// The rest of the current day's payments, in order.
    today: std::vec::IntoIter<Payment>,
    /// Fraudulent payments of later days.
    planned: BTreeMap<i64, Vec<Payment>>,
    /// The labels of genuine payments in order, since all take equally long.
    genuine: VecDeque<PendingLabel>,
    /// The labels of fraudulent payments, the first one on top.
    fraudulent: BinaryHeap<Reverse<PendingLabel>>,
    /// The number of the next transaction.
    number: u64,
}

/// A label that is not yet known. Ordered by when it will be, then by its transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PendingLabel {
    known_at: i64,
    number: u64,
    customer: u32,
    terminal: u32,
    fraud: bool,
}

impl Simulator {
    /// Makes the world of a configuration, in time and memory proportional to its customers and terminals.
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

    /// About how many transactions will come in all; right to some per cent. For displays of progress.
    pub fn expected_transactions(&self) -> u64 {
        let payments_per_day: f64 = self.customers.iter().map(Customer::payments_per_day).sum();
        (payments_per_day * f64::from(self.config.days)) as u64
    }

    /// Makes days until there are payments or no days left.
    fn refill(&mut self) {
        while self.today.as_slice().is_empty() && self.next_day <= self.last_day {
            let day = self.next_day;
            self.next_day += 1;
            self.make_day(day);
        }
    }

    fn make_day(&mut self, day: i64) {
        self.fraudsters.compromise_terminals(day);
        let mut planned = Vec::new();
        // Thieves come first: a customer whose card is gone does not pay later that day.
        self.fraudsters
            .steal_cards(day, &mut self.customers, &self.world, &mut planned);
        let mut payments = Vec::new();
        for (index, customer) in (0..).zip(&mut self.customers) {
            customer.pay(self.config.seed, index, day, &self.world, &mut payments);
        }
        for (number, honest) in (0..).zip(&payments) {
            let scale = f64::from(self.customers[honest.customer as usize].scale);
            self.fraudsters
                .exploit(number, day, honest, scale, &self.world, &mut planned);
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
        payments.sort_by_key(Payment::order);
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
            GENUINE_AFTER
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

    /// The label that becomes known first, unless it is later than `time`.
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

/// The payments a day that each terminal can expect.
fn expected_traffic(customers: &[Customer], terminals: u32) -> Vec<f64> {
    let curious: f64 = customers.iter().map(Customer::curious_payments_per_day).sum();
    let mut traffic = vec![curious / f64::from(terminals); terminals as usize];
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
