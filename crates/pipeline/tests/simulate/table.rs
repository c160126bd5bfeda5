//! A table: rows that belong to one of the entities, late ones and deletions among them, and what a payment has to see of them.

use crate::load::{MOST_LATE, SECOND, Sent};
use crate::random::Random;
use crate::scenario::{Entity, Mode};
use riskstream_events::Value;
use std::collections::HashMap;

/// [`Sent::input`] of its records.
pub const ROWS: u8 = 2;

/// The columns, as expressions name them.
pub const COLUMNS: [&str; 3] = ["rows.amount", "rows.items", "rows.shop"];

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// The entity that its rows belong to.
    pub entity: usize,
    /// Partitions of its topic.
    pub partitions: i32,
}

/// Draws a table, or none, and adds its rows to the load. It has draws of its own: the rest of a seed's scenario stays as it is.
pub fn draw(seed: u64, mode: Mode, entities: usize, events: &mut Vec<Sent>) -> Option<Table> {
    let random = &mut Random::new(seed ^ 0x7ab1e);
    if !random.percent(40) {
        return None;
    }
    let table = Table {
        entity: random.below(entities),
        partitions: random.choose(&[1, 1, 2, 3, 5]),
    };
    let often = random.choose(&[5, 20, 50]);
    let mut all = Vec::new();
    let (mut part, mut began) = (usize::MAX, 0);
    for sent in std::mem::take(events) {
        if sent.part != part {
            (part, began) = (sent.part, sent.sent_at);
        }
        while random.percent(often) {
            all.push(row(random, mode, &sent, began, all.len()));
        }
        all.push(sent);
    }
    *events = all;
    Some(table)
}

/// A row of an entity of some payment. Half of them have the time of payments.
fn row(random: &mut Random, mode: Mode, sent: &Sent, began: i64, number: usize) -> Sent {
    let oldest = match mode {
        Mode::History => began.max(sent.sent_at - MOST_LATE),
        _ => sent.sent_at - MOST_LATE,
    };
    let late = if random.percent(30) { random.within(0, 149) } else { 0 };
    let second = (sent.sent_at - late).max(oldest);
    let is_between = random.percent(50);
    Sent {
        input: ROWS,
        id: number,
        time: second * 1000 + if is_between { 501 + number as i64 % 400 } else { 0 },
        amount: random.percent(80).then(|| random.within(-2_000_000, 20_000_000) as i32),
        items: random.percent(80).then(|| random.within(-3, 3) as i8),
        shop: random.percent(80).then(|| random.below(6) as u8),
        is_damaged: false,
        is_deletion: random.percent(20),
        ..sent.clone()
    }
}

/// All rows of the entities of a partition, in the order of their arrival: their times in microseconds, and their columns.
#[derive(Default)]
pub struct Rows(HashMap<String, Vec<(i64, [Value; 3])>>);

impl Rows {
    pub fn add(&mut self, key: String, sent: &Sent) {
        let columns = match sent.is_deletion {
            true => [Value::Null, Value::Null, Value::Null],
            false => [
                sent.amount().map_or(Value::Null, Value::Float),
                sent.items.map_or(Value::Null, |items| Value::Int(items.into())),
                sent.shop()
                    .map_or(Value::Null, |shop| Value::Text(shop.as_str().into())),
            ],
        };
        self.0.entry(key).or_default().push((sent.time * 1000, columns));
    }

    /// What a payment has to see: the newest row as of its time; of equal times, the one that came last. A payment that is older
    /// than any that may still be inserted sees that row only if no other one has taken its place since.
    pub fn seen(&self, key: &str, sent: &Sent, stream: i64, entity: Entity) -> [Value; 3] {
        let time = sent.time * 1000;
        let settled = stream.saturating_sub(entity.lateness.max(entity.dedupe) * SECOND + 1);
        let rows = self.0.get(key).into_iter().flatten();
        let newest = rows
            .filter(|(at, _)| *at <= time.max(settled))
            .max_by_key(|(at, _)| *at);
        match newest {
            Some((at, columns)) if *at <= time => columns.clone(),
            _ => [Value::Null, Value::Null, Value::Null],
        }
    }
}
