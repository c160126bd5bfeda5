//! The memory of a backfill does not grow with the number of entities or records.
mod common;

use common::{input, options, summary};
use riskstream_definition::{Compiled, compile};
use riskstream_features::state::{StateError, StateStore, StateWrites, Visit};
use riskstream_offline::backfill::{Options, Order};
use riskstream_pipeline::Stores;
use riskstream_pipeline::stop_reason::StopReason;
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: hands every call on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PIPELINE: &str = "
name: many
inputs:
  transactions:
    topic: transactions
    id: id
    event_time: time
    fields: {id: int, time: timestamp, customer: int, amount: float}
entities: {customer: {key: customer}}
features:
  mean: {entity: customer, mean: amount, window: 30d}
state: {cache: 64KiB}
outputs: {decisions: decisions, dead_letters: dead-letters}
";

/// A disk: what is written to it takes no memory. Here every entity has one payment, so nothing is read back.
struct Disk;

impl Stores for Disk {
    fn open(&mut self, _: &str, _: i32, _: &str) -> Result<Box<dyn StateStore>, StopReason> {
        Ok(Box::new(Disk))
    }
}

impl StateStore for Disk {
    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(None)
    }

    fn visit(&self, _: &[u8], _: Visit<'_>) -> Result<(), StateError> {
        Ok(())
    }

    fn position(&self) -> Result<Option<i64>, StateError> {
        Ok(None)
    }

    fn write(&mut self, _: &StateWrites, _: i64) -> Result<(), StateError> {
        Ok(())
    }

    fn size(&self) -> u64 {
        0
    }
}

/// The most memory that a backfill over so many payments takes, each of another customer, newest first.
fn peak(compiled: &Compiled, payments: u64) -> usize {
    let line = move |id: u64| {
        let time = 1_700_000_000_000 + (payments - id) * 1_000;
        format!(r#"{{"id":{id},"time":{time},"customer":{id},"amount":7}}"#).into_bytes()
    };
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let file = input(compiled, 0, (0..payments).map(line));
    let options = Options {
        sort_memory: 1 << 20,
        ..options(Order::EventTime)
    };
    let summary = summary(compiled, &mut Disk, vec![file], options);
    assert_eq!(summary.decided, payments);
    PEAK.load(Ordering::Relaxed) - before
}

#[test]
fn memory_does_not_grow_with_the_number_of_entities() {
    let compiled = compile("many.yaml", PIPELINE, Path::new("."), &|_| None).unwrap();
    let (few, many) = (peak(&compiled, 40_000), peak(&compiled, 160_000));
    // The buffers of the runs that are merged grow a little.
    assert!(
        many < few + few / 4,
        "{few} bytes for 40,000 entities, {many} for 160,000"
    );
}
