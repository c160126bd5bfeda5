//! Positions, lag and waiting.

use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, Producer};
use riskstream_kafka::{KafkaLog, KafkaOptions};
use riskstream_pipeline::log::{Log, LogError, TopicPartition};

use crate::harness::{LIMIT, Member, brokers, options, produce, producer, send, unique};

fn transactional() -> BaseProducer {
    let id = unique("transactional");
    let producer = producer(&[("transactional.id", &id), ("retry.backoff.ms", "2")]);
    producer.init_transactions(LIMIT).unwrap();
    producer
}

fn in_transaction(producer: &BaseProducer, topic: &str, values: &[&str]) {
    producer.begin_transaction().unwrap();
    send(producer, topic, 0, values);
    producer.flush(LIMIT).unwrap();
}

/// Takes records until the lag of the partition is 0, and returns their offsets.
fn drain(log: &mut KafkaLog, partition: &TopicPartition) -> Vec<i64> {
    let deadline = Instant::now() + LIMIT;
    let mut offsets = Vec::new();
    loop {
        assert!(Instant::now() < deadline, "lag {:?}", log.lag(partition));
        while let Some(record) = log.take(partition).unwrap() {
            offsets.push(record.offset);
        }
        if log.lag(partition) == Some(0) {
            return offsets;
        }
        log.wait(Duration::from_secs(1)).unwrap();
    }
}

#[test]
fn positions_skip_transaction_markers() {
    let options = options("markers", 1);
    let input = options.inputs[0].clone();
    let writer = transactional();
    for value in ["a", "b", "c"] {
        in_transaction(&writer, &input, &[value]);
        writer.commit_transaction(LIMIT).unwrap();
    }
    let mut member = Member::new(options);
    member.wait_for_partitions(1);
    let partition = member.owned[0].clone();
    assert_eq!(drain(&mut member.log, &partition), [0, 2, 4]);
    assert_eq!(member.log.position(&partition), Some(6));
    assert_eq!(member.log.bounds(&partition).unwrap(), (0, 6));

    // After an aborted transaction there is no record, and the position advances.
    in_transaction(&writer, &input, &["never", "seen"]);
    writer.abort_transaction(LIMIT).unwrap();
    in_transaction(&writer, &input, &["d"]);
    writer.commit_transaction(LIMIT).unwrap();
    member.log.wait(LIMIT).unwrap();
    let mut offsets = Vec::new();
    while member.log.position(&partition) != Some(11) {
        offsets.extend(drain(&mut member.log, &partition));
        member.log.wait(Duration::from_millis(20)).unwrap();
    }
    assert_eq!(offsets, [9]);
}

#[test]
fn uncommitted_records_are_not_returned() {
    let options = options("open", 1);
    let input = options.inputs[0].clone();
    produce(&input, 0, ["before"]);
    let writer = transactional();
    in_transaction(&writer, &input, &["open"]);
    let mut member = Member::new(options);
    member.wait_for_partitions(1);
    let partition = member.owned[0].clone();
    assert_eq!(drain(&mut member.log, &partition), [0]);
    assert_eq!(member.log.position(&partition), Some(1));
    writer.commit_transaction(LIMIT).unwrap();
    member.log.wait(LIMIT).unwrap();
    assert_eq!(drain(&mut member.log, &partition), [1]);
}

#[test]
fn only_records_end_a_wait() {
    let options = options("wakes", 2);
    let input = options.inputs[0].clone();
    let mut member = Member::new(options);
    member.wait_for_partitions(2);
    let partitions = member.owned.clone();
    for partition in &partitions {
        drain(&mut member.log, partition);
    }
    let writer = producer(&[("linger.ms", "0")]);
    let mut waits = 0;
    for number in 0..50 {
        let partition = &partitions[number % 2];
        send(&writer, &input, partition.partition, ["x"]);
        writer.flush(LIMIT).unwrap();
        // A wait that misses the record lasts a minute.
        while member.log.take(partition).unwrap().is_none() {
            member.log.wait(LIMIT).unwrap();
            waits += 1;
        }
    }
    // The event that the end was reached ends a wait, too.
    assert!(waits <= 150, "{waits} waits for 50 records");
}

#[test]
fn a_partition_that_is_not_read_does_not_end_every_wait() {
    let options = options("alone", 1);
    let input = options.inputs[0].clone();
    produce(&input, 0, vec!["x"; 100]);
    let mut member = Member::new(options);
    member.wait_for_partitions(1);
    let partition = member.owned[0].clone();
    while member.log.take(&partition).unwrap().is_none() {
        member.log.wait(LIMIT).unwrap();
    }
    // One record was taken and more are available: the wait ends at once.
    let began = Instant::now();
    member.log.wait(LIMIT).unwrap();
    assert!(began.elapsed() < LIMIT / 2);
    // None was taken since then: the wait lasts.
    for _ in 0..3 {
        let began = Instant::now();
        member.log.wait(Duration::from_millis(100)).unwrap();
        if began.elapsed() >= Duration::from_millis(100) {
            return;
        }
    }
    panic!("the wait ends at once each time");
}

#[test]
fn lag_counts_unread_records() {
    let mut options = options("lag", 1);
    options
        .overrides
        .insert("queued.min.messages".to_owned(), "10".to_owned());
    let input = options.inputs[0].clone();
    produce(&input, 0, vec!["x"; 1000]);
    let mut member = Member::new(options);
    member.wait_for_partitions(1);
    let partition = member.owned[0].clone();
    for taken in 1..=1000 {
        while member.log.take(&partition).unwrap().is_none() {
            member.log.wait(LIMIT).unwrap();
        }
        assert_eq!(member.log.lag(&partition), Some(1000 - taken));
    }
}

#[test]
fn a_position_before_the_beginning_is_an_error() {
    let options = options("gone", 1);
    let input = options.inputs[0].clone();
    produce(&input, 0, vec!["x"; 10]);
    let mut member = Member::new(options);
    member.wait_for_partitions(1);
    let partition = member.owned[0].clone();
    member.log.start(&[(partition.clone(), 500)]).unwrap();
    let deadline = Instant::now() + LIMIT;
    let error = loop {
        assert!(Instant::now() < deadline);
        match member.log.take(&partition) {
            Ok(Some(record)) => panic!("got offset {}", record.offset),
            Ok(None) => {
                member.log.wait(Duration::from_secs(1)).unwrap();
            }
            Err(error) => break error,
        }
    };
    match error {
        LogError::OutOfRange {
            partition: at,
            position,
            low,
        } => {
            assert_eq!((at, position, low), (partition, 500, 0));
        }
        error => panic!("{error}"),
    }
}

#[test]
fn the_log_waits_for_brokers_out_of_reach() {
    let mut options = KafkaOptions::new("127.0.0.1:1", "nobody");
    options.inputs = vec!["in".to_owned()];
    let mut log = KafkaLog::open(options).unwrap();
    for _ in 0..3 {
        let error = log.wait(Duration::from_millis(200)).unwrap_err();
        assert!(matches!(error, LogError::Unavailable(_)), "{error}");
    }
}

#[test]
fn all_missing_topics_are_reported_at_once() {
    let mut options = KafkaOptions::new(&brokers(), &unique("missing"));
    options.inputs = vec![unique("no-input")];
    options.outputs = vec![unique("no-output")];
    let mut log = KafkaLog::open(options.clone()).unwrap();
    let error = log.wait(LIMIT).unwrap_err();
    assert!(matches!(error, LogError::Fatal(_)), "{error}");
    for name in [&options.inputs[0], &options.outputs[0]] {
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_wrong_property_is_reported_without_its_value() {
    for (name, value) in [("no.such.property", "s3cret"), ("fetch.min.bytes", "s3cret")] {
        let mut options = KafkaOptions::new(&brokers(), "wrong");
        options.overrides.insert(name.to_owned(), value.to_owned());
        let error = KafkaLog::open(options).err().unwrap().to_string();
        assert!(error.contains(name) && !error.contains(value), "{error}");
    }
}

/// Otherwise a worker polls the queues of hundreds of quiet partitions for each record. `wait` looks at all of them in a loop,
/// which rustc 1.95 has compiled wrongly.
#[test]
fn drained_partitions_have_no_records() {
    let options = options("drained", 8);
    let input = options.inputs[0].clone();
    (0..8).for_each(|partition| produce(&input, partition, ["a"]));
    let mut member = Member::new(options);
    member.wait_for_partitions(8);
    let owned = member.owned.clone();
    for partition in &owned {
        drain(&mut member.log, partition);
    }
    let deadline = Instant::now() + LIMIT;
    loop {
        member.log.wait(Duration::from_millis(20)).unwrap();
        let waiting: Vec<_> = owned.iter().filter(|one| member.log.has_records(one)).collect();
        if waiting.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{waiting:?} may have records");
        // The ends of partitions may be reported after their last records.
        waiting
            .into_iter()
            .for_each(|partition| _ = drain(&mut member.log, partition));
    }
}
