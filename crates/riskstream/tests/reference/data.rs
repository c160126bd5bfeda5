//! The transactions, their labels, and the log with both.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use arrow_select::concat::concat_batches;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Seconds in a day.
pub const DAY: i64 = 86_400;
/// After how many seconds a transaction's label is known.
pub const LABEL_DELAY: i64 = 7 * DAY;

/// A file of the reference data.
///
/// # Panics
/// The file does not exist.
pub fn file(name: &str) -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let data = std::env::var_os("RISKSTREAM_REFERENCE_DATA").map_or_else(|| default.into(), PathBuf::from);
    let path = data.join("handbook").join(name);
    assert!(
        path.exists(),
        "there is no reference data at {}: set RISKSTREAM_REFERENCE_DATA",
        path.display()
    );
    path.canonicalize().unwrap()
}

/// Whether the tests use all rows instead of the slice.
pub fn full() -> bool {
    std::env::var_os("RISKSTREAM_REFERENCE_FULL").is_some_and(|value| value == "1")
}

/// A card payment. `time` is in seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub id: i64,
    pub time: i64,
    pub customer: i64,
    pub terminal: i64,
    pub cents: i64,
    pub fraud: bool,
}

/// The slice or all rows, in the order of ids, which is that of times.
pub fn transactions() -> Vec<Transaction> {
    let transactions = if full() { all_rows() } else { slice() };
    assert_eq!(transactions.len(), if full() { 1_754_155 } else { 430_983 });
    assert!(transactions.is_sorted_by_key(|transaction| (transaction.time, transaction.id)));
    transactions
}

/// The lines of a gzipped file, without the first.
pub fn gzipped_lines(name: &str) -> Vec<String> {
    let output = Command::new("gzip").arg("-dc").arg(file(name)).output().unwrap();
    assert!(output.status.success(), "{name}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .skip(1)
        .map(str::to_owned)
        .collect()
}

fn slice() -> Vec<Transaction> {
    let row = |line: &String| {
        let fields: Vec<&str> = line.split(',').collect();
        let time: jiff::Timestamp = fields[1].parse().unwrap();
        Transaction {
            id: fields[0].parse().unwrap(),
            time: time.as_second(),
            customer: fields[2].parse().unwrap(),
            terminal: fields[3].parse().unwrap(),
            cents: cents(fields[4].parse().unwrap()),
            fraud: fields[5] == "1",
        }
    };
    gzipped_lines("slice_2018-07-01_2018-08-14.csv.gz")
        .iter()
        .map(row)
        .collect()
}

fn all_rows() -> Vec<Transaction> {
    let batch = parquet(&file("transactions.parquet"));
    let [ids, customers, terminals, frauds] =
        ["TRANSACTION_ID", "CUSTOMER_ID", "TERMINAL_ID", "TX_FRAUD"].map(|name| integers(&batch, name));
    let times = seconds(&batch, "TX_DATETIME");
    let amounts = floats(&batch, "TX_AMOUNT");
    let row = |index: usize| Transaction {
        id: ids[index],
        time: times[index],
        customer: customers[index],
        terminal: terminals[index],
        cents: cents(amounts[index]),
        fraud: frauds[index] == 1,
    };
    let mut transactions: Vec<Transaction> = (0..batch.num_rows()).map(row).collect();
    transactions.sort_by_key(|transaction| transaction.id);
    transactions
}

fn cents(amount: f64) -> i64 {
    (amount * 100.0).round() as i64
}

/// A Parquet file as one batch.
pub fn parquet(path: &Path) -> RecordBatch {
    let file = File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap()
        .with_batch_size(1 << 20)
        .build()
        .unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

/// A column as integers.
pub fn integers(batch: &RecordBatch, name: &str) -> Vec<i64> {
    let column = batch.column_by_name(name).unwrap_or_else(|| panic!("column {name}"));
    cast(column, &DataType::Int64)
        .unwrap()
        .as_primitive::<Int64Type>()
        .values()
        .to_vec()
}

/// A column as floats, NaN for null.
pub fn floats(batch: &RecordBatch, name: &str) -> Vec<f64> {
    let column = batch.column_by_name(name).unwrap_or_else(|| panic!("column {name}"));
    let column = cast(column, &DataType::Float64).unwrap();
    column
        .as_primitive::<Float64Type>()
        .iter()
        .map(|value| value.unwrap_or(f64::NAN))
        .collect()
}

/// A column of times as seconds since the epoch.
pub fn seconds(batch: &RecordBatch, name: &str) -> Vec<i64> {
    let column = batch.column_by_name(name).unwrap_or_else(|| panic!("column {name}"));
    let column = match column.data_type() {
        DataType::Timestamp(_, zone) => {
            cast(column, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone())).unwrap()
        }
        _ => column.clone(),
    };
    let micros = cast(&column, &DataType::Int64).unwrap();
    micros
        .as_primitive::<Int64Type>()
        .values()
        .iter()
        .map(|micros| micros.div_euclid(1_000_000))
        .collect()
}

/// A record of one of the two topics; the index is that of its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    Transaction(usize),
    /// Known 7 days after its transaction.
    Label(usize),
}

/// Transactions and labels interleaved in event-time order, a label before the transactions of the same second, up to
/// the last transaction.
pub fn log(transactions: &[Transaction]) -> Vec<Record> {
    let order: Vec<usize> = (0..transactions.len()).collect();
    interleave(transactions, &order, |index| transactions[index].time)
}

/// The same, but about every twentieth transaction arrives up to an hour after its time. Labels arrive in order.
pub fn log_out_of_order(transactions: &[Transaction], seed: u64) -> Vec<Record> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let delay = |_: &Transaction| {
        if random.random_bool(0.05) {
            random.random_range(1..=3_600)
        } else {
            0
        }
    };
    let delays: Vec<i64> = transactions.iter().map(delay).collect();
    let arrival = |index: usize| transactions[index].time + delays[index];
    let mut order: Vec<usize> = (0..transactions.len()).collect();
    order.sort_by_key(|&index| (arrival(index), index));
    interleave(transactions, &order, arrival)
}

fn interleave(transactions: &[Transaction], order: &[usize], arrival: impl Fn(usize) -> i64) -> Vec<Record> {
    let mut log = Vec::with_capacity(2 * order.len());
    let mut labels = (0..transactions.len()).peekable();
    for &index in order {
        while let Some(label) = labels.next_if(|&label| transactions[label].time + LABEL_DELAY <= arrival(index)) {
            log.push(Record::Label(label));
        }
        log.push(Record::Transaction(index));
    }
    log
}
