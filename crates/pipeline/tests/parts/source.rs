//! A source alone: records in, events in order out.

use crate::shop::{CUSTOMER, LABELS, SECOND, Shop, TRANSACTIONS, partition, payment, record};
use riskstream_engine::Event;
use riskstream_events::{InputDecoder, ReasonCode, SchemaReference, SchemaSource, SchemaSourceError, Slot, ValueType};
use riskstream_features::state::MemoryState;
use riskstream_pipeline::input_source::InputSource;
use riskstream_pipeline::log::{Outputs, RecordRef, SCHEMA_ID_HEADER, TopicIdentity};
use riskstream_pipeline::partitioner::murmur2;
use riskstream_pipeline::progress::{Phase, Watermark};
use riskstream_pipeline::record_result::{RecordResult, Sequenced};
use riskstream_pipeline::repartition::{Content, RepartitionFormat};
use riskstream_pipeline::sink::Sink;
use riskstream_pipeline::source::Source;
use riskstream_pipeline::stage_state::StageState;
use std::sync::Arc;

/// Ids and numbers of the events that may be applied now.
fn next(shop: &mut Shop, source: &mut Source) -> Vec<(String, i64)> {
    let mut events = Vec::new();
    while let Some(row) = source.next_event(None, &mut shop.context()).unwrap() {
        events.push((row.event.id().to_owned(), row.sequence));
    }
    events
}

fn ids(events: &[(&str, i64)]) -> Vec<(String, i64)> {
    events.iter().map(|&(id, sequence)| (id.to_owned(), sequence)).collect()
}

/// The record of a batch of this source in front of `stage`.
fn frame(shop: &mut Shop, stage: usize, source: i32, events: Vec<Event>, watermark: Watermark) -> Vec<u8> {
    let writer = shop.writer(stage, 1, source);
    written(shop, stage, writer, events, watermark)
}

/// The record of a batch of the only partition of this input.
fn frame_of_input(shop: &mut Shop, input: u8, events: Vec<Event>, watermark: Watermark) -> Vec<u8> {
    let writer = shop.writer_of_input(input);
    written(shop, CUSTOMER, writer, events, watermark)
}

fn written(shop: &mut Shop, stage: usize, mut writer: Sink, events: Vec<Event>, watermark: Watermark) -> Vec<u8> {
    for (sequence, event) in (1..).zip(events) {
        writer.push(Sequenced { sequence, event }, &mut shop.context());
    }
    shop.flush(&mut writer, watermark);
    shop.written(2 + stage).pop().unwrap()
}

fn catching_up(second: i64) -> Watermark {
    Watermark {
        time: second * SECOND,
        phase: Phase::CatchingUp,
    }
}

#[test]
fn an_input_numbers_events_by_their_offsets_and_keeps_its_watermark() {
    let mut shop = Shop::new();
    let mut source = shop.input(TRANSACTIONS);
    for (offset, id, second, watermark) in [(7, "a", 10, 10), (9, "b", 4, 10), (10, "c", 11, 11)] {
        let value = payment(id, second);
        assert!(matches!(
            source.take(record(offset, &value), &mut shop.context()),
            Ok(RecordResult::Rows)
        ));
        let row = source.next_event(None, &mut shop.context()).unwrap().unwrap();
        assert_eq!((row.event.id(), row.sequence), (id, offset + 1));
        assert_eq!(row.event.watermark, watermark * SECOND, "{id}");
        assert!(source.next_event(None, &mut shop.context()).unwrap().is_none(), "once");
    }
    for phase in [Phase::CatchingUp, Phase::Live, Phase::Idle] {
        let time = 11 * SECOND;
        assert_eq!(source.watermark(phase), Watermark { time, phase });
    }
}

/// The schemas of writers by id: 1 has the pipeline's payment, 2 the same behind a text.
struct Schemas;

impl SchemaSource for Schemas {
    fn writer_schema(&mut self, reference: SchemaReference) -> Result<Arc<str>, SchemaSourceError> {
        let note = match reference {
            SchemaReference::Id(1) => "",
            SchemaReference::Id(2) => r#"{"name": "note", "type": "string"},"#,
            _ => return Err(SchemaSourceError::Unknown),
        };
        let time = r#"{"type": "long", "logicalType": "timestamp-micros"}"#;
        let fields = format!(
            r#"{note} {{"name": "id", "type": "string"}}, {{"name": "time", "type": {time}}},
               {{"name": "customer", "type": "string"}}, {{"name": "terminal", "type": "string"}},
               {{"name": "amount", "type": "double"}}"#
        );
        Ok(format!(r#"{{"type": "record", "name": "card-payment", "fields": [{fields}]}}"#).into())
    }
}

#[test]
fn an_input_reads_the_schema_in_a_header_and_a_dead_letter_keeps_it() {
    let mut shop = Shop::new();
    let fields = shop.compiled.input_fields(usize::from(TRANSACTIONS), None).unwrap();
    let decoder = InputDecoder::registry(Box::new(Schemas), None, &fields);
    let mut source = InputSource::new(TRANSACTIONS, decoder, 0);
    let payment = [&[0, 2, b'a', 20, 2, b'c', 2, b't'][..], &1.5_f64.to_le_bytes()].concat();
    let with_header = |header: &'static [u8]| RecordRef {
        schema_id: Some(header),
        headers: &[],
        ..record(0, &payment)
    };
    assert!(matches!(
        source.take(with_header(&[0, 0, 0, 0, 2]), &mut shop.context()),
        RecordResult::Rows
    ));
    let event = source.next_event().unwrap().event;
    assert_eq!((event.id(), event.event_time()), ("a", 10));
    let unknown = with_header(&[0, 0, 0, 0, 3]);
    let RecordResult::Rejected(rejection) = source.take(unknown, &mut shop.context()) else {
        panic!("there is no such schema");
    };
    let context = shop.context();
    let letters = context.dead_letters;
    letters.record(&partition("payments"), unknown, &rejection, context.outputs);
    let letter = &shop.outputs.records()[0];
    let headers: Vec<_> = shop.outputs.headers(letter).collect();
    assert!(headers.contains(&(SCHEMA_ID_HEADER, &[0, 0, 0, 0, 3][..])));
}

/// Takes a record and tells what became of it.
fn take(shop: &mut Shop, value: Option<&[u8]>) -> Result<usize, ReasonCode> {
    let mut source = shop.input(TRANSACTIONS);
    let record = RecordRef {
        value,
        ..record(0, b"")
    };
    match source.take(record, &mut shop.context()).unwrap() {
        RecordResult::Rejected(rejection) => Err(rejection.code),
        _ => Ok(next(shop, &mut source).len()),
    }
}

#[test]
fn a_filter_passes_over_records_and_counts_them() {
    let mut shop = Shop::with_input_keys("where: amount > 5");
    let small = payment("a", 10);
    let large = String::from_utf8(small.clone())
        .unwrap()
        .replace("5}", "6}")
        .into_bytes();
    assert_eq!(take(&mut shop, Some(&large)), Ok(1));
    assert_eq!(shop.tally.filtered, 0);
    assert_eq!(take(&mut shop, Some(&small)), Ok(0));
    // Without a condition that holds nothing is asked of a record.
    assert_eq!(take(&mut shop, Some(b"{}")), Ok(0));
    assert_eq!(shop.tally.filtered, 2);
    let without_id = br#"{"time": 1, "customer": "c", "terminal": "t", "amount": 6}"#;
    assert_eq!(take(&mut shop, Some(without_id)), Err(ReasonCode::MissingField));
    assert_eq!(take(&mut shop, Some(b"{")), Err(ReasonCode::NotJson));
}

#[test]
fn tombstones_are_dead_letters_unless_they_are_ignored() {
    assert_eq!(take(&mut Shop::new(), None), Err(ReasonCode::Tombstone));
    let mut shop = Shop::with_input_keys("tombstones: ignore");
    assert_eq!(take(&mut shop, None), Ok(0));
    assert_eq!(shop.tally.filtered, 1);
    assert_eq!(take(&mut shop, Some(b"")), Err(ReasonCode::EmptyPayload));
}

#[test]
fn an_input_goes_back_to_where_it_was() {
    let mut shop = Shop::new();
    let mut source = shop.input(TRANSACTIONS);
    let start = source.progress();
    let value = payment("a", 10);
    source.take(record(0, &value), &mut shop.context()).unwrap();
    source.resume(&start, None).unwrap();
    assert!(
        source.next_event(None, &mut shop.context()).unwrap().is_none(),
        "it was not handed out"
    );
    assert_eq!(source.watermark(Phase::CatchingUp).time, i64::MIN);
}

#[test]
fn what_is_no_event_is_rejected() {
    let mut shop = Shop::new();
    let mut source = shop.input(TRANSACTIONS);
    for value in [&b"{"[..], br#"{"id":"a"}"#] {
        assert!(matches!(
            source.take(record(0, value), &mut shop.context()),
            Ok(RecordResult::Rejected(_))
        ));
        assert!(source.next_event(None, &mut shop.context()).unwrap().is_none());
    }
}

#[test]
fn a_repartition_topic_is_merged_and_numbered_anew() {
    let mut shop = Shop::new();
    let mut source = shop.repartition(CUSTOMER);
    let payments = vec![shop.event(TRANSACTIONS, "a", 1), shop.event(TRANSACTIONS, "b", 5)];
    let labels = vec![shop.event(LABELS, "a", 3), shop.event(LABELS, "b", 9)];
    let first = frame(&mut shop, CUSTOMER, 0, payments, catching_up(5));
    let second = frame(&mut shop, CUSTOMER, 1, labels, catching_up(9));
    source.take(record(0, &first), &mut shop.context()).unwrap();
    assert_eq!(
        next(&mut shop, &mut source),
        [],
        "the other source may still send an older row"
    );
    assert_eq!(source.watermark(Phase::CatchingUp).time, i64::MIN);
    source.take(record(1, &second), &mut shop.context()).unwrap();
    assert_eq!(next(&mut shop, &mut source), ids(&[("a", 1), ("a", 2), ("b", 3)]));
    assert_eq!(
        source.watermark(Phase::Live),
        catching_up(5),
        "the source's own word counts, not the partition's"
    );
}

/// Later stages must go on to wait for payments of this stage's other partitions when the payments come.
#[test]
fn labels_that_are_read_ahead_promise_nothing_of_payments() {
    let mut shop = Shop::new();
    let mut source = shop.repartition_with_labels();
    let idle = Watermark {
        time: 5 * SECOND,
        phase: Phase::Idle,
    };
    let first = vec![shop.event(TRANSACTIONS, "a", 5)];
    let second = vec![shop.event(TRANSACTIONS, "a", 5), shop.event(TRANSACTIONS, "b", 7)];
    let labels = vec![shop.event(LABELS, "a", 90_000), shop.event(LABELS, "b", 90_001)];
    let records = [
        frame_of_input(&mut shop, TRANSACTIONS, first, catching_up(5)),
        frame_of_input(&mut shop, LABELS, labels, catching_up(90_001)),
        frame_of_input(&mut shop, TRANSACTIONS, Vec::new(), idle),
        frame_of_input(&mut shop, TRANSACTIONS, second, catching_up(7)),
    ];
    let mut watermarks = Vec::new();
    for (offset, value) in (0..).zip(&records) {
        source.take(record(offset, value), &mut shop.context()).unwrap();
        while let Some(row) = source.next_event(None, &mut shop.context()).unwrap() {
            watermarks.push((row.event.id().to_owned(), row.event.watermark));
        }
        watermarks.push((format!("{offset}"), source.watermark(Phase::CatchingUp).time));
    }
    let (five, seven) = (5 * SECOND, 7 * SECOND);
    let expected = [
        ("0", i64::MIN),
        ("a", five),
        ("1", five),
        ("a", five + 1),
        ("b", five + 1),
        ("2", five + 1),
        ("b", seven),
        ("3", seven),
    ];
    assert_eq!(watermarks, expected.map(|(id, watermark)| (id.to_owned(), watermark)));
}

/// Offsets of the frames that wait in a state.
fn waiting(state: &StageState) -> Vec<i64> {
    let mut offsets = Vec::new();
    state
        .visit_frames(|frame| {
            offsets.push(frame.offset);
            Ok(())
        })
        .unwrap();
    offsets
}

#[test]
fn frames_that_wait_are_kept_and_found_again() {
    let mut shop = Shop::new();
    let store = Box::new(MemoryState::default());
    let mut state = StageState::new(shop.plan(), CUSTOMER, store, TopicIdentity::default());
    let mut source = shop.repartition(CUSTOMER);
    for (offset, id) in [(0, "a"), (1, "b")] {
        let mut payment = shop.event(TRANSACTIONS, id, offset + 1);
        payment.watermark = (offset + 1) * SECOND;
        let mut writer = shop.writer(CUSTOMER, 1, 0);
        let sequence = offset + 1;
        writer.push(
            Sequenced {
                sequence,
                event: payment,
            },
            &mut shop.context(),
        );
        shop.flush(&mut writer, catching_up(5));
        let value = shop.written(2 + CUSTOMER).pop().unwrap();
        source.take(record(offset, &value), &mut shop.context()).unwrap();
    }
    source.collect(state.collect(source.progress()));
    state.write(2).unwrap();
    source.written();
    assert_eq!(waiting(&state), [0, 1]);

    let mut successor = shop.repartition(CUSTOMER);
    successor.resume(&source.progress(), Some(&state)).unwrap();
    let second = frame(&mut shop, CUSTOMER, 1, Vec::new(), catching_up(9));
    for source in [&mut source, &mut successor] {
        assert!(source.next_event(Some(&state), &mut shop.context()).unwrap().is_none());
        source.take(record(2, &second), &mut shop.context()).unwrap();
        for id in ["a", "b"] {
            let row = source.next_event(Some(&state), &mut shop.context()).unwrap().unwrap();
            assert_eq!(row.event.id(), id);
        }
    }
    successor.collect(state.collect(successor.progress()));
    state.write(3).unwrap();
    assert!(waiting(&state).is_empty(), "they are done with");
}

#[test]
fn an_idle_source_is_not_waited_for() {
    let mut shop = Shop::new();
    let mut source = shop.repartition(CUSTOMER);
    let payments = vec![shop.event(TRANSACTIONS, "a", 1)];
    let first = frame(&mut shop, CUSTOMER, 0, payments, catching_up(5));
    source.take(record(0, &first), &mut shop.context()).unwrap();
    assert_eq!(next(&mut shop, &mut source), []);
    let idle = |time| Watermark {
        time,
        phase: Phase::Idle,
    };
    let second = frame(&mut shop, CUSTOMER, 1, Vec::new(), idle(i64::MIN));
    source.take(record(1, &second), &mut shop.context()).unwrap();
    assert_eq!(next(&mut shop, &mut source), ids(&[("a", 1)]));

    // The topic behind it is idle once all sources are and its partition is read to the end.
    assert_eq!(source.watermark(Phase::Idle).phase, Phase::CatchingUp);
    let first = frame(&mut shop, CUSTOMER, 0, Vec::new(), idle(5 * SECOND));
    source.take(record(2, &first), &mut shop.context()).unwrap();
    assert_eq!(source.watermark(Phase::Live).phase, Phase::Live);
    assert_eq!(source.watermark(Phase::Idle).phase, Phase::Idle);
}

/// The reader ends the wait in its own log, so a replay ends it at the same place.
#[test]
fn a_source_that_does_not_say_whether_it_is_still_idle_is_waited_for_for_a_time() {
    let mut shop = Shop::new();
    let mut source = shop.repartition(CUSTOMER);
    let idle = Watermark {
        time: i64::MIN,
        phase: Phase::Idle,
    };
    let first = frame(&mut shop, CUSTOMER, 1, Vec::new(), idle);
    source.take(record(0, &first), &mut shop.context()).unwrap();
    let payments = vec![shop.event(TRANSACTIONS, "a", 1)];
    let second = frame(&mut shop, CUSTOMER, 0, payments, catching_up(5));
    source.take(record(1, &second), &mut shop.context()).unwrap();
    let mut notices = Outputs::default();
    let mut limit_wait = |source: &mut Source, second| {
        let repartition = source.repartition_mut().unwrap();
        repartition.limit_wait(second * SECOND, &mut notices);
        notices.records().len()
    };
    assert_eq!(next(&mut shop, &mut source), []);
    assert_eq!(limit_wait(&mut source, 100), 0);
    assert_eq!(limit_wait(&mut source, 114), 0);
    assert_eq!(limit_wait(&mut source, 115), 1);
    assert_eq!(limit_wait(&mut source, 116), 1, "once");
    assert_eq!(next(&mut shop, &mut source), []);
    let notice = notices.value(&notices.records()[0]).unwrap();
    source.take(record(2, notice), &mut shop.context()).unwrap();
    assert_eq!(next(&mut shop, &mut source), ids(&[("a", 1)]));
}

/// The number of the layout of `stage`'s rows in an earlier version.
fn earlier_layout(shop: &Shop, prefix: &str) -> [u8; 4] {
    let slots = &shop.plan().stages[CUSTOMER].carries;
    let name = |&(slot, kind): &(Slot, ValueType)| format!("{}:{};", shop.plan().slots[slot].name, kind.name());
    let slots: String = slots.iter().map(name).collect();
    murmur2(format!("{prefix}{slots}").as_bytes()).to_le_bytes()
}

/// What the earliest version has written: a record for each frame, and idle notices of the reader.
#[test]
fn records_of_the_earliest_version_are_read() {
    let mut shop = Shop::new();
    let mut source = shop.repartition(CUSTOMER);
    let payments = vec![shop.event(TRANSACTIONS, "a", 1)];
    let value = frame(&mut shop, CUSTOMER, 0, payments, catching_up(5));
    let format = RepartitionFormat::new(shop.plan(), CUSTOMER);
    let Ok(Content::Frames(set)) = format.parse(&value) else {
        panic!("it holds frames");
    };
    let layout = earlier_layout(&shop, "");
    let earlier_frame = [&layout[..], &[0], set.frames[0]].concat();
    source.take(record(0, &earlier_frame), &mut shop.context()).unwrap();
    assert_eq!(next(&mut shop, &mut source), []);
    let idle = [&layout[..], &[1], &1u32.to_le_bytes(), &(-1i64).to_le_bytes()].concat();
    source.take(record(1, &idle), &mut shop.context()).unwrap();
    assert_eq!(next(&mut shop, &mut source), ids(&[("a", 1)]));
}

/// The version after it did not name the sources, and counted them over the partitions of all inputs.
#[test]
fn records_that_do_not_name_the_sources_are_read() {
    let mut shop = Shop::new();
    let mut source = shop.repartition(CUSTOMER);
    let layout = earlier_layout(&shop, "frames:");
    let mut earlier = |watermark: Watermark, number: i32, payments: Vec<Event>| {
        let value = frame(&mut shop, CUSTOMER, number, payments, watermark);
        let format = RepartitionFormat::new(shop.plan(), CUSTOMER);
        let Ok(Content::Frames(set)) = format.parse(&value) else {
            panic!("it holds frames");
        };
        let mut bytes = [&layout[..], &[0, 0, set.marks.len() as u8]].concat();
        let marks = &value[value.len() - set.frames.iter().map(|frame| frame.len() + 1).sum::<usize>()..];
        assert!(set.marks.is_empty(), "each source has a frame here");
        bytes.extend_from_slice(marks);
        bytes
    };
    let event = Shop::new().event(TRANSACTIONS, "a", 1);
    let other = Shop::new().event(TRANSACTIONS, "b", 7);
    let records = [
        earlier(catching_up(5), 0, vec![event]),
        earlier(catching_up(9), 1, vec![other]),
    ];
    source.take(record(0, &records[0]), &mut shop.context()).unwrap();
    assert_eq!(next(&mut shop, &mut source), []);
    source.take(record(1, &records[1]), &mut shop.context()).unwrap();
    assert_eq!(next(&mut shop, &mut source), ids(&[("a", 1)]));
}

/// A record that cannot be read holds rows that would be lost: it is no dead letter.
#[test]
fn a_record_that_cannot_be_read_stops_the_task() {
    let mut shop = Shop::new();
    let events = vec![shop.event(TRANSACTIONS, "a", 1)];
    let whole = frame(&mut shop, CUSTOMER, 0, events, catching_up(1));
    let mut other_layout = whole.clone();
    other_layout[0] ^= 1;
    let mut unknown_kind = whole.clone();
    unknown_kind[4] = 9;
    let events = vec![shop.event(TRANSACTIONS, "b", 1)];
    let unknown_source = frame(&mut shop, CUSTOMER, 7, events, catching_up(1));
    let cut = &whole[..whole.len() - 1];
    let cases = [
        (&other_layout[..], "another version of the pipeline file"),
        (&unknown_kind, "a later version"),
        (cut, "cannot be read"),
        (&unknown_source, "a source that the topics do not have"),
    ];
    for (value, word) in cases {
        let mut source = shop.repartition(CUSTOMER);
        let error = source.take(record(3, value), &mut shop.context()).err().expect(word);
        assert_eq!(error.record().map(|(_, offset, _)| offset), Some(3), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}
