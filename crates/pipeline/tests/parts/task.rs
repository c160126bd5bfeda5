//! A task: source, state and sink together.

use crate::shop::{
    CUSTOMER, DEAD_LETTERS, DECISIONS, SECOND, Shop, TERMINAL, TO_CUSTOMER, TO_TERMINAL, TRANSACTIONS, partition,
    payment, record,
};
use riskstream_features::state::MemoryState;
use riskstream_pipeline::log::TopicIdentity;
use riskstream_pipeline::progress::{Phase, Watermark};
use riskstream_pipeline::task::{Processed, Start, Task};
use riskstream_pipeline::{StageState, TaskError};

fn start(position: i64, committed: i64) -> Start {
    Start {
        topic: TopicIdentity::default(),
        position,
        committed,
        decided: None,
        watermark: None,
    }
}

fn ingest(shop: &mut Shop, start: Start) -> Task {
    let (source, sink) = (shop.input(TRANSACTIONS), shop.writer(CUSTOMER, 1, 0));
    Task::open(partition("transactions"), source, None, sink, start).unwrap()
}

/// A task of the last stage that reads an input topic.
fn deciding(shop: &Shop, start: Start) -> Task {
    let state = StageState::new(
        &shop.compiled.plan,
        CUSTOMER,
        Box::new(MemoryState::default()),
        TopicIdentity::default(),
    );
    let (source, sink) = (shop.input(TRANSACTIONS), shop.decisions());
    Task::open(partition("transactions"), source, Some(state), sink, start).unwrap()
}

fn process(shop: &mut Shop, task: &mut Task, offset: i64, value: &[u8]) -> Result<Processed, TaskError> {
    task.process(record(offset, value), &mut shop.context())
}

#[test]
fn event_times_before_2000_are_counted_and_the_first_is_named() {
    const JANUARY_1970: i64 = 1_773_480;
    const YEAR_2000: i64 = 946_684_800;
    for (keys, expected) in [("", 2), ("min_time: 1970-01-01", 0)] {
        let mut shop = match keys {
            "" => Shop::new(),
            keys => Shop::with_input_keys(keys),
        };
        let mut task = ingest(&mut shop, start(0, 0));
        for (offset, second) in [(0, YEAR_2000), (1, YEAR_2000 - 1), (2, JANUARY_1970)] {
            process(&mut shop, &mut task, offset, &payment("a", second)).unwrap();
        }
        assert_eq!(shop.tally.doubtful_times, expected);
        let first = (expected > 0).then(|| (partition("transactions"), 1));
        assert_eq!(shop.tally.first_doubtful, first);
    }
}

#[test]
fn an_ingest_task_is_a_task_without_state() {
    let mut shop = Shop::new();
    let mut task = ingest(&mut shop, start(4, 4));
    process(&mut shop, &mut task, 4, &payment("a", 9)).unwrap();
    shop.finish(&mut task, Phase::CatchingUp);
    assert_eq!(shop.written(TO_CUSTOMER).len(), 1);
    task.write(5).unwrap();
    let committed = task.committed(5);
    assert_eq!((committed.offset, committed.watermark), (5, Some(9 * SECOND)));

    // After an abort it goes back to its watermark and position as of the last write.
    process(&mut shop, &mut task, 5, &payment("b", 20)).unwrap();
    assert_eq!(task.input_watermark(), Some(20 * SECOND));
    assert_eq!(task.restore().unwrap(), 5);
    assert_eq!(task.input_watermark(), Some(9 * SECOND));

    // A successor begins with the watermark that was committed.
    let watermark = committed.watermark;
    let successor = ingest(
        &mut shop,
        Start {
            watermark,
            ..start(5, 5)
        },
    );
    assert_eq!(successor.input_watermark(), Some(9 * SECOND));
}

#[test]
fn what_was_committed_before_is_replayed_for_state_only() {
    let mut shop = Shop::new();
    let mut task = deciding(&shop, start(0, 3));
    for offset in 0..2 {
        process(&mut shop, &mut task, offset, &payment(&format!("t{offset}"), offset)).unwrap();
    }
    process(&mut shop, &mut task, 2, b"no payment").unwrap();
    shop.finish(&mut task, Phase::Live);
    assert!(shop.outputs.is_empty(), "neither decisions nor dead letters");
    process(&mut shop, &mut task, 3, &payment("t3", 3)).unwrap();
    shop.finish(&mut task, Phase::Live);
    let decisions = shop.written(DECISIONS);
    assert_eq!(decisions.len(), 1);
    let decision = String::from_utf8(decisions[0].clone()).unwrap();
    assert!(decision.contains(r#""payments":3"#), "{decision}");
    assert_eq!(task.committed(4).watermark, None, "the state keeps it");
}

#[test]
fn an_aborted_batch_changes_nothing() {
    let mut shop = Shop::new();
    let mut task = deciding(&shop, start(0, 0));
    let first = payment("a", 1);
    process(&mut shop, &mut task, 0, &first).unwrap();
    shop.finish(&mut task, Phase::Live);
    let decision = shop.written(DECISIONS);
    assert_eq!(task.restore().unwrap(), 0);
    process(&mut shop, &mut task, 0, &first).unwrap();
    shop.finish(&mut task, Phase::Live);
    assert_eq!(shop.written(DECISIONS), decision);
    task.write(1).unwrap();
    assert_eq!((task.position(), task.restore().unwrap()), (1, 1));
}

#[test]
fn what_cannot_be_used_is_a_dead_letter() {
    let mut shop = Shop::new();
    let mut task = deciding(&shop, start(0, 0));
    assert_eq!(process(&mut shop, &mut task, 0, b"{").unwrap(), Processed::Events(0));
    assert_eq!(shop.written(DEAD_LETTERS), [b"{"]);
}

#[test]
fn a_stage_in_the_middle_passes_on_what_it_has_applied() {
    let mut shop = Shop::new();
    let state = StageState::new(
        &shop.compiled.plan,
        CUSTOMER,
        Box::new(MemoryState::default()),
        TopicIdentity::default(),
    );
    let (source, sink) = (shop.repartition(CUSTOMER), shop.writer(TERMINAL, 1, 0));
    let mut task = Task::open(partition("repartition"), source, Some(state), sink, start(0, 0)).unwrap();
    let mut feeder = ingest(&mut shop, start(0, 0));
    process(&mut shop, &mut feeder, 0, &payment("a", 1)).unwrap();
    shop.finish(&mut feeder, Phase::CatchingUp);
    let frame = shop.written(TO_CUSTOMER).pop().unwrap();
    assert_eq!(process(&mut shop, &mut task, 0, &frame).unwrap(), Processed::Events(0));
    assert_eq!(task.waiting_frames(), 1);
    shop.finish(&mut task, Phase::CatchingUp);
    shop.appended.clear();
    task.write(1).unwrap();

    let mut other = shop.writer(CUSTOMER, 1, 1);
    let idle = Watermark {
        time: i64::MIN,
        phase: Phase::Idle,
    };
    shop.flush(&mut other, idle);
    let notice = shop.written(TO_CUSTOMER).pop().unwrap();
    assert_eq!(process(&mut shop, &mut task, 1, &notice).unwrap(), Processed::Events(1));
    shop.finish(&mut task, Phase::CatchingUp);
    assert_eq!(shop.written(TO_TERMINAL).len(), 1);

    // The frame that waited is in the state: after an abort it waits again.
    assert_eq!(task.restore().unwrap(), 1);
    assert_eq!(task.waiting_frames(), 1);
}
