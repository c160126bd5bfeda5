//! Reference tables against a scan of all their rows.

use proptest::prelude::*;
use riskstream_events::{Value, ValueType};
use riskstream_lists::{
    Columns, Found, RowChange, RowKey, RowKeyError, RowKeys, RowTable, exact_key, network_key, overlapping, range_key,
    repeated,
};
use std::net::IpAddr;

const TYPES: [(&str, ValueType); 5] = [
    ("text", ValueType::Text),
    ("int", ValueType::Int),
    ("float", ValueType::Float),
    ("bool", ValueType::Bool),
    ("time", ValueType::Timestamp),
];

fn columns() -> Columns {
    Columns::new(TYPES).unwrap()
}

type Row = Vec<Value>;

fn row() -> impl Strategy<Value = Row> {
    let text = prop_oneof![
        Just("DE"),
        Just(""),
        Just("a text that is longer than what fits into the value itself")
    ];
    let maybe = |value: BoxedStrategy<Value>| prop_oneof![1 => Just(Value::Null), 4 => value];
    (
        maybe(text.prop_map(|text| Value::Text(text.into())).boxed()),
        maybe(any::<i64>().prop_map(Value::Int).boxed()),
        maybe((-1e300..1e300).prop_map(Value::Float).boxed()),
        maybe(any::<bool>().prop_map(Value::Bool).boxed()),
        maybe(any::<i64>().prop_map(Value::Timestamp).boxed()),
    )
        .prop_map(|(text, int, float, bool, time)| vec![text, int, float, bool, time])
}

/// What a user may write into a file: the row's key as texts.
type Written = Vec<String>;

/// Adds, replacements and removals, in steps of which each gives another table.
fn steps(key: BoxedStrategy<Written>) -> impl Strategy<Value = Vec<Vec<(Written, Option<Row>)>>> {
    let change = (key, proptest::option::weighted(0.8, row()));
    proptest::collection::vec(proptest::collection::vec(change, 0..25), 1..5)
}

/// The rows that are there after all changes, by their written keys.
fn current(steps: &[Vec<(Written, Option<Row>)>]) -> Vec<(Written, Row)> {
    let mut current: Vec<(Written, Row)> = Vec::new();
    for (key, row) in steps.iter().flatten() {
        current.retain(|(other, _)| other != key);
        current.extend(row.clone().map(|row| (key.clone(), row)));
    }
    current
}

/// Makes the tables of all steps, and compares the last with a scan: `wins` picks the row of a value.
fn check(
    kind: RowKeys,
    steps: &[Vec<(Written, Option<Row>)>],
    key: impl Fn(&Written) -> RowKey,
    values: &[Value],
    wins: impl for<'r> Fn(&'r [(Written, Row)], &Value) -> Option<&'r Row>,
) {
    let mut table = RowTable::empty(kind, columns());
    let mut tables = Vec::new();
    for step in steps {
        let change = |(written, row): &(Written, Option<Row>)| RowChange {
            key: key(written),
            row: row.clone().map(Into::into),
        };
        let changes: Vec<RowChange> = step.iter().map(change).collect();
        table = table.with(&changes);
        tables.push(table.clone());
    }
    for (at, table) in tables.iter().enumerate() {
        let rows = current(&steps[..=at]);
        assert_eq!((table.len(), table.is_empty()), (rows.len(), rows.is_empty()));
        for value in values {
            let found = match table.find(value) {
                Found::Row(row) => Some((0..TYPES.len()).map(|column| row.value(column)).collect::<Row>()),
                Found::Nothing => None,
                Found::NoKey => panic!("{value:?} can be looked for"),
            };
            assert_eq!(found.as_ref(), wins(&rows, value), "{value:?} in step {at}");
        }
    }
}

/// Ranges of few numbers around zero, which overlap and lie within each other in all ways.
fn range() -> BoxedStrategy<Written> {
    let range = (-20..20_i64, 0..12_i64);
    range
        .prop_map(|(first, length)| vec![first.to_string(), (first + length).to_string()])
        .boxed()
}

fn ends(written: &Written) -> (i64, i64) {
    (written[0].parse().unwrap(), written[1].parse().unwrap())
}

/// Networks of few addresses, of both versions.
fn network() -> BoxedStrategy<Written> {
    let v4 = (0..8_u8, 20..=32_u32).prop_map(|(last, length)| {
        let bits = u32::from_be_bytes([10, 0, 0, last]) & u32::MAX.checked_shl(32 - length).unwrap_or(0);
        format!("{}/{length}", IpAddr::from(bits.to_be_bytes()))
    });
    let v6 = (0..8_u128, 118..=128_u32).prop_map(|(last, length)| {
        let bits = (0x2001_0db8 << 96 | last) & u128::MAX.checked_shl(128 - length).unwrap_or(0);
        format!("{}/{length}", IpAddr::from(bits.to_be_bytes()))
    });
    let whole = prop_oneof![Just("0.0.0.0/0".to_owned()), Just("::/0".to_owned())];
    prop_oneof![4 => v4, 4 => v6, 1 => whole]
        .prop_map(|network| vec![network])
        .boxed()
}

/// The prefix length of a network if it holds an address, found bit by bit.
fn prefix(written: &Written, address: &str) -> Option<usize> {
    let bits = |text: &str| -> String {
        let octets = match text.parse().unwrap() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        octets.iter().map(|octet| format!("{octet:08b}")).collect()
    };
    let (network, length) = written[0].split_once('/').unwrap();
    let length: usize = length.parse().unwrap();
    let (network, address) = (bits(network), bits(address));
    (network.len() == address.len() && network[..length] == address[..length]).then_some(length)
}

proptest! {
    #[test]
    fn exact_keys_find_what_a_scan_finds(steps in steps((0..30_i64).prop_map(|key| vec![key.to_string()]).boxed())) {
        let texts = (0..31).map(|key: i64| Value::Text(key.to_string().into()));
        let values: Vec<Value> = texts.chain((0..31).map(Value::Int)).collect();
        check(RowKeys::Exact, &steps, |written| exact_key(&written[0]).unwrap(), &values, |rows, value| {
            let text = match value {
                Value::Int(number) => number.to_string(),
                Value::Text(text) => text.to_string(),
                _ => unreachable!(),
            };
            rows.iter().find(|(written, _)| written[0] == text).map(|(_, row)| row)
        });
    }

    #[test]
    fn a_number_finds_the_range_that_begins_last_and_ends_first(steps in steps(range())) {
        let texts = (-21..33).map(|number: i64| Value::Text(number.to_string().into()));
        let values: Vec<Value> = texts.chain((-21..33).map(Value::Int)).collect();
        check(RowKeys::Range, &steps, |written| range_key(&written[0], &written[1]).unwrap(), &values, |rows, value| {
            let number: i64 = match value {
                Value::Int(number) => *number,
                Value::Text(text) => text.parse().unwrap(),
                _ => unreachable!(),
            };
            let holding = rows.iter().filter(|(written, _)| (ends(written).0..=ends(written).1).contains(&number));
            holding.max_by_key(|(written, _)| (ends(written).0, -ends(written).1)).map(|(_, row)| row)
        });
    }

    #[test]
    fn an_address_finds_the_network_with_the_longest_prefix(steps in steps(network())) {
        let v4 = (0..10).map(|last| format!("10.0.0.{last}"));
        let v6 = (0..10).map(|last| format!("2001:db8::{last}"));
        let others = ["10.0.8.1", "11.0.0.0", "2001:db8::ff", "::1", "::a00:1"].map(str::to_owned);
        let values: Vec<Value> = v4.chain(v6).chain(others).map(|text| Value::Text(text.into())).collect();
        check(RowKeys::Network, &steps, |written| network_key(&written[0]).unwrap(), &values, |rows, value| {
            let Value::Text(address) = value else { unreachable!() };
            let holding = rows.iter().filter_map(|(written, row)| Some((prefix(written, address)?, row)));
            holding.max_by_key(|(length, _)| *length).map(|(_, row)| row)
        });
    }

    #[test]
    fn overlaps_are_found_if_there_are_any(ranges in proptest::collection::vec(range(), 0..8)) {
        let keys: Vec<RowKey> = ranges.iter().map(|written| range_key(&written[0], &written[1]).unwrap()).collect();
        let overlap = |a: usize, b: usize| {
            let (a, b) = (ends(&ranges[a]), ends(&ranges[b]));
            a.0 <= b.1 && b.0 <= a.1
        };
        let found = overlapping(&keys);
        prop_assert!(found.iter().all(|(a, b)| a < b && overlap(*a, *b)), "{ranges:?}: {found:?}");
        let any = (0..keys.len()).any(|b| (0..b).any(|a| overlap(a, b)));
        prop_assert_eq!(any, !found.is_empty());
        let twice = (0..keys.len()).any(|b| (0..b).any(|a| ranges[a] == ranges[b]));
        prop_assert_eq!(twice, !repeated(&keys).is_empty());
    }
}

#[test]
fn a_value_that_cannot_be_looked_for_is_not_simply_absent() {
    let table = |keys| RowTable::empty(keys, columns());
    for (keys, value) in [
        (RowKeys::Exact, Value::Null),
        (RowKeys::Range, Value::Null),
        (RowKeys::Range, Value::Text("41-00".into())),
        (RowKeys::Range, Value::Text("".into())),
        (RowKeys::Network, Value::Text("10.0.0.300".into())),
        (RowKeys::Network, Value::Int(167_772_160)),
    ] {
        assert!(matches!(table(keys).find(&value), Found::NoKey), "{keys:?} {value:?}");
    }
    let absent = table(RowKeys::Network);
    assert!(matches!(absent.find(&Value::Text("10.0.0.1".into())), Found::Nothing));
}

#[test]
fn leading_zeros_blanks_and_mapped_addresses() {
    let row = |key| RowChange {
        key,
        row: Some(vec![Value::Text("here".into())].into()),
    };
    let finds = |table: &RowTable, text: &str| matches!(table.find(&Value::Text(text.into())), Found::Row(_));
    let ranges = RowTable::empty(RowKeys::Range, columns()).with(&[row(range_key(" 0050 ", "99").unwrap())]);
    assert!(finds(&ranges, "0099") && finds(&ranges, "50") && !finds(&ranges, "100"));
    let networks = RowTable::empty(RowKeys::Network, columns()).with(&[row(network_key(" 10.0.0.0/8").unwrap())]);
    assert!(finds(&networks, "::ffff:10.1.2.3") && finds(&networks, "10.1.2.3") && !finds(&networks, "::a01:203"));
}

#[test]
fn keys_that_are_none() {
    assert_eq!(exact_key(""), Err(RowKeyError::Empty));
    assert_eq!(range_key("5", "4"), Err(RowKeyError::Reversed));
    for (first, last) in [
        ("", "4"),
        ("4", ""),
        ("4.5", "5"),
        ("0x4", "5"),
        ("1", "9".repeat(40).as_str()),
    ] {
        assert_eq!(range_key(first, last), Err(RowKeyError::NotANumber), "{first} {last}");
    }
    let wrong = network_key("10.0.0.1/8").unwrap_err().to_string();
    assert!(wrong.contains("write \"10.0.0.0/8\""), "{wrong}");
    assert!(matches!(network_key("10.0.0.0/33"), Err(RowKeyError::NotANetwork(_))));
    assert!(matches!(network_key("example.org"), Err(RowKeyError::NotANetwork(_))));
}
