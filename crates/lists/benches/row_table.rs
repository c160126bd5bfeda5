//! Reference tables: how long it takes to make them and to look values up, and what they hold in memory. Run with
//! `cargo bench -p riskstream-lists --bench row_table`.

#[path = "../../features/benches/cpu_time/mod.rs"]
mod cpu_time;

use cpu_time::clock;
use riskstream_events::{Value, ValueType};
use riskstream_lists::{Columns, Found, RowChange, RowKey, RowKeys, RowTable, exact_key, network_key, range_key};
use std::hint::black_box;
use std::net::Ipv4Addr;

/// Look-ups in each table.
const LOOK_UPS: u32 = 2_000_000;

fn main() {
    for rows in [1_000, 100_000, 1_000_000] {
        measure(
            rows,
            "merchants, exact",
            RowKeys::Exact,
            |number| exact_key(&text(number)).ok(),
            text,
        );
        let begin = |number: u32| 400_000_000_000 + u64::from(number) * 1000;
        let range = |number| range_key(&begin(number).to_string(), &(begin(number) + 999).to_string()).ok();
        measure(rows, "ranges of account numbers", RowKeys::Range, range, |number| {
            (begin(number) + 500).to_string()
        });
        // Every fourth network encloses the next three.
        let address = |number: u32| Ipv4Addr::from_bits((number / 4) << 10 | (number % 4) << 8);
        let network = |number: u32| {
            let length = if number.is_multiple_of(4) { 22 } else { 24 };
            network_key(&format!("{}/{length}", address(number))).ok()
        };
        measure(rows, "networks of IPv4", RowKeys::Network, network, |number| {
            address(number).to_string()
        });
    }
}

fn text(number: u32) -> String {
    format!("merchant {number}")
}

fn measure(rows: u32, what: &str, keys: RowKeys, key: impl Fn(u32) -> Option<RowKey>, value: impl Fn(u32) -> String) {
    let columns = [("country", ValueType::Text), ("limit", ValueType::Float)];
    let columns = Columns::new(columns).expect("two columns");
    let change = |number: u32| RowChange {
        key: key(number).expect("a key"),
        row: Some(
            [
                Value::Text(["DE", "FR", "US"][number as usize % 3].into()),
                Value::Float(0.5),
            ]
            .into(),
        ),
    };
    let changes: Vec<RowChange> = (0..rows).map(change).collect();
    let began = clock();
    let table = RowTable::empty(keys, columns).with(&changes);
    let made = (clock() - began).as_secs_f64() * 1e3;
    let bytes = table.memory() as f64 / f64::from(rows);
    // An order in which no two neighbours are near each other in memory.
    let values: Vec<Value> = (0..rows)
        .map(|number| Value::Text(value((u64::from(number) * 7919 % u64::from(rows)) as u32).into()))
        .collect();
    let rounds = LOOK_UPS / rows;
    let began = clock();
    let asked = (0..rounds).flat_map(|_| &values);
    let found = asked.filter(|value| matches!(black_box(table.find(value)), Found::Row(_)));
    let found = found.count();
    let each = (clock() - began).as_secs_f64() * 1e9 / f64::from(rounds * rows);
    println!("{rows} {what}: {bytes:.0} bytes a row, made in {made:.0} ms, look-up {each:.0} ns ({found} found)");
}
