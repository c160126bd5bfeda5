//! Outputs and positions are committed together or not at all.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::producer::Producer;
use riskstream_kafka::{Delivery, KafkaOptions};
use riskstream_pipeline::log::{Committed, Log, LogError, Outputs, TopicIdentity};

use crate::harness::{
    LIMIT, Member, brokers, commit_positions, committed, create, joined, numbered, options, produce, producer,
    read_all, send, spec, unique,
};
use crate::relay::{END_TXN, OFFSET_COMMIT, Relay};

#[test]
fn outputs_and_positions_are_committed_together() {
    let options = options("together", 2);
    let (input, output) = (options.inputs[0].clone(), options.outputs[0].clone());
    for partition in 0..2 {
        produce(&input, partition, numbered(&format!("p{partition}"), 100));
    }
    let mut member = Member::new(options.clone());
    member.copy_until(200);
    let owned = member.owned.clone();
    assert_eq!(
        member.log.committed(&owned).unwrap(),
        [Some(100.into()), Some(100.into())]
    );
    assert_eq!(committed(&output, 2), [numbered("p0", 100), numbered("p1", 100)]);

    // A successor continues at the committed position.
    drop(member);
    produce(&input, 0, ["more"]);
    let mut next = Member::new(options);
    next.copy_until(1);
    assert!(
        next.starts.iter().all(|(_, position)| *position == 100),
        "{:?}",
        next.starts
    );
    assert_eq!(committed(&output, 2)[0].len(), 101);
}

#[test]
fn positions_are_committed_without_outputs_and_outputs_without_positions() {
    let options = options("either", 1);
    let (input, output) = (options.inputs[0].clone(), options.outputs[0].clone());
    produce(&input, 0, ["a", "b"]);
    let mut member = Member::new(options);
    member.wait_for_partitions(1);
    let partition = member.owned[0].clone();
    let position = Committed {
        offset: 2,
        watermark: Some(1_700_000_000_000_000),
        circuits: Some("7,0:5:10:3".to_owned()),
        decided: Some(5),
        topic: TopicIdentity {
            cut_over: None,
            id: Some("gDJkXh-0_w".into()),
            partitions: 1,
            epoch: 3,
            chain: Some("ingest>card:card_id>decisions".into()),
            sources: vec![(Some("4kq-0_wQ".into()), 1)],
        },
    };
    commit_positions(&mut member.log, &[(partition.clone(), position.clone())]).unwrap();
    assert_eq!(member.log.committed(&[partition]).unwrap(), [Some(position)]);
    let mut outputs = Outputs::default();
    outputs.push(0, Some(0), Some(1_700_000_000_000), None, |bytes| bytes.push(b'x'));
    member.log.commit(&outputs, &[]).unwrap();
    member.log.commit(&Outputs::default(), &[]).unwrap();
    assert_eq!(committed(&output, 1), [[b"x".to_vec()]]);
}

/// A consumer and a producer have connections of their own, so what they send may come in another order.
#[test]
fn positions_that_come_late_do_not_take_the_place_of_later_ones() {
    let mut options = options("order", 1);
    let relay = Relay::start(&brokers());
    options.brokers.clone_from(&relay.address);
    produce(&options.inputs[0], 0, numbered("in", 10));
    let mut member = Member::new(options);
    member.wait_for_partitions(1);
    let partition = member.owned[0].clone();
    relay.hold(OFFSET_COMMIT);
    let alone = member.log.commit(&Outputs::default(), &[(partition.clone(), 5.into())]);
    assert!(matches!(alone, Ok(()) | Err(LogError::Rebalancing)), "{alone:?}");
    let mut outputs = Outputs::default();
    outputs.push(0, Some(0), None, None, |bytes| bytes.push(b'x'));
    member.log.commit(&outputs, &[(partition.clone(), 10.into())]).unwrap();
    relay.release();
    assert_eq!(member.log.committed(&[partition]).unwrap(), [Some(10.into())]);
}

/// The commit does not reach the broker, all brokers are away after it, and another producer's transaction is open in the same partition: that may be what the broker
/// has left open of this one, so something is aborted there too.
#[test]
fn what_may_hang_after_an_outage_is_aborted_and_taken_again() {
    let direct = options("unanswered", 1);
    let (input, output) = (direct.inputs[0].clone(), direct.outputs[0].clone());
    let relay = Relay::start(&brokers());
    let relayed = KafkaOptions {
        brokers: relay.address.clone(),
        transaction_timeout: Duration::from_secs(2),
        ..direct.clone()
    };
    produce(&input, 0, numbered("in", 10));
    let mut member = Member::new(relayed);
    member.wait_for_partitions(1);
    relay.cut_at(END_TXN);
    let deadline = Instant::now() + LIMIT;
    let error = loop {
        match member.round(Duration::from_secs(1)) {
            Ok(copied) => assert!(
                copied == 0 && Instant::now() < deadline,
                "the commit does not come through"
            ),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LogError::Fenced(_)), "{error}");
    drop(member);

    let other = producer(&[("transactional.id", &unique("other"))]);
    other.init_transactions(LIMIT).unwrap();
    other.begin_transaction().unwrap();
    send(&other, &output, 0, ["open"]);
    other.flush(LIMIT).unwrap();
    let mut next = Member::new(direct);
    next.copy_until(10);
    other.abort_transaction(LIMIT).unwrap();
    assert_eq!(
        next.starts.iter().map(|(_, position)| *position).collect::<Vec<_>>(),
        [0]
    );
    assert_eq!(committed(&output, 1), [numbered("in", 10)]);
    let all = &read_all(&output, 1, "read_uncommitted")[0];
    assert_eq!(all.iter().filter(|value| value.is_empty()).count(), 1, "{all:?}");
}

#[test]
fn a_transaction_that_fails_leaves_nothing_and_the_next_one_succeeds() {
    let mut options = options("fails", 1);
    let (input, output) = (options.inputs[0].clone(), options.outputs[0].clone());
    // With this small queue the good records are written before the bad one is refused.
    options
        .overrides
        .insert("queue.buffering.max.messages".to_owned(), "10".to_owned());
    produce(&input, 0, numbered("in", 50));
    let mut member = Member::new(options);
    member.wait_for_partitions(1);
    let partition = member.owned[0].clone();

    let mut outputs = Outputs::default();
    for value in numbered("never", 50) {
        outputs.push(0, Some(0), None, None, |bytes| bytes.extend_from_slice(&value));
    }
    outputs.push(0, Some(99), None, None, |bytes| bytes.push(0));
    let error = member
        .log
        .commit(&outputs, &[(partition.clone(), 50.into())])
        .unwrap_err();
    assert!(matches!(error, LogError::Fatal(_)), "{error}");
    assert!(error.to_string().contains(&output), "{error}");
    assert!(
        read_all(&output, 1, "read_uncommitted")[0].len() >= 40,
        "some good records are written before the failure"
    );
    assert_eq!(committed(&output, 1), [Vec::<Vec<u8>>::new()]);
    assert_eq!(member.log.committed(std::slice::from_ref(&partition)).unwrap(), [None]);

    member.log.start(&[(partition, 0)]).unwrap();
    member.copy_until(50);
    assert_eq!(committed(&output, 1), [numbered("in", 50)]);
}

#[test]
fn a_start_at_an_earlier_position_gives_the_same_records_again() {
    let options = options("back", 2);
    let input = options.inputs[0].clone();
    for partition in 0..2 {
        produce(&input, partition, numbered("in", 1000));
    }
    let mut member = Member::new(options);
    member.wait_for_partitions(2);
    for (target, taken) in [(0, 10), (5, 700), (0, 1000), (999, 1), (300, 0), (1, 2)] {
        for partition in member.owned.clone() {
            member.log.start(&[(partition.clone(), target)]).unwrap();
            assert_eq!(member.log.position(&partition), Some(target));
            let mut offsets = Vec::new();
            let deadline = Instant::now() + LIMIT;
            while offsets.len() < taken {
                match member.log.take(&partition).unwrap() {
                    Some(record) => {
                        let expected = format!("in-{}", record.offset).into_bytes();
                        assert_eq!(record.value, Some(&expected[..]));
                        offsets.push(record.offset);
                    }
                    None => {
                        assert!(Instant::now() < deadline);
                        member.log.wait(Duration::from_secs(1)).unwrap();
                    }
                }
            }
            let expected: Vec<_> = (target..target + taken as i64).collect();
            assert_eq!(offsets, expected, "{partition} from {target}");
        }
    }
}

#[test]
fn a_successor_with_the_same_transactional_id_fences_its_predecessor() {
    let options = options("zombie", 1);
    let output = options.outputs[0].clone();
    let mut zombie = joined(options.clone());
    let mut outputs = Outputs::default();
    outputs.push(0, Some(0), None, None, |bytes| bytes.extend_from_slice(b"first"));
    zombie.commit(&outputs, &[]).unwrap();

    let mut successor = joined(options);
    let error = zombie.commit(&outputs, &[]).unwrap_err();
    assert!(matches!(error, LogError::Fenced(_)), "{error}");
    outputs.clear();
    outputs.push(0, Some(0), None, None, |bytes| bytes.extend_from_slice(b"second"));
    successor.commit(&outputs, &[]).unwrap();
    assert_eq!(committed(&output, 1), [[b"first".to_vec(), b"second".to_vec()]]);
}

#[test]
fn the_error_for_a_record_that_is_too_large_names_the_topic() {
    let options = options("large-out", 1);
    let output = options.outputs[0].clone();
    let mut log = joined(options);
    let mut outputs = Outputs::default();
    outputs.push(0, Some(0), None, None, |bytes| {
        bytes.extend((0..3_000_000_u32).map(noise));
    });
    let error = log.commit(&outputs, &[]).unwrap_err();
    assert!(matches!(error, LogError::Fatal(_)), "{error}");
    assert!(error.to_string().contains(&output), "{error}");
    assert!(error.to_string().contains("max.message.bytes"), "{error}");
    assert_eq!(committed(&output, 1), [Vec::<Vec<u8>>::new()]);
}

/// A byte of a sequence that cannot be compressed.
fn noise(number: u32) -> u8 {
    let mixed = (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 56) as u8
}

#[test]
fn keys_headers_timestamps_and_tombstones_arrive() {
    use rdkafka::message::{Headers, Message};
    let options = options("whole", 1);
    let output = options.outputs[0].clone();
    let mut log = joined(options);
    let mut outputs = Outputs::default();
    outputs.push(0, None, Some(1_234_567_890_123), Some(b"k"), |bytes| bytes.push(1));
    outputs.header("reason", b"because");
    outputs.header("empty", b"");
    outputs.push(0, Some(0), None, Some(b""), |_| ());
    log.commit(&outputs, &[]).unwrap();

    let consumer: rdkafka::consumer::BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", crate::harness::brokers())
        .set("group.id", unique("witness"))
        .create()
        .unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(&output, 0, rdkafka::Offset::Beginning)
        .unwrap();
    consumer.assign(&list).unwrap();
    let first = consumer.poll(LIMIT).unwrap().unwrap();
    assert_eq!(first.key(), Some(&b"k"[..]));
    assert_eq!(first.timestamp().to_millis(), Some(1_234_567_890_123));
    let headers: Vec<_> = first
        .headers()
        .unwrap()
        .iter()
        .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
        .collect();
    assert_eq!(headers[0], ("reason".to_owned(), Some(b"because".to_vec())));
    assert_eq!(headers[1].0, "empty");
    let second = consumer.poll(LIMIT).unwrap().unwrap();
    assert_eq!((second.key(), second.payload()), (Some(&b""[..]), Some(&b""[..])));
}

#[test]
fn keys_go_to_the_partitions_that_java_clients_choose() {
    // From Apache Kafka's test of Utils.murmur2: (hash & 0x7fffffff) % partitions.
    let hashes: [(&[u8], i32); 5] = [
        (b"21", -973_932_308),
        (b"foobar", -790_332_482),
        (b"a-little-bit-long-string", -985_981_536),
        (b"a-little-bit-longer-string", -1_486_304_829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ];
    let partitions = 7;
    let options = options("murmur", partitions);
    let output = options.outputs[0].clone();
    let mut log = joined(options);
    assert_eq!(log.topic(&output).unwrap().partitions, partitions);
    let mut outputs = Outputs::default();
    for (key, _) in hashes {
        outputs.push(0, None, None, Some(key), |bytes| bytes.extend_from_slice(key));
    }
    log.commit(&outputs, &[]).unwrap();
    let found = committed(&output, partitions);
    for (key, hash) in hashes {
        let partition = ((hash & 0x7fff_ffff) % partitions) as usize;
        assert!(found[partition].iter().any(|value| value == key), "{key:?}");
    }
}

#[test]
fn at_least_once_writes_outputs_and_then_positions() {
    let mut options = options("at-least", 1);
    options.delivery = Delivery::AtLeastOnce;
    let (input, output) = (options.inputs[0].clone(), options.outputs[0].clone());
    produce(&input, 0, numbered("in", 100));
    let mut member = Member::new(options.clone());
    member.copy_until(100);
    let owned = member.owned.clone();
    assert_eq!(member.log.committed(&owned).unwrap(), [Some(100.into())]);
    assert_eq!(committed(&output, 1), [numbered("in", 100)]);

    // If a record cannot be written, the position does not advance.
    let mut outputs = Outputs::default();
    outputs.push(0, Some(0), None, None, |bytes| {
        bytes.extend((0..3_000_000_u32).map(noise));
    });
    let error = member
        .log
        .commit(&outputs, &[(owned[0].clone(), 101.into())])
        .unwrap_err();
    assert!(matches!(error, LogError::Fatal(_)), "{error}");
    assert_eq!(member.log.committed(&owned).unwrap(), [Some(100.into())]);
}

/// A commit waits for what was appended before, whether it has outputs of its own or not; readers see appended records
/// without any transaction, and in order.
#[test]
fn appended_records_are_there_before_positions_are() {
    let options = options("appended", 1);
    let (input, output) = (options.inputs[0].clone(), options.outputs[0].clone());
    produce(&input, 0, numbered("in", 3));
    let mut member = Member::new(options.clone());
    member.wait_for_partitions(1);
    let partition = member.owned[0].clone();
    for number in 0..500_u32 {
        let mut rows = Outputs::default();
        rows.push(0, Some(0), None, None, |bytes| {
            bytes.extend(format!("row{number}").bytes());
        });
        member.log.append(&rows).unwrap();
    }
    commit_positions(&mut member.log, &[(partition.clone(), 3.into())]).unwrap();
    let rows: Vec<Vec<u8>> = (0..500).map(|number| format!("row{number}").into_bytes()).collect();
    assert_eq!(committed(&output, 1), [rows]);
    assert_eq!(member.log.committed(&[partition]).unwrap(), [Some(3.into())]);

    let generation = member.log.generation();
    assert!(generation > 0);
    drop(member);
    let mut next = options;
    next.incarnation += 1;
    let mut next = Member::new(next);
    next.wait_for_partitions(1);
    assert!(next.log.generation() > generation, "a later owner has a larger number");
}

#[test]
fn a_topic_for_large_records_receives_them() {
    let mut options = options("large", 1);
    let mut large = spec(&unique("large-topic"), 1);
    large
        .settings
        .insert("max.message.bytes".to_owned(), "16000000".to_owned());
    create(&options, std::slice::from_ref(&large));
    options.inputs = vec![large.name.clone()];
    let record: Vec<u8> = (0..10_000_000).map(noise).collect();
    produce(&large.name, 0, [&b"before"[..], &record, b"after"]);
    options.outputs = vec![unique("large-copy")];
    large.name = options.outputs[0].clone();
    create(&options, &[large]);
    let output = options.outputs[0].clone();
    let mut member = Member::new(options);
    member.copy_until(3);
    assert!(committed(&output, 1) == [[b"before".to_vec(), record, b"after".to_vec()]]);
}
