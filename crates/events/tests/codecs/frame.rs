use proptest::prelude::*;
use riskstream_events::{FrameError, FrameHeader, FrameReader, FrameWriter, Row, RowHeader, Slot, Value, ValueType};

const TYPES: [ValueType; 6] = [
    ValueType::Bool,
    ValueType::Int,
    ValueType::Float,
    ValueType::Text,
    ValueType::Timestamp,
    ValueType::List,
];

fn scalar(value_type: ValueType) -> BoxedStrategy<Value> {
    match value_type {
        ValueType::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        ValueType::Int => (any::<i64>(), 0_u32..64)
            .prop_map(|(i, shift)| Value::Int(i >> shift))
            .boxed(),
        // Any bits, NaNs with payloads included.
        ValueType::Float => any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))).boxed(),
        ValueType::Text => ".{0,40}".prop_map(|text: String| Value::Text(text.into())).boxed(),
        ValueType::Timestamp => any::<i64>().prop_map(Value::Timestamp).boxed(),
        ValueType::List => unreachable!("lists do not nest"),
    }
}

fn value(value_type: ValueType) -> BoxedStrategy<Value> {
    let present = match value_type {
        ValueType::List => {
            let item = prop_oneof![
                Just(Value::Null),
                (0_usize..5).prop_flat_map(|index| scalar(TYPES[index])),
            ];
            prop::collection::vec(item, 0..5)
                .prop_map(|values| Value::List(values.into()))
                .boxed()
        }
        value_type => scalar(value_type),
    };
    prop_oneof![1 => Just(Value::Null), 3 => present].boxed()
}

fn row_header() -> impl Strategy<Value = RowHeader> {
    (any::<u8>(), any::<i64>(), any::<i64>(), any::<u16>()).prop_map(|(input, source_offset, watermark, flags)| {
        RowHeader {
            input,
            source_offset,
            watermark,
            flags,
        }
    })
}

/// A layout over slots that are neither dense nor in order, and rows of it.
fn frames() -> impl Strategy<Value = (Vec<ValueType>, Vec<(RowHeader, Vec<Value>)>)> {
    prop::collection::vec(prop::sample::select(&TYPES[..]), 0..20).prop_flat_map(|types| {
        let values: Vec<_> = types.iter().map(|&value_type| value(value_type)).collect();
        (Just(types), prop::collection::vec((row_header(), values), 0..6))
    })
}

fn slot_of(index: usize, count: usize) -> Slot {
    2 * (count - 1 - index) + 1
}

/// Equality to the bit.
fn text_of(row: &Row) -> String {
    row.iter()
        .map(|value| match value {
            Value::Float(float) => format!("{:x};", float.to_bits()),
            Value::List(values) => format!("[{}];", text_of(&values.to_vec())),
            value => format!("{value:?};"),
        })
        .collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        (types, rows) in frames(),
        source: u32,
        live: bool,
        watermark: i64,
    ) {
        let count = types.len();
        let layout: Vec<_> = types.iter().enumerate().map(|(i, &t)| (slot_of(i, count), t)).collect();
        let mut writer = FrameWriter::new(layout.clone());
        let header = FrameHeader { source, live, watermark };
        let mut bytes = Vec::new();
        // The second frame shows that nothing is left over from the first.
        for _ in 0..2 {
            bytes.clear();
            for (row_header, values) in &rows {
                let mut row = vec![Value::Int(-77); 2 * count + 3];
                for (index, value) in values.iter().enumerate() {
                    row[slot_of(index, count)] = value.clone();
                }
                writer.push(*row_header, &row);
            }
            prop_assert_eq!(writer.rows(), rows.len());
            writer.finish(header, &mut bytes);
            prop_assert_eq!((writer.rows(), writer.size()), (0, 0));
        }
        let mut reader = FrameReader::new(&bytes, &layout).unwrap();
        prop_assert_eq!(reader.header(), header);
        let mut row = vec![Value::Int(-77); 2 * count + 3];
        for (row_header, values) in &rows {
            prop_assert_eq!(reader.next_row(&mut row).unwrap(), Some(*row_header));
            let mut expected = vec![Value::Null; 2 * count + 3];
            for (index, value) in values.iter().enumerate() {
                expected[slot_of(index, count)] = value.clone();
            }
            prop_assert_eq!(text_of(&row), text_of(&expected));
        }
        prop_assert_eq!(reader.next_row(&mut row).unwrap(), None);
    }
}

#[test]
fn an_integer_in_a_floats_slot_becomes_a_float() {
    let layout = [(0, ValueType::Float)];
    let mut writer = FrameWriter::new(layout);
    writer.push(RowHeader::default(), &vec![Value::Int(3)]);
    let mut bytes = Vec::new();
    writer.finish(
        FrameHeader {
            source: 0,
            live: true,
            watermark: 0,
        },
        &mut bytes,
    );
    let mut row = Row::new();
    FrameReader::new(&bytes, &layout).unwrap().next_row(&mut row).unwrap();
    assert_eq!(row, [Value::Float(3.0)]);
}

#[test]
fn a_row_costs_few_bytes() {
    let layout = [
        (0, ValueType::Timestamp),
        (1, ValueType::Text),
        (2, ValueType::Float),
        (3, ValueType::Int),
    ];
    let mut writer = FrameWriter::new(layout);
    for index in 0..100 {
        let watermark = 1_522_540_800_000_000 + index * 1_000;
        let row = vec![
            Value::Timestamp(watermark),
            Value::Text("T0001234".into()),
            Value::Float(57.16),
            Value::Int(5),
        ];
        writer.push(
            RowHeader {
                input: 0,
                source_offset: 7_000_000 + index,
                watermark,
                flags: 0,
            },
            &row,
        );
    }
    let mut bytes = Vec::new();
    writer.finish(
        FrameHeader {
            source: 3,
            live: false,
            watermark: 1_522_540_900_000_000,
        },
        &mut bytes,
    );
    // input 1, offset 1, watermark 2, flags 1, nulls 1, time 1, text 9, float 8, int 1.
    assert!(bytes.len() <= 100 * 25 + 30, "{}", bytes.len());
}

#[test]
fn damage() {
    let damaged = |offset, what| FrameError::Damaged { offset, what };
    let layout = [(0, ValueType::Text)];
    let header = [1, 0, 0, 0, 0, 0];
    for (rows, expected) in [
        (&[][..], None),
        (&[0], Some(damaged(7, "end of the frame"))),
        (&[0, 0, 0, 0, 0], Some(damaged(11, "end of the frame"))),
        (&[0, 0, 0, 0, 0, 5, 1], Some(damaged(12, "length"))),
        (&[0, 0, 0, 0, 0, 1, 0xff], Some(damaged(13, "text"))),
        (&[0, 0, 0, 0xff, 0xff, 0xff, 1], Some(damaged(13, "flags"))),
        (
            &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            Some(damaged(7, "number")),
        ),
    ] {
        let bytes = [&header[..], rows].concat();
        let mut reader = FrameReader::new(&bytes, &layout).unwrap();
        assert_eq!(reader.next_row(&mut Row::new()).err(), expected, "{rows:?}");
    }
    for (bytes, expected) in [
        (&[][..], damaged(0, "end of the frame")),
        (&[2], FrameError::Version(2)),
        (&[1, 2], damaged(2, "boolean")),
        (&[1, 1, 0xff, 0xff, 0xff, 0xff, 0x10], damaged(7, "source")),
        (&[1, 1, 0, 0, 0], damaged(5, "end of the frame")),
    ] {
        assert_eq!(FrameReader::new(bytes, &layout).err(), Some(expected), "{bytes:?}");
    }
}
