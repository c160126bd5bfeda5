//! A sink alone: events in, records out.

use crate::shop::{CUSTOMER, DECISIONS, LABELS, SECOND, Shop, TERMINAL, TO_CUSTOMER, TO_TERMINAL, TRANSACTIONS};
use riskstream_events::OwnedDecisionRecord;
use riskstream_pipeline::frame_set::FrameSet;
use riskstream_pipeline::partitioner;
use riskstream_pipeline::progress::{Phase, Watermark};
use riskstream_pipeline::record_result::Sequenced;
use riskstream_pipeline::repartition::{Content, RepartitionFormat};
use riskstream_pipeline::sink::{RepartitionSink, Sink};
use riskstream_pipeline::sources::SourceId;

fn push(shop: &mut Shop, sink: &mut Sink, input: u8, id: &str) {
    let event = shop.event(input, id, 1);
    sink.push(Sequenced { sequence: 1, event }, &mut shop.context());
}

fn live(time: i64) -> Watermark {
    Watermark {
        time,
        phase: Phase::Live,
    }
}

/// The partitions that were written to and the sizes of their records.
fn written(shop: &mut Shop) -> Vec<(i32, usize)> {
    let records = shop.appended.records().iter();
    let written = records.map(|record| (record.partition.unwrap(), shop.appended.value(record).unwrap().len()));
    let written = written.collect();
    shop.appended.clear();
    written
}

#[test]
fn an_event_goes_to_the_partition_of_the_next_entity() {
    let mut shop = Shop::new();
    for (stage, key) in [(CUSTOMER, "c"), (TERMINAL, "t")] {
        let mut sink = shop.writer(stage, 8, 0);
        shop.flush(&mut sink, live(0));
        shop.appended.clear();
        push(&mut shop, &mut sink, TRANSACTIONS, "a");
        assert!(shop.appended.is_empty(), "rows of a batch share a record");
        shop.flush(&mut sink, live(0));
        let partitions: Vec<i32> = written(&mut shop).iter().map(|(partition, _)| *partition).collect();
        assert_eq!(partitions, [partitioner::partition(key.as_bytes(), 8)]);
    }
}

#[test]
fn labels_go_only_where_a_feature_uses_them() {
    let mut shop = Shop::new();
    for (stage, topic, goes) in [(CUSTOMER, TO_CUSTOMER, true), (TERMINAL, TO_TERMINAL, false)] {
        let mut sink = shop.writer(stage, 1, 0);
        shop.flush(&mut sink, live(0));
        let empty = shop.written(topic)[0].len();
        push(&mut shop, &mut sink, LABELS, "a");
        shop.flush(&mut sink, live(SECOND));
        let sizes: Vec<usize> = shop.written(topic).iter().map(Vec::len).collect();
        assert_eq!(
            sizes.iter().any(|size| *size > empty + 8),
            goes,
            "stage {stage}: {sizes:?}"
        );
    }
}

#[test]
fn a_watermark_is_announced_to_all_partitions_at_once_or_every_second() {
    let mut shop = Shop::new();
    let mut sink = shop.writer(CUSTOMER, 3, 0);
    let mut announced = |now: i64, watermark: Watermark| {
        shop.now = now;
        shop.flush(&mut sink, watermark);
        written(&mut shop).len()
    };
    assert_eq!(announced(0, live(1)), 3, "at the start");
    assert_eq!(announced(10, live(2)), 0, "a live source was announced just before");
    assert_eq!(announced(SECOND, live(2)), 3);
    assert_eq!(announced(3 * SECOND, live(2)), 0, "nothing new");
    let behind = |time| Watermark {
        time,
        phase: Phase::CatchingUp,
    };
    assert_eq!(announced(3 * SECOND, behind(2)), 3, "readers wait for it from here on");
    assert_eq!(announced(3 * SECOND, behind(3)), 3, "and at every step");
    let idle = Watermark {
        time: 3,
        phase: Phase::Idle,
    };
    assert_eq!(announced(4 * SECOND, idle), 3, "they wait for it no more");
    assert_eq!(announced(9 * SECOND, idle), 0, "it costs nothing from here on");
}

#[test]
fn the_sources_of_a_worker_share_a_record() {
    let mut shop = Shop::new();
    let mut first = shop.writer(CUSTOMER, 2, 0);
    let mut second = Sink::Repartition(RepartitionSink {
        stage: CUSTOMER,
        source: SourceId::new(0, 1),
    });
    push(&mut shop, &mut first, TRANSACTIONS, "a");
    push(&mut shop, &mut second, TRANSACTIONS, "b");
    first.flush(live(1), &mut shop.context());
    shop.flush(&mut second, live(2));
    let format = RepartitionFormat::new(shop.plan(), CUSTOMER);
    let records = shop.written(TO_CUSTOMER);
    let sets: Vec<FrameSet<'_>> = records.iter().map(|value| frames(&format, value)).collect();
    let counts: Vec<(usize, usize)> = sets.iter().map(|set| (set.frames.len(), set.marks.len())).collect();
    let with_rows = partitioner::partition(b"c", 2) as usize;
    assert_eq!(counts[with_rows], (2, 0), "a frame of each");
    assert_eq!(counts[1 - with_rows], (0, 2), "no rows, but how far both are");
}

/// A source whose frame told one partition that it is live is idle again without a new watermark.
#[test]
fn a_source_that_woke_up_for_a_moment_is_announced_as_idle_again() {
    let mut shop = Shop::new();
    let mut sink = shop.writer(CUSTOMER, 1, 0);
    let idle = Watermark {
        time: 5,
        phase: Phase::Idle,
    };
    shop.flush(&mut sink, idle);
    shop.now = 10;
    push(&mut shop, &mut sink, TRANSACTIONS, "a");
    shop.flush(&mut sink, live(5));
    shop.appended.clear();
    shop.now = SECOND;
    shop.flush(&mut sink, idle);
    let format = RepartitionFormat::new(shop.plan(), CUSTOMER);
    let records = shop.written(TO_CUSTOMER);
    assert_eq!(frames(&format, &records[0]).marks, [(SourceId::new(0, 0), idle)]);
}

fn frames<'a>(format: &RepartitionFormat, value: &'a [u8]) -> FrameSet<'a> {
    match format.parse(value) {
        Ok(Content::Frames(set)) => set,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_aborted_batch_is_written_again_only_as_it_comes_again() {
    let mut shop = Shop::new();
    let mut sink = shop.writer(CUSTOMER, 1, 0);
    push(&mut shop, &mut sink, TRANSACTIONS, "a");
    shop.writers.restart();
    shop.flush(&mut sink, live(0));
    let empty = written(&mut shop);
    shop.writers.restart();
    shop.flush(&mut sink, live(0));
    assert_eq!(written(&mut shop), empty, "the watermark, no row");
}

#[test]
fn the_last_stage_decides_transactions_and_drops_labels() {
    let mut shop = Shop::new();
    let mut sink = shop.decisions();
    push(&mut shop, &mut sink, TRANSACTIONS, "a");
    push(&mut shop, &mut sink, LABELS, "a");
    push(&mut shop, &mut sink, TRANSACTIONS, "b");
    shop.flush(&mut sink, live(0));
    let decisions = shop.written(DECISIONS);
    let decisions = decisions
        .iter()
        .map(|bytes| OwnedDecisionRecord::from_json(bytes).unwrap());
    let ids: Vec<String> = decisions.map(|decision| decision.event_id).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(shop.tally.decisions.values().sum::<u64>(), 2);
}

#[test]
fn transactions_of_an_aborted_batch_are_not_decided() {
    let mut shop = Shop::new();
    let mut sink = shop.decisions();
    push(&mut shop, &mut sink, TRANSACTIONS, "a");
    sink.restart();
    shop.flush(&mut sink, live(0));
    assert!(shop.outputs.is_empty());
}
