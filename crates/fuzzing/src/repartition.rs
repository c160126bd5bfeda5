//! Records of repartition topics, and the frames in them.

use riskstream_events::{FrameHeader, FrameReader, FrameWriter, Row, RowHeader, Slot, Value, ValueType};
use riskstream_pipeline::frame_set::FrameSet;
use riskstream_pipeline::progress::{Phase, Watermark};
use riskstream_pipeline::repartition::Content;
use riskstream_pipeline::sources::SourceId;

/// A slot of each type.
const LAYOUT: [(Slot, ValueType); 6] = [
    (0, ValueType::Text),
    (1, ValueType::List),
    (2, ValueType::Float),
    (3, ValueType::Bool),
    (4, ValueType::Timestamp),
    (5, ValueType::Int),
];

/// A frame. What is read of it, written again, reads the same.
pub fn frame(bytes: &[u8]) {
    let Some((header, rows)) = read(bytes) else {
        return;
    };
    let written = write(header, &rows);
    let (header, rows) = read(&written).expect("what was written is a frame");
    assert_eq!(write(header, &rows), written);
}

/// All of a frame; nothing if it is damaged.
fn read(bytes: &[u8]) -> Option<(FrameHeader, Vec<(RowHeader, Row)>)> {
    let mut reader = FrameReader::new(bytes, &LAYOUT).ok()?;
    let (mut rows, mut row) = (Vec::new(), Row::new());
    while let Some(header) = reader.next_row(&mut row).ok()? {
        rows.push((header, row.clone()));
        assert!(rows.len() <= bytes.len(), "each row takes a byte or more");
    }
    Some((reader.header(), rows))
}

fn write(header: FrameHeader, rows: &[(RowHeader, Row)]) -> Vec<u8> {
    let mut writer = FrameWriter::new(LAYOUT);
    for (header, row) in rows {
        writer.push(*header, row);
    }
    let mut bytes = Vec::new();
    writer.finish(header, &mut bytes);
    bytes
}

pub fn frame_seeds() -> Vec<Vec<u8>> {
    let text = |text: &str| Value::Text(text.into());
    let list = vec![
        Value::Null,
        Value::Int(4),
        text("x"),
        Value::Float(1.0),
        Value::Bool(true),
    ];
    let row = vec![
        text("key"),
        Value::List(list.into()),
        Value::Float(0.5),
        Value::Bool(false),
        Value::Timestamp(77),
        Value::Null,
    ];
    let header = |source_offset| RowHeader {
        input: 1,
        source_offset,
        watermark: 5,
        flags: 1,
    };
    let frame = FrameHeader {
        source: 1,
        live: true,
        watermark: 9,
    };
    let rows: Vec<(RowHeader, Row)> = (0..3).map(|offset| (header(offset), row.clone())).collect();
    vec![write(frame, &rows), write(frame, &[])]
}

/// What follows the layout's number in a record: frames or a notice. Frames written again are the same.
pub fn repartition_record(bytes: &[u8]) {
    if let Ok(Content::Frames(set)) = Content::parse(bytes) {
        set.frames.iter().for_each(|bytes| frame(bytes));
        let mut written = Vec::new();
        set.write(&mut written);
        assert_eq!(FrameSet::parse(&written), Ok(set));
    }
    for earlier in [Content::parse_without_counts(bytes), Content::parse_earliest(bytes)] {
        if let Ok(Content::Frames(set)) = earlier {
            set.frames.iter().for_each(|bytes| frame(bytes));
        }
    }
}

pub fn repartition_record_seeds() -> Vec<Vec<u8>> {
    let frames = frame_seeds();
    let mark = |time, phase| Watermark { time, phase };
    let set = FrameSet {
        generation: 7,
        counts: vec![5, 1],
        marks: vec![
            (SourceId::new(0, 3), mark(9, Phase::Idle)),
            (SourceId::new(1, 0), mark(-1, Phase::CatchingUp)),
        ],
        frames: frames.iter().map(Vec::as_slice).collect(),
    };
    let mut record = vec![0];
    set.write(&mut record);
    let idle = b"\x01\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff".to_vec();
    let rollout = "\x02\x02\0\0\0\0\0\0\0{\"text\": \"é\"}".as_bytes().to_vec();
    vec![record, idle, rollout, [&[0], frames[0].as_slice()].concat()]
}
