//! Memory of the process, bytes on disk, and time for a million entities with ten entries each. The store, the cache of
//! decoded entities, the batches and the allocator are those of `riskstream run` by default.
//! `cargo bench -p riskstream-store`, optionally followed by `-- 100000`, the number of entities. It needs
//! Linux, for /proc, and about 1 GB in the directory for temporary files.
//!
//! No entity repeats within a million events, so the cache never has the entity of an event. This is the worst case;
//! the entities of real traffic repeat.

use riskstream_events::{Row, Slot, Value, ValueType};
use riskstream_features::state::{StateStore, StateWrites};
use riskstream_features::{Aggregation, EntityFeatures, EntitySpec, EntityStates, FeatureSpec, InputSpec, Precision};
use riskstream_store::{RocksStore, SharedMemory, StoreOptions};
use std::sync::Arc;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const TIME: Slot = 0;
const ID: Slot = 1;
const AMOUNT: Slot = 2;
const OUTPUT: Slot = 3;

const DAY: i64 = 86_400_000_000;
const ENTRIES: u64 = 10;
/// As in riskstream-pipeline's `WorkerOptions`.
const BATCH: u64 = 40_000;
/// As `state.cache` of a pipeline file.
const CACHE: usize = 16 << 20;

/// Count and mean over a day, a week and 30 days.
fn states() -> EntityStates {
    let kinds = [(Aggregation::Count, None), (Aggregation::Mean, Some(AMOUNT))];
    let windows = [1, 7, 30].map(|days| days * DAY);
    let features: Vec<FeatureSpec> = windows
        .into_iter()
        .flat_map(|window| kinds.map(|kind| (window, kind)))
        .enumerate()
        .map(|(index, (window, (aggregation, value)))| FeatureSpec {
            name: String::new(),
            output: OUTPUT + index,
            aggregation,
            input: 0,
            value,
            condition: None,
            window: Some(window),
            delay: 0,
            include_current: true,
            empty: None,
            precision: Precision::MILLIONTH,
        })
        .collect();
    let mut types = vec![ValueType::Timestamp, ValueType::Text, ValueType::Float];
    types.resize(OUTPUT + features.len(), ValueType::Float);
    let spec = EntitySpec {
        features,
        inputs: vec![InputSpec {
            event_time: TIME,
            id: Some(ID),
        }],
        cache_bytes: CACHE,
        ..EntitySpec::default()
    };
    let compiled = EntityFeatures::compile(&spec, &types).expect("the spec is valid");
    EntityStates::new(Arc::new(compiled))
}

/// A line of /proc/self/status, in megabytes.
fn status(name: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.expect("the line is there") * 1024.0 / 1e6
}

fn main() {
    let entities: u64 = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(1_000_000);
    let directory = tempfile::tempdir().expect("a directory");
    let options = StoreOptions {
        memory: SharedMemory::default(),
        fingerprint: "bench".into(),
    };
    let mut store = RocksStore::open(directory.path(), &options).expect("the store opens");
    let mut states = states();
    let mut writes = StateWrites::default();
    let mut row: Row = vec![Value::Null; OUTPUT + 6];
    let events = entities * ENTRIES;
    let start = Instant::now();
    println!("before the first event: {:.0} MB resident", status("VmRSS:"));
    for event in 0..events {
        // The time between entries of an entity is about that between payments of a card.
        let time = 1_522_540_800_000_000 + (event as i128 * 20 * i128::from(DAY) / i128::from(events)) as i64;
        row[TIME] = Value::Timestamp(time);
        row[ID] = Value::Text(event.to_string().into());
        row[AMOUNT] = Value::Float((event % 10_007) as f64 / 100.0);
        let key = (event * 7_919 % entities).to_string();
        states
            .apply(&store, time, &key, 0, &mut row)
            .expect("the event is applied");
        if event % BATCH == BATCH - 1 || event == events - 1 {
            writes.clear();
            states.collect(&mut writes);
            store.write(&writes, event as i64).expect("the store can be written");
            states.written();
        }
        if (event + 1) % entities == 0 {
            println!(
                "{:>2} entries each: {:.0} MB resident, {:.0} at most; {} entities and {:.1} MB decoded, {:.0} MB \
                 of RocksDB's memory in use, {:.0} MB stored; {:.0} events/s",
                (event + 1) / entities,
                status("VmRSS:"),
                status("VmHWM:"),
                states.cached_entities(),
                states.cached_bytes() as f64 / 1e6,
                options.memory.usage() as f64 / 1e6,
                store.size() as f64 / 1e6,
                (event + 1) as f64 / start.elapsed().as_secs_f64(),
            );
        }
    }
    assert_eq!(
        row[OUTPUT + 4],
        Value::Int(ENTRIES as i64),
        "the last entity's count over 30 days"
    );
}
