//! Topics that change under a pipeline: they get partitions, are deleted and created again, hold what cannot be read. What
//! is decided is right, or the partition is not read and says why.

mod compiled;
mod keyed;

use compiled::topology;
use keyed::{KEYED, with_repartition};
use riskstream_events::{FeatureValue, OwnedDecisionRecord};
use riskstream_pipeline::identity;
use riskstream_pipeline::log::{Committed, Log, Outputs, TopicPartition};
use riskstream_pipeline::{TestDriver, WorkerOptions, WorkerRole};
use std::collections::BTreeMap;

/// One payment for each of the customers, in this minute of the day.
fn pay(driver: &TestDriver, customers: std::ops::Range<usize>, minute: u32) {
    for customer in customers {
        let value = format!(
            r#"{{"id":"{customer}-{minute}","customer":"c{customer}","terminal":"t","buyer":"b","time":"2026-03-14T12:{minute:02}:00Z"}}"#
        );
        driver.send(0, &format!("c{customer}"), value.as_bytes(), None);
    }
}

/// How many payments each decision counted.
fn counts(driver: &TestDriver) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for record in driver.decisions() {
        let decision = OwnedDecisionRecord::from_json(&record.value.unwrap()).unwrap();
        let payments = decision.features.iter().find(|(name, _)| *name == "payments");
        let Some((_, FeatureValue::Int(payments))) = payments else {
            panic!("{payments:?}");
        };
        let twice = counts.insert(decision.event_id.clone(), *payments);
        assert_eq!(twice, None, "decided twice");
    }
    counts
}

/// The worker ends and starts anew, as the service lets it when a topic has changed.
fn restart(driver: &mut TestDriver) {
    driver.kill_worker(0);
    driver.add_worker();
}

/// The reasons why partitions are not read.
fn reasons(driver: &mut TestDriver) -> Vec<String> {
    for _ in 0..5 {
        driver.round().unwrap();
    }
    driver
        .stopped()
        .into_iter()
        .map(|stopped| format!("{}: {}", stopped.partition, stopped.reason))
        .collect()
}

#[test]
fn partitions_that_an_input_gets_are_read_and_counts_go_on() {
    let mut driver = TestDriver::new(topology(&with_repartition(), None), 1);
    for minute in 0..3 {
        pay(&driver, 0..8, minute);
    }
    driver.run().unwrap();
    // The worker gets the partitions before it knows that there are more: it begins again.
    driver.broker.grow("payments", 4);
    for minute in 3..5 {
        pay(&driver, 0..16, minute);
    }
    driver.run().unwrap();
    assert_eq!(driver.stopped(), []);
    let live = counts(&driver);
    for customer in 0..8 {
        assert_eq!(live[&format!("{customer}-4")], 5, "customer {customer}");
    }
    assert_eq!(live.len(), 3 * 8 + 2 * 16);

    // A new machine finds the place where the partitions came.
    driver.kill_worker(0);
    driver.stores.lose();
    driver.add_worker();
    pay(&driver, 0..16, 6);
    driver.run().unwrap();
    let rebuilt = counts(&driver);
    for customer in 0..16 {
        let expected = if customer < 8 { 6 } else { 3 };
        assert_eq!(rebuilt[&format!("{customer}-6")], expected, "customer {customer}");
    }
}

#[test]
fn a_topic_whose_partitions_are_those_of_the_state_cannot_get_more() {
    for (text, grown) in [
        (KEYED.to_owned(), "payments"),
        (with_repartition(), "shop-hop-customer"),
    ] {
        let mut driver = TestDriver::new(topology(&text, None), 1);
        pay(&driver, 0..8, 0);
        driver.run().unwrap();
        driver.broker.grow(grown, 4);
        restart(&mut driver);
        pay(&driver, 0..8, 1);
        let reasons = reasons(&mut driver);
        let partitions: usize = if text == KEYED { 4 } else { 5 };
        assert_eq!(reasons.len(), partitions, "{reasons:?}");
        for reason in reasons {
            assert!(
                reason.contains(&format!("{grown} had 1 partitions and now has 4")),
                "{reason}"
            );
        }
        assert_eq!(counts(&driver).len(), 8, "nothing is decided on wrong counts");
    }
}

#[test]
fn a_topic_that_was_created_again_is_refused_until_the_user_resets_it() {
    for text in [KEYED.to_owned(), with_repartition()] {
        let mut driver = TestDriver::new(topology(&text, None), 1);
        for minute in 0..3 {
            pay(&driver, 0..8, minute);
        }
        driver.run().unwrap();
        driver.broker.create("payments", 1);
        restart(&mut driver);
        for minute in 10..14 {
            pay(&driver, 0..16, minute);
        }
        let refused = reasons(&mut driver);
        assert!(!refused.is_empty());
        assert!(
            refused.iter().all(|why| why.contains("riskstream state reset")),
            "{refused:?}"
        );
        assert_eq!(counts(&driver).len(), 3 * 8);

        reset(&driver, "payments", 5);
        restart(&mut driver);
        driver.run().unwrap();
        assert_eq!(driver.stopped(), []);
        let counted = counts(&driver);
        assert_eq!(
            counted.len(),
            3 * 8 + 4 * 16,
            "every payment of the new topic is decided"
        );
        assert_eq!((counted["3-13"], counted["12-13"]), (7, 4));

        // Once more, with the state that knows of the first reset.
        restart(&mut driver);
        pay(&driver, 0..1, 20);
        driver.run().unwrap();
        assert_eq!(counts(&driver)["0-20"], 8);

        // And the same again, though the log has forgotten the epoch of the topic before.
        driver.broker.create("payments", 1);
        restart(&mut driver);
        pay(&driver, 0..1, 30);
        assert!(reasons(&mut driver).iter().all(|why| why.contains("state reset")));
        assert!(!driver.stopped().is_empty());
        reset(&driver, "payments", 6);
        restart(&mut driver);
        driver.run().unwrap();
        assert_eq!(counts(&driver)["0-30"], 9);
    }
}

/// The log forgets a group's positions after some time, and with them the epoch. State remembers it.
#[test]
fn a_forgotten_epoch_is_that_of_the_state() {
    let mut driver = TestDriver::new(topology(KEYED, None), 1);
    pay(&driver, 0..8, 0);
    driver.run().unwrap();
    driver.broker.create("payments", 1);
    reset(&driver, "payments", 5);
    pay(&driver, 0..8, 1);
    restart(&mut driver);
    driver.run().unwrap();
    driver.broker.forget_positions();
    restart(&mut driver);
    pay(&driver, 0..8, 2);
    driver.run().unwrap();
    assert_eq!(driver.stopped(), []);
    let counts = counts(&driver);
    assert_eq!((counts.len(), counts["3-2"]), (24, 3));
}

/// What `riskstream state reset` commits.
fn reset(driver: &TestDriver, name: &str, epoch: u32) {
    let topic = driver.broker.join(Vec::new(), Vec::new()).topic(name).unwrap();
    for partition in 0..topic.partitions {
        let at = TopicPartition {
            topic: name.into(),
            partition,
        };
        let position = Committed {
            topic: identity::renew(&topic, epoch),
            ..Committed::from(0)
        };
        driver.broker.commit(at, position);
    }
}

#[test]
fn a_position_beyond_the_end_is_told_from_one_before_the_beginning() {
    let mut driver = TestDriver::new(topology(KEYED, None), 1);
    pay(&driver, 0..8, 0);
    driver.run().unwrap();
    let at = TopicPartition {
        topic: "payments".into(),
        partition: 0,
    };
    let committed = driver.broker.committed(&at).unwrap();
    driver.broker.commit(
        at.clone(),
        Committed {
            offset: 99,
            ..committed
        },
    );
    driver.kill_worker(0);
    driver.stores.lose();
    driver.add_worker();
    let reasons = reasons(&mut driver);
    assert!(reasons[0].contains("beyond the end of the log at 8"), "{reasons:?}");
}

/// The group's position is set back, and the state removed, as the reason says: what was decided is decided a second time and
/// flagged, whatever happens in between; nothing else is.
#[test]
fn repeated_decisions_are_flagged() {
    for (text, topic) in [
        (KEYED.to_owned(), "payments"),
        (with_repartition(), "shop-hop-customer"),
    ] {
        let mut driver = TestDriver::new(topology(&text, None), 1);
        (0..3).for_each(|round| pay(&driver, 0..8, round));
        driver.run().unwrap();
        let at = TopicPartition {
            topic: topic.into(),
            partition: 0,
        };
        let end = driver.broker.committed(&at).unwrap().offset;
        let decided = driver.decisions().len();
        assert_eq!(decided, 24);
        driver.kill_worker(0);
        // A tool knows nothing of what riskstream notes with a position.
        driver.broker.commit(at.clone(), Committed::from(0));
        driver.add_worker();
        let reasons = reasons(&mut driver);
        assert!(reasons[0].contains("with the flag `repeated`"), "{reasons:?}");
        driver.kill_worker(0);
        driver.stores.lose();
        driver.set_options(WorkerOptions {
            batch_events: 5,
            ..WorkerOptions::default()
        });
        driver.add_worker();
        // Killed once in the middle; the next one has to know as well.
        while driver.decisions().len() < decided + 10 {
            driver.round().unwrap();
        }
        driver.kill_worker(0);
        driver.add_worker();
        pay(&driver, 0..8, 3);
        driver.run().unwrap();
        let flags: Vec<Vec<String>> = driver
            .decisions()
            .iter()
            .map(|record| {
                OwnedDecisionRecord::from_json(record.value.as_ref().unwrap())
                    .unwrap()
                    .flags
            })
            .collect();
        assert_eq!(flags.len(), 24 + 24 + 8, "{topic}");
        for (number, flags) in flags.iter().enumerate() {
            let is_repeated = (24..48).contains(&number);
            assert_eq!(
                flags.contains(&"repeated".to_owned()),
                is_repeated,
                "{topic} {number} {flags:?}"
            );
        }
        let committed = driver.broker.committed(&at).unwrap();
        assert!(committed.offset > end && committed.decided.is_none(), "{committed:?}");
    }
}

/// A transaction is as large as its limit says, however many rows the records between the stages have: it is in memory.
#[test]
fn a_batch_ends_when_its_outputs_are_full() {
    // Of one record, and what is scored together.
    const MOST: usize = 50 + 128;
    let mut driver = TestDriver::new(topology(&with_repartition(), None), 1);
    driver.kill_worker(0);
    driver.set_options(WorkerOptions {
        batch_bytes: 1,
        ..WorkerOptions::default()
    });
    driver.add_worker_of(WorkerRole::Upstream);
    for minute in 0..20 {
        pay(&driver, 0..50, minute);
        driver.round().unwrap();
    }
    driver.add_worker_of(WorkerRole::Deciding);
    let mut decided = 0;
    while decided < 900 {
        driver.round().unwrap();
        let now = driver.decisions().len();
        assert!(now <= decided + MOST, "{now} after {decided}");
        decided = now;
    }
}

#[test]
fn what_cannot_be_read_stops_the_task_after_what_came_before_it() {
    let mut driver = TestDriver::new(topology(&with_repartition(), None), 1);
    pay(&driver, 0..8, 0);
    driver.run().unwrap();
    pay(&driver, 0..8, 1);
    let mut outputs = Outputs::default();
    outputs.push(0, Some(0), None, None, |bytes| {
        bytes.extend_from_slice(b"written by something else");
    });
    let mut stranger = driver.broker.join(Vec::new(), vec!["shop-hop-customer".into()]);
    stranger.append(&outputs).unwrap();
    drop(stranger);
    for _ in 0..5 {
        driver.round().unwrap();
    }
    pay(&driver, 0..8, 2);
    let refused = reasons(&mut driver);
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(
        refused[0].starts_with("shop-hop-customer[0]: unreadable_record: record at offset"),
        "{refused:?}"
    );
    assert_eq!(driver.dead_letters(), []);
    assert!(counts(&driver).len() >= 8);

    // A restart does not pass over it.
    restart(&mut driver);
    assert_eq!(reasons(&mut driver).len(), 1);
}

/// A feature of a second entity.
const TERMINAL: &str = "  visits: {entity: terminal, count: transactions, window: 30d}\n";

/// The pipeline of `text` with a second stage.
fn with_terminals(text: &str) -> String {
    let text = text.replace("customer: text}", "customer: text, terminal: text}");
    let text = text.replace(
        "{customer: {key: customer}}",
        "{customer: {key: customer}, terminal: {key: terminal}}",
    );
    let count = "{payments: {entity: customer, count: transactions, window: 30d}}";
    text.replace(
        count,
        &format!("\n  payments: {}\n{TERMINAL}", &count[11..count.len() - 1]),
    )
}

/// Where rows went through other stages before, none of them is lost or counted from nothing: nothing is read until the pipeline has
/// another name or its former file.
#[test]
fn another_key_or_chain_of_entities_under_the_same_name_is_refused() {
    let keyed = KEYED.to_owned();
    let repartitioned = with_repartition();
    let terminals = with_terminals(&repartitioned);
    let other_key = repartitioned
        .replace("customer: text}", "customer: text, buyer: text}")
        .replace("{customer: {key: customer}}", "{customer: {key: buyer}}");
    let reversed = terminals.replace(
        "{customer: {key: customer}, terminal: {key: terminal}}",
        "{terminal: {key: terminal}, customer: {key: customer}}",
    );
    let other_type = repartitioned.replace("customer: text}", "customer: int}");
    let personal = repartitioned.replace("customer: text}", "customer: {type: text, personal: true}}")
        + "personal_data: {key_env: SECRET}\n";
    let topology = |text: &str| topology(text, Some(b"secret"));
    for (what, before, now) in [
        ("`key:` removed", &keyed, &repartitioned),
        ("`key:` added", &repartitioned, &keyed),
        ("the key of an entity", &repartitioned, &other_key),
        ("an entity added", &repartitioned, &terminals),
        ("an entity removed", &terminals, &repartitioned),
        ("entities in another order", &terminals, &reversed),
        ("a key of another type", &repartitioned, &other_type),
        ("a key that is personal now", &repartitioned, &personal),
    ] {
        for keeps_state in [true, false] {
            let mut driver = TestDriver::new(topology(before), 2);
            pay(&driver, 0..8, 0);
            driver.run().unwrap();
            driver.change(topology(now));
            if !keeps_state {
                driver.stores.lose();
            }
            pay(&driver, 0..8, 1);
            let refused = reasons(&mut driver);
            assert!(refused.len() >= 2, "{what}: {refused:?}");
            for reason in refused {
                assert!(reason.contains("would now be read as"), "{what}: {reason}");
                assert!(reason.contains("Give the pipeline another name"), "{what}: {reason}");
                assert!(!reason.contains("created again"), "{what}: {reason}");
            }
            assert_eq!(counts(&driver).len(), 8, "{what}: nothing is decided");

            driver.change(topology(before));
            driver.run().unwrap();
            assert_eq!(driver.stopped(), [], "{what}");
            assert_eq!(counts(&driver)["3-1"], 2, "{what}");
        }
    }
}

/// A group without members for long has no positions; the state still knows which topic it comes from.
#[test]
fn state_of_another_topic_is_refused_without_positions() {
    for (before, now, advice) in [
        (KEYED.to_owned(), with_repartition(), "`key:`, the inputs in use"),
        (
            with_repartition(),
            KEYED.to_owned(),
            "or the pipeline file names another one now",
        ),
    ] {
        let mut driver = TestDriver::new(topology(&before, None), 1);
        pay(&driver, 0..8, 0);
        driver.run().unwrap();
        driver.broker.forget_positions();
        driver.change(topology(&now, None));
        let refused = reasons(&mut driver);
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].contains(advice), "{refused:?}");
        assert_eq!(counts(&driver).len(), 8);
    }
}

#[test]
fn a_chain_of_many_long_names_is_short_and_still_told_apart() {
    let long = |last: &str| {
        let names: Vec<String> = (0..9).map(|n| format!("{}{n}", "a_long_name".repeat(5))).collect();
        let fields: String = names.iter().map(|name| format!(", {name}: text")).collect();
        let entities: String = names.iter().map(|name| format!(", {name}: {{key: {name}}}")).collect();
        let features = names.iter().enumerate();
        let features: String = features
            .map(|(n, name)| format!("  count_{n}: {{entity: {name}, count: transactions, window: 1d}}\n"))
            .collect();
        let text = with_terminals(&with_repartition());
        let text = text.replace("terminal: text}", &format!("terminal: text, {last}: text{fields}}}"));
        let text = text.replace(
            "terminal: {key: terminal}}",
            &format!("terminal: {{key: terminal}}{entities}, z: {{key: {last}}}}}"),
        );
        let text = text.replace(
            TERMINAL,
            &format!("{TERMINAL}{features}  z: {{entity: z, count: transactions, window: 1d}}\n"),
        );
        topology(&text, None).chain()
    };
    let (one, other) = (long("one"), long("other"));
    assert!(
        one.starts_with("ingest>customer:customer/text>terminal:terminal/text>"),
        "{one}"
    );
    assert!(one.len() <= 400 && other.len() <= 400, "{one}");
    assert_ne!(one, other);
}
