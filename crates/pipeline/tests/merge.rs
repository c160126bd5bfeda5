//! The merge of a repartition partition: rows come in the order of their watermarks, labels first, none lost and none
//! twice, however the frames of the sources lie in the log.

use proptest::prelude::*;
use riskstream_engine::Event;
use riskstream_events::{Flags, FrameError, FrameHeader};
use riskstream_pipeline::merge::{LoadFrame, Merge};
use riskstream_pipeline::progress::{Phase, Watermark};
use riskstream_pipeline::record_result::Sequenced;
use riskstream_pipeline::repartition::IdleNotice;
use riskstream_pipeline::sources::{SourceId, Sources};
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};

/// A row as the tests know it: watermark, whether it is a label, source, sequence.
type Key = (i64, bool, u32, i64);

fn encode(rows: &[Key]) -> Vec<u8> {
    rows.iter()
        .flat_map(|(watermark, transaction, source, sequence)| {
            [
                watermark.to_le_bytes(),
                i64::from(*transaction).to_le_bytes(),
                i64::from(*source).to_le_bytes(),
                sequence.to_le_bytes(),
            ]
        })
        .flatten()
        .collect()
}

fn decode(bytes: &[u8], rows: &mut VecDeque<Sequenced>) -> Result<(), FrameError> {
    for row in bytes.chunks_exact(32) {
        let number = |index: usize| i64::from_le_bytes(row[index * 8..][..8].try_into().unwrap());
        let input = u8::from(number(1) == 0);
        let event = Event {
            input,
            watermark: number(0),
            flags: Flags(number(2) as u16),
            row: Vec::new(),
        };
        rows.push_back(Sequenced {
            sequence: number(3),
            event,
        });
    }
    Ok(())
}

/// A merge of `sources` partitions of one input, none of which has sent anything.
fn merge(sources: usize) -> Merge {
    let mut merge = Merge::new(&Sources::default(), None);
    merge.expect(&[sources as u32]);
    merge
}

fn pop_all(merge: &mut Merge) -> Vec<(i64, bool, u32)> {
    pop_all_from(merge, &|source, offset| {
        panic!("the frame at {offset} of {source:?} is in memory")
    })
}

/// Pops rows, with frames from the state as far as they are not in memory.
fn pop_all_from(merge: &mut Merge, load: LoadFrame<'_>) -> Vec<(i64, bool, u32)> {
    let mut rows = Vec::new();
    while let Some(event) = merge.pop(&mut decode, load).unwrap() {
        rows.push((event.watermark, event.input == 0, u32::from(event.flags.0)));
    }
    rows
}

fn push(merge: &mut Merge, source: u32, live: bool, watermark: i64, offset: i64, rows: &[Key]) {
    merge
        .push(
            FrameHeader {
                source,
                live,
                watermark,
            },
            0,
            offset,
            &encode(rows),
            &mut decode,
        )
        .unwrap();
}

fn partition(partition: i32) -> SourceId {
    SourceId::new(0, partition)
}

/// Declares all sources idle.
fn mark_all_idle(merge: &mut Merge) {
    for (source, mark) in merge.marks().iter() {
        merge.mark_idle(IdleNotice {
            source,
            last_record: mark.last_record,
        });
    }
}

/// Frames of each source: rows with watermarks that never fall, cut into frames anywhere.
fn sources() -> impl Strategy<Value = Vec<Vec<Vec<(i64, bool)>>>> {
    let frame = prop::collection::vec((0..3i64, any::<bool>()), 0..4);
    prop::collection::vec(prop::collection::vec(frame, 0..6), 1..5)
}

proptest! {
    #[test]
    fn rows_come_in_order_however_frames_lie(sources in sources(), choices in prop::collection::vec(any::<prop::sample::Index>(), 40)) {
        let mut merge = merge(sources.len());
        let mut next = vec![0; sources.len()];
        let mut watermarks = vec![0; sources.len()];
        let mut sequences = vec![0; sources.len()];
        let mut expected = Vec::new();
        let mut got = Vec::new();
        for (offset, choice) in choices.iter().enumerate() {
            let open: Vec<usize> = (0..sources.len()).filter(|&s| next[s] < sources[s].len()).collect();
            if open.is_empty() { break }
            let source = open[choice.index(open.len())];
            let rows: Vec<Key> = sources[source][next[source]].iter().map(|&(step, transaction)| {
                watermarks[source] += step;
                sequences[source] += 1;
                (watermarks[source], transaction, source as u32, sequences[source])
            }).collect();
            next[source] += 1;
            expected.extend(rows.iter().copied());
            push(&mut merge, source as u32, false, watermarks[source], offset as i64, &rows);
            got.extend(pop_all(&mut merge));
        }
        mark_all_idle(&mut merge);
        got.extend(pop_all(&mut merge));
        // What each source sent keeps its order; between sources the watermark decides, then label before transaction.
        prop_assert_eq!(got.len(), expected.len());
        prop_assert!(got.windows(2).all(|pair| pair[0].0 <= pair[1].0), "watermarks fall: {:?}", got);
        for source in 0..sources.len() as u32 {
            let sent: Vec<_> = expected.iter().filter(|row| row.2 == source).map(|row| (row.0, row.1, row.2)).collect();
            let seen: Vec<_> = got.iter().filter(|row| row.2 == source).copied().collect();
            prop_assert_eq!(sent, seen);
        }
        prop_assert!(merge.is_live());
    }
}

#[test]
fn of_equal_watermarks_the_label_comes_first() {
    let mut merge = merge(2);
    push(&mut merge, 0, false, 10, 0, &[(10, true, 0, 1)]);
    assert_eq!(pop_all(&mut merge), []);
    push(&mut merge, 1, false, 10, 1, &[(10, false, 1, 1)]);
    assert_eq!(
        pop_all(&mut merge),
        [(10, false, 1)],
        "the transaction waits: source 1 may send another label of that moment"
    );
    push(&mut merge, 1, false, 11, 2, &[]);
    assert_eq!(pop_all(&mut merge), [(10, true, 0)]);
}

#[test]
fn a_live_row_waits_for_a_source_without_frames_and_not_for_a_live_one() {
    let mut merge = merge(2);
    push(&mut merge, 0, true, 10, 0, &[(10, true, 0, 1)]);
    assert_eq!(pop_all(&mut merge), []);
    push(&mut merge, 1, true, i64::MIN, 1, &[]);
    assert_eq!(pop_all(&mut merge), [(10, true, 0)]);
}

#[test]
fn a_row_of_history_waits_for_a_live_source_until_that_is_idle() {
    let mut merge = merge(3);
    push(&mut merge, 1, true, 3, 0, &[]);
    push(&mut merge, 2, true, 20, 1, &[]);
    push(&mut merge, 0, false, 10, 2, &[(10, true, 0, 1)]);
    assert_eq!(pop_all(&mut merge), []);
    let idle = Watermark {
        time: 3,
        phase: Phase::Idle,
    };
    merge.announce(partition(1), idle, 0, 3);
    assert_eq!(pop_all(&mut merge), [(10, true, 0)]);
    assert_eq!(merge.watermark(), Some(10));

    // After its next frame it is awaited again.
    push(&mut merge, 1, true, 11, 4, &[]);
    push(&mut merge, 0, false, 12, 5, &[(12, true, 0, 2)]);
    assert_eq!(pop_all(&mut merge), []);
    push(&mut merge, 1, true, 13, 6, &[]);
    assert_eq!(pop_all(&mut merge), [(12, true, 0)]);
}

/// Sources that were idle when a first source began to catch up may have got history, too.
#[test]
fn history_waits_for_idle_sources_until_they_are_announced_again() {
    let mut merge = merge(3);
    let announce = |merge: &mut Merge, source, time, phase, offset| {
        merge.announce(partition(source), Watermark { time, phase }, 0, offset);
    };
    for source in 0..3 {
        announce(&mut merge, source, 3, Phase::Idle, 0);
    }
    push(&mut merge, 0, false, 20, 1, &[(10, true, 0, 1), (20, true, 0, 2)]);
    merge.begin_catch_up(1);
    assert_eq!(pop_all(&mut merge), []);
    assert_eq!(merge.watermark(), Some(3), "older rows may come");

    // One has got history, the other nothing. A restart does not forget which were announced.
    push(&mut merge, 1, false, 15, 2, &[(8, true, 1, 1), (15, true, 1, 2)]);
    merge.begin_catch_up(2);
    assert_eq!(merge.catch_up_from(), Some(1), "it is the same catch-up");
    let mut restored = Merge::new(&merge.marks(), merge.catch_up_from());
    announce(&mut restored, 2, 3, Phase::Idle, 3);
    assert_eq!(restored.watermark(), Some(15));
    announce(&mut merge, 2, 3, Phase::Idle, 3);
    assert_eq!(pop_all(&mut merge), [(8, true, 1), (10, true, 0), (15, true, 1)]);
    announce(&mut merge, 1, 15, Phase::Idle, 4);
    announce(&mut merge, 0, 20, Phase::Idle, 5);
    assert_eq!(pop_all(&mut merge), [(20, true, 0)]);
    assert_eq!(merge.catch_up_from(), None);

    // What is live does not wait for them.
    push(&mut merge, 0, true, 30, 6, &[(30, true, 0, 3)]);
    assert_eq!(pop_all(&mut merge), [(30, true, 0)]);
}

#[test]
fn history_does_not_wait_for_idle_sources_for_ever() {
    let mut merge = merge(2);
    for source in 0..2 {
        let phase = Phase::Idle;
        merge.announce(partition(source), Watermark { time: 3, phase }, 0, 0);
    }
    push(&mut merge, 0, false, 10, 7, &[(9, true, 0, 1)]);
    merge.begin_catch_up(7);
    assert!(merge.awaits_idle_sources());
    merge.end_wait_for_idle(6, 8);
    assert_eq!(pop_all(&mut merge), [], "that was another catch-up");
    merge.end_wait_for_idle(7, 9);
    assert!(!merge.awaits_idle_sources());
    assert_eq!(pop_all(&mut merge), [(9, true, 0)]);
}

#[test]
fn an_idle_notice_is_void_if_the_source_has_sent_a_frame_since() {
    let mut merge = merge(2);
    push(&mut merge, 1, true, 3, 0, &[]);
    push(&mut merge, 0, false, 10, 1, &[(10, true, 0, 1)]);
    let idle = |source, last_record| IdleNotice {
        source: partition(source),
        last_record,
    };
    push(&mut merge, 1, true, 4, 2, &[]);
    merge.mark_idle(idle(1, 0));
    assert_eq!(pop_all(&mut merge), []);
    merge.mark_idle(idle(9, -1));
    merge.mark_idle(idle(1, 2));
    assert_eq!(pop_all(&mut merge), [(10, true, 0)]);
}

#[test]
fn the_watermark_is_that_of_the_source_furthest_behind_and_idle_ones_do_not_count() {
    let mut merge = merge(3);
    push(&mut merge, 0, true, 10, 0, &[]);
    push(&mut merge, 1, true, 11, 1, &[]);
    assert_eq!(merge.watermark(), Some(i64::MIN));
    assert!(!merge.is_live());
    let idle = |time| Watermark {
        time,
        phase: Phase::Idle,
    };
    merge.announce(partition(2), idle(i64::MIN), 0, 2);
    assert_eq!(merge.watermark(), Some(10));
    assert!(merge.is_live() && !merge.is_idle());
    merge.announce(partition(0), idle(10), 0, 3);
    merge.announce(partition(1), idle(11), 0, 4);
    assert!(merge.is_idle());
    assert_eq!(merge.watermark(), None);
}

#[test]
fn rows_written_twice_are_released_once() {
    let mut merge = merge(1);
    push(&mut merge, 0, true, 2, 0, &[(1, true, 0, 1), (2, true, 0, 2)]);
    assert_eq!(pop_all(&mut merge).len(), 2);
    push(&mut merge, 0, true, 3, 1, &[(2, true, 0, 2), (3, true, 0, 3)]);
    assert_eq!(pop_all(&mut merge), [(3, true, 0)]);
    assert_eq!(merge.take_repeated(), 1);
}

#[test]
fn waiting_frames_are_stored_once_and_restored_where_they_were() {
    let mut merge = merge(2);
    push(&mut merge, 0, false, 5, 7, &[(1, true, 0, 1), (5, true, 0, 2)]);
    push(&mut merge, 1, false, 3, 8, &[]);
    assert_eq!(pop_all(&mut merge), [(1, true, 0)]);
    let stored: Vec<(SourceId, i64, Vec<u8>)> = merge.unstored().map(|(s, o, bytes)| (s, o, bytes.to_vec())).collect();
    assert_eq!(
        stored.iter().map(|(s, o, _)| (*s, *o)).collect::<Vec<_>>(),
        [(partition(0), 7)]
    );
    assert_eq!(merge.unstored().count(), 0);

    let mut restored = Merge::new(&merge.marks(), merge.catch_up_from());
    for (source, offset, bytes) in stored {
        let head = FrameHeader {
            source: source.number(),
            live: false,
            watermark: 5,
        };
        restored.restore_frame(head, offset, &bytes, &mut decode).unwrap();
    }
    assert_eq!(pop_all(&mut restored), []);
    push(&mut restored, 1, false, 6, 9, &[]);
    assert_eq!(pop_all(&mut restored), [(5, true, 0)]);
    assert_eq!(restored.finished().collect::<Vec<_>>(), [(partition(0), 7)]);
}

/// A former owner that was paused writes late: its rows are there already, and how it was read then no longer counts.
#[test]
fn what_a_former_owner_announces_late_has_no_effect() {
    let mut merge = merge(2);
    let announce = |merge: &mut Merge, source, phase, generation, offset| {
        merge.announce(partition(source), Watermark { time: 5, phase }, generation, offset);
    };
    announce(&mut merge, 1, Phase::CatchingUp, 8, 0);
    push(&mut merge, 0, true, 9, 1, &[(9, true, 0, 1)]);
    announce(&mut merge, 1, Phase::Live, 7, 2);
    assert_eq!(pop_all(&mut merge), [], "the owner of generation 8 is catching up");
    announce(&mut merge, 1, Phase::Live, 8, 3);
    assert_eq!(pop_all(&mut merge), [(9, true, 0)]);
    announce(&mut merge, 1, Phase::CatchingUp, 7, 4);
    push(&mut merge, 0, true, 12, 5, &[(12, true, 0, 2)]);
    assert_eq!(pop_all(&mut merge), [(12, true, 0)]);
}

/// A topic gets another partition: rows wait for it from the record on that says so, not from the beginning, so that a replay
/// finds the same order.
#[test]
fn a_source_that_is_added_is_waited_for_from_then_on() {
    let mut merge = merge(1);
    push(&mut merge, 0, false, 5, 0, &[(4, true, 0, 1)]);
    assert_eq!(pop_all(&mut merge), [(4, true, 0)]);
    merge.expect(&[2]);
    push(&mut merge, 0, false, 9, 1, &[(8, true, 0, 2)]);
    assert_eq!(pop_all(&mut merge), [], "the new source has not been announced");
    merge.expect(&[1]);
    push(&mut merge, 1, false, 9, 2, &[(7, true, 1, 1)]);
    assert_eq!(pop_all(&mut merge), [(7, true, 1), (8, true, 0)]);
}

/// Before the first record it is not known which sources there are.
#[test]
fn a_merge_without_sources_is_neither_live_nor_idle() {
    let merge = Merge::new(&Sources::default(), None);
    assert!(!merge.is_live() && !merge.is_idle());
    assert_eq!(merge.watermark(), Some(i64::MIN));
}

/// What waits beyond a megabyte lies in the state only, and is read again when its turn comes.
#[test]
fn frames_that_wait_do_not_stay_in_memory() {
    let mut merge = merge(2);
    let mut state = BTreeMap::new();
    let mut expected = Vec::new();
    for offset in 0..200 {
        let rows: Vec<Key> = (0..400).map(|row| (offset, true, 0, offset * 400 + row + 1)).collect();
        expected.extend(rows.iter().map(|row| (row.0, row.1, row.2)));
        push(&mut merge, 0, false, offset, offset, &rows);
        let collected = merge
            .unstored()
            .map(|(source, offset, bytes)| ((source, offset), bytes.to_vec()));
        state.extend(collected);
        merge.written();
    }
    assert_eq!(merge.waiting(), 200);
    assert!(state.values().map(Vec::len).sum::<usize>() > 2 << 20);
    let loaded = Cell::new(0);
    let load = |source, offset| {
        loaded.set(loaded.get() + 1);
        Ok(state[&(source, offset)].clone())
    };
    push(&mut merge, 1, false, 1000, 200, &[]);
    assert_eq!(pop_all_from(&mut merge, &load), expected);
    assert!(loaded.get() > 100, "{} frames were loaded", loaded.get());
    assert_eq!(merge.finished().count(), 200);
}
