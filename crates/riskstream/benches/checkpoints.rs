//! The cost of checkpoints of one state, and of its restoration: `cargo bench -p riskstream --bench checkpoints -- MEGABYTES`
//! (1,000 by default), in the current directory.

use riskstream::service::checkpoints::{Checkpoints, TaskId, TaskLock};
use riskstream_checkpoints::KnownDigests;
use riskstream_definition::{Style, compile};
use riskstream_features::state::{StateStore, StateWrites};
use riskstream_store::{CheckpointSource, RocksStore};
use std::fs;
use std::path::Path;
use std::time::Instant;

const PIPELINE: &str = "
name: shop
inputs:
  transactions:
    topic: payments
    key: customer
    id: id
    event_time: time
    fields: {id: text, time: timestamp, customer: text}
entities: {customer: {key: customer}}
features: {payments: {entity: customer, count: transactions, window: 30d}}
rules: [{name: busy, when: payments > 100, then: review, reason: R1}]
outputs: {decisions: decisions, dead_letters: dead-letters}
state: {checkpoints: {url: ROOT/checkpoints}}
";

/// Bytes of an entity.
const VALUE: usize = 1_000;

/// Numbers that do not compress: xorshift (Marsaglia, 2003).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Writes `count` entities with keys below `keys`, in batches.
fn write(store: &mut RocksStore, noise: &mut Noise, count: usize, keys: u64, position: &mut i64) {
    let mut written = 0;
    while written < count {
        let mut writes = StateWrites::default();
        for _ in 0..1_000.min(count - written) {
            let key = (noise.next() % keys).to_be_bytes();
            writes.put(&key, |value| {
                for _ in 0..VALUE / 8 {
                    value.extend_from_slice(&noise.next().to_le_bytes());
                }
            });
            written += 1;
        }
        *position += 1;
        store.write(&writes, *position).expect("the disk has room");
    }
}

fn checkpoint(
    what: &str,
    checkpoints: &Checkpoints,
    task: &TaskId,
    source: &CheckpointSource,
    known: &mut KnownDigests,
) {
    let links = Path::new("links").join(what.replace(' ', "-"));
    let links = checkpoints.directory(task).join("../..").join(links);
    fs::create_dir_all(links.parent().expect("it has one")).expect("the disk has room");
    let began = Instant::now();
    assert!(source.write(&links).expect("the disk has room"));
    let linked = began.elapsed();
    let began = Instant::now();
    let mut stored = checkpoints.of_task(task);
    let written = checkpoints
        .write(task, source, &mut stored, known)
        .expect("the disk has room");
    let written = written.expect("the state has a position");
    println!(
        "{what:<22} flush and links {:>6.0} ms   whole {:>6.0} ms   {:>7.1} MB, uploaded {:>7.1} MB",
        linked.as_secs_f64() * 1e3,
        began.elapsed().as_secs_f64() * 1e3,
        written.bytes as f64 / 1e6,
        written.uploaded as f64 / 1e6
    );
}

fn main() {
    let megabytes: usize = std::env::args()
        .filter_map(|text| text.parse().ok())
        .next()
        .unwrap_or(1_000);
    let root = tempfile::tempdir_in(".").expect("the directory can be written");
    let text = PIPELINE.replace("ROOT", root.path().to_str().expect("UTF-8"));
    let compiled = compile("shop.yaml", &text, Path::new("."), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
    let state = root.path().join("state");
    let checkpoints = Checkpoints::of(&compiled, None, &state).expect("the file has checkpoints");
    let task = TaskId::new("customer", 0);
    let entities = megabytes * 1_000_000 / VALUE;
    let (mut noise, mut position) = (Noise(88_172_645_463_325_252), 0);
    let mut known = KnownDigests::default();

    let mut store = RocksStore::open(&checkpoints.directory(&task), &checkpoints.options(&task)).expect("a new state");
    // Some keys twice, so that there are about as many entities.
    write(&mut store, &mut noise, entities * 3 / 2, entities as u64, &mut position);
    let source = store.checkpoint_source();
    checkpoint("the first", &checkpoints, &task, &source, &mut known);
    write(&mut store, &mut noise, entities / 100, entities as u64, &mut position);
    checkpoint("after 1 % changed", &checkpoints, &task, &source, &mut known);
    write(&mut store, &mut noise, entities / 100, entities as u64, &mut position);
    checkpoint("after 1 % more", &checkpoints, &task, &source, &mut known);
    drop(store);

    fs::remove_dir_all(checkpoints.directory(&task)).expect("it is there");
    let lock = TaskLock::take(&checkpoints, &task).expect("nobody has it");
    let began = Instant::now();
    let restored = checkpoints.restore(&task, &lock, &|_| Ok(()), &|name, why| println!("{name}: {why}"));
    let restored = restored.expect("the disk has room").expect("a checkpoint can be used");
    println!(
        "restored {:.1} MB at position {} in {:.2} s",
        restored.bytes as f64 / 1e6,
        restored.position,
        began.elapsed().as_secs_f64()
    );
    assert_eq!(restored.position, position);
}
