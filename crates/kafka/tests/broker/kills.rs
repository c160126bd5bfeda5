//! Processes that are killed at arbitrary times.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::Producer;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use riskstream_kafka::KafkaOptions;
use riskstream_pipeline::log::{Log, Outputs};

use crate::harness::{LIMIT, Member, brokers, committed, joined, numbered, options, produce, producer, send, unique};

/// Set in a child process: its role and the name of its group.
const ROLE: &str = "RISKSTREAM_TEST_CHILD";

/// Runs this test binary as a child process that executes only [`child`].
fn spawn(role: &str, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::child", "--nocapture"])
        .env(ROLE, format!("{role} {name}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Ends the child with the test that started it: its standard input is closed then.
fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
}

/// The body of the child processes of the tests below. It does nothing in a normal test run.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (role, name) = role.split_once(' ').unwrap();
    end_with_parent();
    match role {
        "copy" => {
            let mut member = Member::new(named(name, 0));
            // Small batches give many commits in which a kill can happen.
            member.batch = 20;
            loop {
                member.round(Duration::from_secs(1)).unwrap();
            }
        }
        "hold" => {
            let options = named(name, 0);
            let id = options.transactional_id();
            let producer = producer(&[("transactional.id", id.as_str())]);
            producer.init_transactions(LIMIT).unwrap();
            producer.begin_transaction().unwrap();
            send(&producer, &options.outputs[0], 0, ["never"]);
            producer.flush(LIMIT).unwrap();
            std::thread::park();
        }
        role => panic!("{role}"),
    }
}

fn named(name: &str, slot: usize) -> KafkaOptions {
    let mut options = KafkaOptions::new(&brokers(), name);
    options.inputs = vec![format!("{name}-in")];
    options.outputs = vec![format!("{name}-out")];
    options.slot = slot;
    // The group notices a kill soon.
    options
        .overrides
        .insert("session.timeout.ms".to_owned(), "6000".to_owned());
    options
}

/// The end offsets of topics, including records of open transactions.
struct Ends(BaseConsumer);

impl Ends {
    fn new() -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers());
        config.set("isolation.level", "read_uncommitted");
        Self(config.create().unwrap())
    }

    fn of(&self, topic: &str, partitions: i32) -> i64 {
        (0..partitions)
            .map(|partition| self.0.fetch_watermarks(topic, partition, LIMIT).unwrap().1)
            .sum()
    }
}

#[test]
fn after_kills_every_record_is_copied_once() {
    let (records, kills) = (10_000, 5);
    let ends = Ends::new();
    let base = options("killed", 2);
    let (name, output) = (base.group.clone(), base.outputs[0].clone());
    for partition in 0..2 {
        produce(&base.inputs[0], partition, numbered(&format!("p{partition}"), records));
    }
    let deadline = Instant::now() + 3 * LIMIT;
    for kill in 0..kills {
        let before = ends.of(&output, 2);
        let mut process = spawn("copy", &name);
        // Each kill happens after another number of records.
        while ends.of(&output, 2) < before + 20 + 37 * kill {
            assert!(Instant::now() < deadline, "kill {kill}: no records");
            assert!(
                process.try_wait().unwrap().is_none(),
                "kill {kill}: the child ended by itself"
            );
        }
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let copied: usize = committed(&output, 2).iter().map(Vec::len).sum();
    assert!(copied < 2 * records, "no records were left for the last member");
    let mut last = Member::new(named(&name, 0));
    last.copy_until(2 * records - copied);
    let found = committed(&output, 2);
    assert!(found[0] == numbered("p0", records), "{} records", found[0].len());
    assert!(found[1] == numbered("p1", records), "{} records", found[1].len());
}

#[test]
fn a_transaction_left_open_is_aborted_by_the_successor() {
    let base = options("held", 1);
    let (name, output) = (base.group.clone(), base.outputs[0].clone());
    let mut process = spawn("hold", &name);
    let deadline = Instant::now() + LIMIT;
    let ends = Ends::new();
    while ends.of(&output, 1) < 1 {
        assert!(Instant::now() < deadline && process.try_wait().unwrap().is_none());
    }
    process.kill().unwrap();
    process.wait().unwrap();

    // The committed record of another producer cannot be read before the open transaction ends.
    let other = producer(&[("transactional.id", unique("other").as_str())]);
    other.init_transactions(LIMIT).unwrap();
    other.begin_transaction().unwrap();
    send(&other, &output, 0, ["other"]);
    other.commit_transaction(LIMIT).unwrap();
    assert_eq!(committed(&output, 1), [Vec::<Vec<u8>>::new()]);

    let mut successor = joined(named(&name, 0));
    let mut outputs = Outputs::default();
    outputs.push(0, Some(0), None, None, |bytes| bytes.extend_from_slice(b"successor"));
    successor.commit(&outputs, &[]).unwrap();
    assert_eq!(committed(&output, 1), [[b"other".to_vec(), b"successor".to_vec()]]);
}

#[test]
fn positions_of_an_open_transaction_are_waited_for() {
    // While a commit is in progress, a reader of committed positions must not get the old position: it would process
    // records again whose outputs are about to be committed.
    let base = options("unstable", 1);
    produce(&base.inputs[0], 0, numbered("in", 10));
    let mut member = Member::new(base.clone());
    member.copy_until(10);
    let partition = member.owned[0].clone();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&partition.topic, 0, Offset::Offset(10))
        .unwrap();
    drop(member);
    let mut next = joined(base);
    assert_eq!(next.committed(&[partition]).unwrap(), [Some(10.into())]);
}
