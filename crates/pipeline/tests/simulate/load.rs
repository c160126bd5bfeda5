//! The load: payments and labels of a few entities, late, doubled, in bursts, and what cannot be decoded.

use crate::random::Random;
use crate::scenario::{Mode, Scenario};
use crate::table::ROWS;
use riskstream_events::ValueType;
use std::fmt::Write as _;

/// Microseconds.
pub const SECOND: i64 = 1_000_000;

/// When events begin, in seconds since the epoch.
pub const BEGIN: i64 = 1_750_000_000;

/// Seconds by which an event is late at most.
pub const MOST_LATE: i64 = 150;

/// A field besides time, id and keys.
pub struct LoadField {
    pub name: &'static str,
    pub value_type: ValueType,
}

pub const FIELDS: [LoadField; 4] = [
    LoadField {
        name: "amount",
        value_type: ValueType::Float,
    },
    LoadField {
        name: "items",
        value_type: ValueType::Int,
    },
    LoadField {
        name: "shop",
        value_type: ValueType::Text,
    },
    LoadField {
        name: "abroad",
        value_type: ValueType::Bool,
    },
];

/// A record of an input.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// 0: the transactions, 1: the labels, 2: the rows of the table.
    pub input: u8,
    /// The part of the load that it belongs to.
    pub part: usize,
    /// The number in its id.
    pub id: usize,
    /// Milliseconds since the epoch.
    pub time: i64,
    /// How far event time was when it was sent, in seconds since the epoch: no later record has an event time `MOST_LATE` before.
    pub sent_at: i64,
    /// A key for each entity.
    pub keys: Vec<u8>,
    pub amount: Option<i32>,
    pub items: Option<i8>,
    pub shop: Option<u8>,
    pub truth: bool,
    /// It cannot be decoded.
    pub is_damaged: bool,
    /// It has no value, and deletes a row.
    pub is_deletion: bool,
}

impl Sent {
    pub fn amount(&self) -> Option<f64> {
        self.amount.map(|amount| f64::from(amount) / 1e4)
    }

    pub fn shop(&self) -> Option<String> {
        let names = ["", "corner", "a name that does not fit twenty-four bytes"];
        let name = |shop: u8| format!("{}{}", names[usize::from(shop % 3)], shop / 3);
        self.shop.map(name)
    }

    /// The text of an entity's key.
    pub fn key(&self, entity: usize) -> String {
        format!("{}{}", ["card ", "t", "m\u{e9}", ""][entity], self.keys[entity])
    }

    pub fn event_id(&self) -> String {
        format!("id{}", self.id)
    }

    pub fn json(&self) -> Vec<u8> {
        match self.is_damaged {
            true if self.id.is_multiple_of(2) => return b"{\"id\": ".to_vec(),
            true => return format!("{{\"time\":{}}}", self.time).into_bytes(),
            false => {}
        }
        let mut json = format!("{{\"id\":\"{}\",\"time\":{}", self.event_id(), self.time);
        for entity in 0..self.keys.len() {
            write!(json, ",\"e{entity}\":\"{}\"", self.key(entity)).expect("a string");
        }
        if let Some(amount) = self.amount() {
            write!(json, ",\"amount\":{amount:?}").expect("a string");
        }
        if let Some(items) = self.items {
            write!(json, ",\"items\":{items}").expect("a string");
        }
        if let Some(shop) = self.shop() {
            write!(json, ",\"shop\":\"{shop}\"").expect("a string");
        }
        write!(json, ",\"abroad\":{0},\"fraud\":{0}}}", self.truth).expect("a string");
        json.into_bytes()
    }

    /// The key of the record in Kafka.
    pub fn record_key(&self, scenario: &Scenario) -> String {
        match (self.input, scenario.table) {
            (ROWS, Some(table)) => self.key(table.entity),
            (0, _) if scenario.is_keyed => self.key(0),
            // A few partitions get most of the records.
            _ => format!("{}", self.id % 5),
        }
    }
}

/// The records in the order in which they are sent, and how many parts they come in.
pub fn draw(random: &mut Random, mode: Mode, entities: usize, has_labels: bool) -> (Vec<Sent>, usize) {
    let count = random.choose(&[5, 20, 40, 80, 150]);
    let parts = random.within(1, 6) as usize;
    let keys = random.choose(&[1, 3, 10]);
    let lateness = random.choose(&[0, 10, 30]);
    let (mut now, mut part, mut began) = (BEGIN, 0, BEGIN);
    let mut sent: Vec<Sent> = Vec::new();
    for id in 0..count {
        if id * parts / count > part {
            part += 1;
            now += 1;
            began = now;
        }
        now += match random.below(25) {
            0 => random.within(0, 300),
            _ => random.within(0, 4),
        };
        // What is doubled or late in history belongs to its part: see the module of the oracle.
        let oldest = match mode {
            Mode::History => began.max(now - MOST_LATE),
            _ => now - MOST_LATE,
        };
        let event = match random.below(20) {
            0 | 1 if !sent.is_empty() => double(random, &sent, oldest),
            2..8 if has_labels && !sent.is_empty() => {
                let label = label(random, &sent, now, id);
                // Which of two labels of a payment is the double may depend on what is idle: see the module of the oracle.
                let id = if mode == Mode::History { id } else { label.id };
                Some(Sent { id, ..label })
            }
            _ => None,
        };
        let event = event.unwrap_or_else(|| {
            let late = if random.percent(lateness) {
                random.within(0, 149)
            } else {
                0
            };
            payment(random, id, (now - late).max(oldest), entities, keys)
        });
        sent.push(Sent {
            part,
            sent_at: now,
            ..event
        });
    }
    (sent, parts)
}

fn double(random: &mut Random, sent: &[Sent], oldest: i64) -> Option<Sent> {
    let earlier = &sent[sent.len() - random.below(sent.len().min(20)) - 1];
    let may_be = earlier.input == 0 && !earlier.is_damaged && earlier.time >= oldest * 1000;
    may_be.then(|| earlier.clone())
}

fn payment(random: &mut Random, id: usize, second: i64, entities: usize, keys: usize) -> Sent {
    let key = |random: &mut Random| match random.below(3) {
        0 => random.below(keys) as u8,
        _ => 0,
    };
    Sent {
        input: 0,
        part: 0,
        id,
        time: second * 1000,
        sent_at: 0,
        keys: (0..entities).map(|_| key(random)).collect(),
        amount: random.percent(90).then(|| random.within(-2_000_000, 20_000_000) as i32),
        items: random.percent(90).then(|| random.within(-3, 3) as i8),
        shop: random.percent(90).then(|| random.below(6) as u8),
        truth: random.percent(50),
        is_damaged: random.percent(2),
        is_deletion: false,
    }
}

/// The label of an earlier payment. No two labels have the same time.
fn label(random: &mut Random, sent: &[Sent], now: i64, number: usize) -> Sent {
    let payment = &sent[random.below(sent.len())];
    Sent {
        input: 1,
        time: now * 1000 + 1 + number as i64,
        truth: random.percent(50),
        is_damaged: false,
        ..payment.clone()
    }
}
