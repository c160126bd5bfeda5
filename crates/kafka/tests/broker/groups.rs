//! Members of a group share partitions and hand them over.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use riskstream_pipeline::log::{AssignmentChange, Log, LogError, Outputs};

use crate::harness::{LIMIT, Member, brokers, committed, create, numbered, options, produce, spec};

/// Rounds of all members until they have copied `total` records together with `others`.
fn copy_together(members: &mut [&mut Member], others: usize, total: usize) {
    let deadline = Instant::now() + LIMIT;
    while members.iter().map(|member| member.copied).sum::<usize>() + others < total {
        assert!(Instant::now() < deadline, "not everything was copied");
        round(members);
    }
}

fn round(members: &mut [&mut Member]) {
    for member in members {
        match member.round(Duration::from_millis(5)) {
            Ok(_) => {}
            Err(LogError::Aborted(_)) => {
                // There was a rebalance: return to the committed positions.
                let owned = member.owned.clone();
                let positions = crate::harness::positions(&mut member.log, &owned).unwrap();
                member.log.start(&positions).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Rounds of all members until the sorted numbers of their partitions are `shares`.
fn settle(members: &mut [&mut Member], shares: &[usize]) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let mut owned: Vec<_> = members.iter().map(|member| member.owned.len()).collect();
        owned.sort_unstable();
        if owned == shares {
            return;
        }
        assert!(Instant::now() < deadline, "the group does not settle: {owned:?}");
        round(members);
    }
}

#[test]
fn partitions_are_shared_and_handed_over_without_loss_or_doubles() {
    let base = options("shared", 4);
    let (input, output) = (base.inputs[0].clone(), base.outputs[0].clone());
    let member = |slot| {
        let mut options = base.clone();
        options.slot = slot;
        Member::new(options)
    };
    let write = |round: usize| {
        for partition in 0..4 {
            produce(&input, partition, numbered(&format!("r{round}"), 250));
        }
    };

    write(0);
    let mut first = member(0);
    copy_together(&mut [&mut first], 0, 1000);
    let mut second = member(1);
    write(1);
    settle(&mut [&mut first, &mut second], &[2, 2]);
    write(2);
    copy_together(&mut [&mut first, &mut second], 0, 3000);
    let mut third = member(2);
    write(3);
    settle(&mut [&mut first, &mut second, &mut third], &[1, 1, 2]);
    copy_together(&mut [&mut first, &mut second, &mut third], 0, 4000);
    write(4);
    let left = first.copied;
    drop(first);
    settle(&mut [&mut second, &mut third], &[2, 2]);
    copy_together(&mut [&mut second, &mut third], left, 5000);

    let expected: Vec<_> = (0..5).flat_map(|round| numbered(&format!("r{round}"), 250)).collect();
    for (partition, values) in committed(&output, 4).into_iter().enumerate() {
        assert!(values == expected, "partition {partition}: {} records", values.len());
    }
}

/// The members of each copy read other topics, as workers of two roles do. A copy that joins later gets its share of both.
#[test]
fn a_copy_that_joins_shares_the_partitions_of_each_role() {
    let base = options("roles", 4);
    let topic = |name: &str| format!("{}-{name}", base.group);
    create(&base, &[spec(&topic("labels"), 4), spec(&topic("hop"), 4)]);
    let member = |slot, inputs: &[String]| {
        let mut options = base.clone();
        options.slot = slot;
        options.inputs = inputs.to_vec();
        Member::new(options)
    };
    let upstream = [base.inputs[0].clone(), topic("labels")];
    let deciding = [topic("hop")];
    let mut copies: Vec<[Member; 2]> = Vec::new();
    for shares in [&[4, 8][..], &[2, 2, 4, 4]] {
        let slot = 2 * copies.len();
        copies.push([member(slot, &upstream), member(slot + 1, &deciding)]);
        let mut members: Vec<&mut Member> = copies.iter_mut().flatten().collect();
        settle(&mut members, shares);
    }
    for [upstream, deciding] in &copies {
        assert_eq!((upstream.owned.len(), deciding.owned.len()), (4, 2));
    }
}

#[test]
fn a_member_cannot_commit_after_its_session_timed_out() {
    let mut base = options("away", 1);
    for name in ["session.timeout.ms", "max.poll.interval.ms"] {
        base.overrides.insert(name.to_owned(), "6000".to_owned());
    }
    base.overrides
        .insert("heartbeat.interval.ms".to_owned(), "500".to_owned());
    let (input, output) = (base.inputs[0].clone(), base.outputs[0].clone());
    produce(&input, 0, numbered("in", 10));
    let mut away = Member::new(base.clone());
    away.wait_for_partitions(1);
    let partition = away.owned[0].clone();

    // The first member does not poll any more, so the group gives its partition to the second.
    let mut next = base.clone();
    next.slot = 1;
    let mut next = Member::new(next);
    next.copy_until(10);
    let mut outputs = Outputs::default();
    outputs.push(0, Some(0), None, None, |bytes| bytes.extend_from_slice(b"double"));
    let error = away.log.commit(&outputs, &[(partition.clone(), 3.into())]).unwrap_err();
    assert!(matches!(error, LogError::Aborted(_) | LogError::Fenced(_)), "{error}");
    let error = away.wait(Duration::from_secs(1)).unwrap_err();
    assert!(matches!(error, LogError::Fenced(_)), "{error}");
    assert_eq!(next.log.committed(&[partition]).unwrap(), [Some(10.into())]);
    assert_eq!(committed(&output, 1), [numbered("in", 10)]);

    // With a new log it is a member again.
    drop(next);
    drop(away);
    let mut restarted = Member::new(base);
    produce(&input, 0, ["more"]);
    restarted.copy_until(1);
}

#[test]
fn a_member_that_returns_for_other_topics_gets_their_partitions() {
    let mut base = options("others", 2);
    for (name, value) in [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "500")] {
        base.overrides.insert(name.to_owned(), value.to_owned());
    }
    let other = format!("{}-other", base.group);
    create(&base, &[spec(&other, 1)]);
    let mut member = Member::new(base.clone());
    member.wait_for_partitions(2);
    drop(member);
    base.inputs.push(other);
    Member::new(base).wait_for_partitions(3);
}

/// Whether the group waits for members to join.
fn waits_for_members(group: &str) -> bool {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .create()
        .unwrap();
    let groups = consumer.fetch_group_list(Some(group), LIMIT).unwrap();
    groups
        .groups()
        .iter()
        .any(|group| group.state() == "PreparingRebalance")
}

#[test]
fn members_go_on_while_the_group_waits_for_one_that_does_not_join() {
    let base = options("absent", 6);
    let (input, output) = (base.inputs[0].clone(), base.outputs[0].clone());
    let member = |slot| {
        let mut options = base.clone();
        options.slot = slot;
        options
            .overrides
            .insert("heartbeat.interval.ms".to_owned(), "500".to_owned());
        Member::new(options)
    };
    let (mut first, mut absent) = (member(0), member(1));
    settle(&mut [&mut first, &mut absent], &[3, 3]);
    // The first member gives up a partition for a third one and joins again. The group waits for the other one to do so.
    let mut third = member(2);
    settle(&mut [&mut first, &mut third], &[0, 2]);
    let deadline = Instant::now() + LIMIT;
    while !waits_for_members(&base.group) {
        assert!(Instant::now() < deadline, "the group does not wait for members");
        round(&mut [&mut first, &mut third]);
    }

    let positions: Vec<_> = first.owned.iter().map(|owned| (owned.clone(), 0.into())).collect();
    first.log.commit(&Outputs::default(), &positions).unwrap();
    let owned = first.owned.clone();
    for partition in &owned {
        produce(&input, partition.partition, numbered("meanwhile", 10));
    }
    first.copy_until(10 * owned.len());
    assert!(waits_for_members(&base.group));
    assert_eq!(first.owned, owned);

    settle(&mut [&mut first, &mut absent, &mut third], &[2, 2, 2]);
    for partition in owned {
        let values = &committed(&output, 6)[partition.partition as usize];
        assert_eq!(*values, numbered("meanwhile", 10));
    }
}

/// The error of the first member that ends; each takes part in turn.
fn first_error(members: &mut [Member]) -> LogError {
    let deadline = Instant::now() + LIMIT;
    loop {
        assert!(Instant::now() < deadline, "no member ends");
        for member in members.iter_mut() {
            if let Err(error) = member.round(Duration::from_millis(100)) {
                return error;
            }
        }
    }
}

#[test]
fn members_with_different_secrets_notice() {
    let base = options("secrets", 2);
    for partition in 0..2 {
        produce(&base.inputs[0], partition, numbered("in", 10));
    }
    let with_secret = |slot, fingerprint: &str| {
        let mut options = base.clone();
        options.slot = slot;
        options.pseudonyms.state = Some(fingerprint.to_owned());
        Member::new(options)
    };
    let mut first = with_secret(0, "one");
    first.copy_until(20);
    let error = first_error(&mut [with_secret(1, "another")]);
    assert!(matches!(error, LogError::Fatal(_)), "{error:?}");
    assert!(error.to_string().contains("under another secret"), "{error}");
    // The same secret goes on.
    drop(first);
    let mut successor = with_secret(2, "one");
    produce(&base.inputs[0], 0, ["more"]);
    successor.copy_until(1);
}

#[test]
fn members_with_different_secrets_notice_when_they_start_together() {
    let base = options("together", 2);
    let with_secret = |slot, fingerprint: &str| {
        let mut options = base.clone();
        options.slot = slot;
        options.pseudonyms.state = Some(fingerprint.to_owned());
        Member::new(options)
    };
    let mut members = [with_secret(0, "one"), with_secret(1, "another")];
    let [first, second] = &mut members;
    settle(&mut [first, second], &[1, 1]);
    for partition in 0..2 {
        produce(&base.inputs[0], partition, numbered("in", 10));
    }
    let error = first_error(&mut members);
    assert!(error.to_string().contains("under another secret"), "{error}");
}

#[test]
fn a_member_without_started_partitions_can_still_hand_them_over() {
    let base = options("unstarted", 2);
    produce(&base.inputs[0], 0, numbered("in", 10));
    let mut first = Member::new(base.clone());
    let deadline = Instant::now() + LIMIT;
    // Partitions are assigned and not started, as if their state took long to restore.
    let assigned = loop {
        assert!(Instant::now() < deadline);
        match first.log.wait(Duration::from_secs(1)) {
            Ok(changes) => match changes.into_iter().next() {
                Some(AssignmentChange::Assigned(partitions)) => break partitions,
                Some(change) => panic!("{change:?}"),
                None => {}
            },
            Err(LogError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(assigned.len(), 2);
    let mut options = base.clone();
    options.slot = 1;
    let mut second = Member::new(options);
    let mut revoked = Vec::new();
    while second.owned.is_empty() {
        assert!(Instant::now() < deadline);
        second.wait(Duration::from_millis(5)).unwrap();
        for change in first.log.wait(Duration::from_millis(5)).unwrap() {
            if let AssignmentChange::Revoked(partitions) = change {
                // They are stopped one by one. The last one completes the revocation.
                for partition in &partitions {
                    first.log.stop(std::slice::from_ref(partition)).unwrap();
                }
                revoked = partitions;
            }
        }
    }
    assert_eq!(revoked.len(), 1);
    assert_eq!(second.owned, revoked);
    drop(first);
    second.wait_for_partitions(2);
}
