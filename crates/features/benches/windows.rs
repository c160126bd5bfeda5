//! Events a second through two stages of six window features each, from memory, on synthetic data of
//! the reference's shape (5,000 customers, 10,000 terminals, 183 days); the cost of long windows relative
//! to short ones; and what a million entities take. `cargo bench -p riskstream-features`, optionally
//! followed by `-- 500000`, the number of transactions.

mod cpu_time;

use cpu_time::clock;
use riskstream_events::{Row, Slot, Value, ValueType};
use riskstream_features::state::{MemoryState, StateStore, StateWrites};
use riskstream_features::{Aggregation, EntityFeatures, EntitySpec, EntityStates, FeatureSpec, InputSpec, Precision};
use std::sync::Arc;
use std::time::Duration;

const TIME: Slot = 0;
const ID: Slot = 1;
const AMOUNT: Slot = 2;
const FRAUD: Slot = 3;
const OUTPUT: Slot = 4;
const SLOTS: usize = 16;
const BATCH: usize = 5_000;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
const CUSTOMERS: u64 = 5_000;
const TERMINALS: u64 = 10_000;

struct Transaction {
    time: i64,
    customer: u64,
    terminal: u64,
    amount: f64,
}

/// A fixed sequence of evenly distributed numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn transactions(count: usize) -> Vec<Transaction> {
    let mut random = Random(7);
    // As many a day as the reference has.
    let step = 183 * DAY / 1_754_155;
    (0..count)
        .map(|index| Transaction {
            time: 1_522_540_800 * SECOND + (index as i64 * step) / SECOND * SECOND,
            customer: random.below(CUSTOMERS),
            terminal: random.below(TERMINALS),
            amount: random.below(20_000) as f64 / 100.0,
        })
        .collect()
}

fn feature(aggregation: Aggregation, input: u8, value: Option<Slot>, window: i64, delay: i64) -> FeatureSpec {
    FeatureSpec {
        name: String::new(),
        output: OUTPUT,
        aggregation,
        input,
        value,
        condition: None,
        window: Some(window),
        delay,
        include_current: true,
        empty: None,
        precision: Precision::MILLIONTH,
    }
}

fn states(mut features: Vec<FeatureSpec>, cache_bytes: usize) -> EntityStates {
    for (index, feature) in features.iter_mut().enumerate() {
        feature.output = OUTPUT + index;
    }
    let input = InputSpec {
        event_time: TIME,
        id: Some(ID),
    };
    let spec = EntitySpec {
        features,
        inputs: vec![input, input],
        cache_bytes,
        ..EntitySpec::default()
    };
    let mut types = vec![ValueType::Float; SLOTS];
    types[TIME] = ValueType::Timestamp;
    types[ID] = ValueType::Text;
    types[FRAUD] = ValueType::Bool;
    EntityStates::new(Arc::new(
        EntityFeatures::compile(&spec, &types).expect("the spec is valid"),
    ))
}

fn customer_states(windows: [i64; 3]) -> EntityStates {
    let of = |window| {
        [
            feature(Aggregation::Count, 0, None, window, 0),
            feature(Aggregation::Mean, 0, Some(AMOUNT), window, 0),
        ]
    };
    states(windows.into_iter().flat_map(of).collect(), 1 << 30)
}

fn terminal_states(windows: [i64; 3]) -> EntityStates {
    let of = |window| {
        [
            feature(Aggregation::Count, 0, None, window, 7 * DAY),
            feature(Aggregation::Mean, 1, Some(FRAUD), window, 0),
        ]
    };
    states(windows.into_iter().flat_map(of).collect(), 1 << 30)
}

/// A stage: its states and an in-memory store that is written once a batch.
struct Stage {
    states: EntityStates,
    store: MemoryState,
    writes: StateWrites,
    written: usize,
    puts: usize,
    spent: Duration,
}

impl Stage {
    fn new(states: EntityStates) -> Self {
        Stage {
            states,
            store: MemoryState::default(),
            writes: StateWrites::default(),
            written: 0,
            puts: 0,
            spent: Duration::ZERO,
        }
    }

    fn apply(&mut self, key: &str, input: u8, row: &mut Row, time: i64) {
        self.states
            .apply(&self.store, time, key, input, row)
            .expect("the event is applied");
    }

    /// Collects; the store's own cost is not this crate's.
    fn commit(&mut self) {
        self.writes.clear();
        self.states.collect(&mut self.writes);
        self.puts += self.writes.len();
        self.written += self
            .writes
            .iter()
            .map(|(_, value)| value.map_or(0, <[u8]>::len))
            .sum::<usize>();
        let start = clock();
        self.store.write(&self.writes, 0).expect("memory can be written");
        self.spent += clock() - start;
        self.states.written();
    }
}

/// Events (transactions) a second through both stages, labels included, seven days after.
fn two_stages(transactions: &[Transaction], windows: [i64; 3]) -> f64 {
    let mut customers = Stage::new(customer_states(windows));
    let mut terminals = Stage::new(terminal_states(windows));
    let keys: Vec<String> = (0..TERMINALS.max(CUSTOMERS)).map(|key| key.to_string()).collect();
    let ids: Vec<Value> = (0..transactions.len())
        .map(|id| Value::Text(id.to_string().into()))
        .collect();
    let mut row: Row = vec![Value::Null; SLOTS];
    let mut label: Row = vec![Value::Null; SLOTS];
    let mut labelled = 0;
    let start = clock();
    for (index, transaction) in transactions.iter().enumerate() {
        while transactions[labelled].time + 7 * DAY <= transaction.time {
            let known = &transactions[labelled];
            label[TIME] = Value::Timestamp(known.time + 7 * DAY);
            label[ID] = ids[labelled].clone();
            label[FRAUD] = Value::Bool(known.amount > 198.0);
            terminals.apply(&keys[known.terminal as usize], 1, &mut label, known.time + 7 * DAY);
            labelled += 1;
        }
        row[TIME] = Value::Timestamp(transaction.time);
        row[ID] = ids[index].clone();
        row[AMOUNT] = Value::Float(transaction.amount);
        customers.apply(&keys[transaction.customer as usize], 0, &mut row, transaction.time);
        terminals.apply(&keys[transaction.terminal as usize], 0, &mut row, transaction.time);
        if index % BATCH == BATCH - 1 {
            customers.commit();
            terminals.commit();
        }
    }
    let seconds = (clock() - start - customers.spent - terminals.spent).as_secs_f64();
    let rate = transactions.len() as f64 / seconds;
    println!(
        "{rate:>12.0} events/CPU s ({labelled} labels too), {:.0} and {:.0} bytes a write, {:.1} MB in memory",
        customers.written as f64 / customers.puts as f64,
        terminals.written as f64 / terminals.puts as f64,
        (customers.states.cached_bytes() + terminals.states.cached_bytes()) as f64 / 1e6,
    );
    rate
}

/// A stage of one window, counting and averaging.
struct OneWindow {
    stage: Stage,
    row: Row,
}

impl OneWindow {
    fn new(window: i64) -> Self {
        let features = vec![
            feature(Aggregation::Count, 0, None, window, 0),
            feature(Aggregation::Mean, 0, Some(AMOUNT), window, 0),
        ];
        OneWindow {
            stage: Stage::new(states(features, 1 << 30)),
            row: vec![Value::Null; SLOTS],
        }
    }

    /// Nanoseconds an event, what the store spends left out.
    fn batch(&mut self, transactions: &[Transaction], keys: &[String]) -> f64 {
        let (start, before) = (clock(), self.stage.spent);
        for transaction in transactions {
            self.row[TIME] = Value::Timestamp(transaction.time);
            self.row[AMOUNT] = Value::Float(transaction.amount);
            let key = &keys[transaction.customer as usize];
            self.stage.apply(key, 0, &mut self.row, transaction.time);
        }
        self.stage.commit();
        let spent = clock() - start - (self.stage.spent - before);
        spent.as_nanos() as f64 / transactions.len() as f64
    }
}

/// What an event costs with one window or the other, once both have filled. They take turns batch by batch,
/// so that what else the machine does slows both alike; medians.
fn long_against_short(transactions: &[Transaction], [short, long]: [i64; 2]) {
    let keys: Vec<String> = (0..CUSTOMERS).map(|key| key.to_string()).collect();
    let (mut short, mut long) = (OneWindow::new(short), OneWindow::new(long));
    let mut pairs: Vec<(f64, f64)> = transactions
        .chunks(BATCH)
        .map(|batch| (short.batch(batch, &keys), long.batch(batch, &keys)))
        .collect();
    pairs.drain(..pairs.len() / 2);
    let median = |of: fn(&(f64, f64)) -> f64| {
        let mut all: Vec<f64> = pairs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    println!(
        "{:>8.0} ns an event with a 1-minute window, {:.0} ns with 30 days: x{:.2}",
        median(|pair| pair.0),
        median(|pair| pair.1),
        median(|pair| pair.1 / pair.0),
    );
}

/// A million entities with ten entries each: time and memory.
fn million_entities() {
    let mut stage = Stage::new(states(
        vec![
            feature(Aggregation::Count, 0, None, 30 * DAY, 0),
            feature(Aggregation::Mean, 0, Some(AMOUNT), 30 * DAY, 0),
        ],
        64 << 20,
    ));
    let mut row: Row = vec![Value::Null; SLOTS];
    let start = clock();
    let mut time = 0;
    for event in 0..10_000_000u64 {
        time += SECOND / 10;
        row[TIME] = Value::Timestamp(time);
        row[AMOUNT] = Value::Float((event % 10_007) as f64 / 100.0);
        stage.apply(&(event * 7_919 % 1_000_000).to_string(), 0, &mut row, time);
        if event % BATCH as u64 == BATCH as u64 - 1 {
            stage.commit();
        }
    }
    println!(
        "a million entities, ten entries each: {:.0} events/s, {} entities and {:.1} MB in memory, {:.1} MB in the store",
        1e7 / (clock() - start).as_secs_f64(),
        stage.states.cached_entities(),
        stage.states.cached_bytes() as f64 / 1e6,
        stage.store.size() as f64 / 1e6,
    );
}

fn main() {
    let count = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(1_000_000);
    let transactions = transactions(count);
    for _ in 0..3 {
        two_stages(&transactions, [DAY, 7 * DAY, 30 * DAY]);
    }
    for _ in 0..3 {
        long_against_short(&transactions, [60 * SECOND, 30 * DAY]);
    }
    if std::env::args().any(|argument| argument == "million") {
        million_entities();
    }
}
