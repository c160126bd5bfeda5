//! Measures the log with a real broker, whose address is in KAFKA_BOOTSTRAP_SERVERS.
//!
//!     cargo run --release --example measure -- copy 1000000   # consume and produce in transactions: rate, CPU, memory
//!     cargo run --release --example measure -- transactions   # transactions of one record, one after another
//!     cargo run --release --example measure -- latency 10     # seconds at 200 records a second, produce to read_committed
//!
//! `copy` and `latency` measure a process that they start.

use std::collections::{BTreeMap, HashMap};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use riskstream_kafka::topics::{self, TopicSpec};
use riskstream_kafka::{KafkaLog, KafkaOptions, TransactionWatch};
use riskstream_pipeline::log::{AssignmentChange, Log, LogError, Outputs, TopicPartition};

const PARTITIONS: i32 = 4;
const BATCH: usize = 8_000;
const LIMIT: Duration = Duration::from_secs(60);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = arguments.get(1).and_then(|text| text.parse().ok());
    match arguments.first().map(String::as_str) {
        Some("copy") => measure_copy(number.unwrap_or(1_000_000)),
        Some("transactions") => measure_transactions(number.unwrap_or(500)),
        Some("latency") => measure_latency(number.unwrap_or(10)),
        Some("worker") => worker(&arguments[1], arguments[2].parse().unwrap()),
        _ => eprintln!("usage: measure copy [RECORDS] | transactions [COUNT] | latency [SECONDS]"),
    }
}

fn brokers() -> String {
    std::env::var("KAFKA_BOOTSTRAP_SERVERS").expect("KAFKA_BOOTSTRAP_SERVERS names the brokers")
}

fn options(name: &str) -> KafkaOptions {
    let mut options = KafkaOptions::new(&brokers(), name);
    options.inputs = vec![format!("{name}-in")];
    options.outputs = vec![format!("{name}-out")];
    if let Ok(overrides) = std::env::var("MEASURE_OVERRIDES") {
        options.overrides = overrides
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
    }
    options
}

/// Options of a group with new topics.
fn new_group() -> KafkaOptions {
    let options = options(&format!("measure-{}", now()));
    let specs: Vec<_> = options
        .inputs
        .iter()
        .chain(&options.outputs)
        .map(|name| TopicSpec {
            name: name.clone(),
            partitions: PARTITIONS,
            replication: None,
            settings: BTreeMap::new(),
        })
        .collect();
    topics::create(&options, &specs).unwrap();
    options
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

fn start_worker(options: &KafkaOptions, records: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["worker", &options.group, &records.to_string()])
        .spawn()
        .unwrap()
}

/// Copies `records` records in transactions, then prints the CPU time and memory that this took.
fn worker(name: &str, records: usize) {
    let mut log = KafkaLog::open(options(name)).unwrap();
    let watch = Arc::new(Mutex::new(log.watch()));
    end_when_hanging(Arc::clone(&watch));
    let mut outputs = Outputs::default();
    let mut owned: Vec<TopicPartition> = Vec::new();
    let (mut copied, mut commits, mut waits) = (0, 0, 0);
    let mut began = None;
    while copied < records {
        waits += 1;
        match round(&mut log, &mut owned, &mut outputs) {
            Ok(0) => {}
            Ok(batch) => {
                commits += 1;
                copied += batch;
            }
            Err(LogError::Unavailable(why)) => eprintln!("waiting: {why}"),
            Err(error) => {
                eprintln!("opening a new log: {error}");
                let failed = Instant::now();
                drop(log);
                eprintln!("closed in {:?}", failed.elapsed());
                log = KafkaLog::open(options(name)).unwrap();
                *watch.lock().unwrap() = log.watch();
                owned.clear();
            }
        }
        if began.is_none() && !owned.is_empty() {
            began = Some((Instant::now(), cpu()));
        }
    }
    let (began, cpu_before) = began.unwrap();
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu() - cpu_before);
    println!(
        "{copied} records in {seconds:.2} s: {:.0} a second, {:.2} µs of CPU each ({:.3} of a core), \
         {commits} commits, {waits} waits, {} MiB resident at most",
        copied as f64 / seconds,
        cpu * 1e6 / copied as f64,
        cpu / seconds,
        peak_memory(),
    );
}

fn end_when_hanging(watch: Arc<Mutex<TransactionWatch>>) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            if let Some(time) = watch.lock().unwrap().hanging_for() {
                eprintln!("a call has been hanging for {time:?}");
                std::process::exit(3);
            }
        }
    });
}

/// Waits, copies the available records, commits.
fn round(log: &mut KafkaLog, owned: &mut Vec<TopicPartition>, outputs: &mut Outputs) -> Result<usize, LogError> {
    for change in log.wait(Duration::from_secs(1))? {
        match change {
            AssignmentChange::Assigned(partitions) => {
                let committed = log.committed(&partitions)?;
                let positions: Vec<_> = partitions
                    .into_iter()
                    .zip(committed)
                    .map(|(partition, position)| (partition, position.map_or(0, |position| position.offset)))
                    .collect();
                log.start(&positions)?;
                owned.extend(positions.into_iter().map(|(partition, _)| partition));
            }
            AssignmentChange::Revoked(partitions) => {
                log.stop(&partitions)?;
                owned.retain(|partition| !partitions.contains(partition));
            }
        }
    }
    outputs.clear();
    let mut batch = 0;
    for partition in owned.iter() {
        while batch < BATCH {
            let Some(record) = log.take(partition)? else { break };
            let value = record.value.unwrap_or_default();
            outputs.push(0, Some(partition.partition), None, record.key, |bytes| {
                bytes.extend_from_slice(value);
            });
            batch += 1;
        }
    }
    if batch > 0 {
        let positions: Vec<_> = owned
            .iter()
            .filter_map(|partition| Some((partition.clone(), log.position(partition)?.into())))
            .collect();
        log.commit(outputs, &positions)?;
    }
    Ok(batch)
}

fn measure_copy(records: usize) {
    let options = new_group();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("compression.type", "lz4")
        .set("linger.ms", "50")
        .create()
        .unwrap();
    for number in 0..records {
        let key = (number % 5000).to_string();
        let value = format!(
            "{{\"transaction_id\":{number},\"customer_id\":{key},\"terminal_id\":{},\"amount\":{}.{:02}}}",
            number * 31 % 10_007,
            number % 977,
            number % 100
        );
        let mut record = BaseRecord::to(&options.inputs[0])
            .partition(number as i32 % PARTITIONS)
            .key(&key)
            .payload(&value);
        while let Err((_, unsent)) = producer.send(record) {
            producer.poll(Duration::from_millis(10));
            record = unsent;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(LIMIT).unwrap();
    start_worker(&options, records).wait().unwrap();
}

fn measure_transactions(count: usize) {
    let options = new_group();
    let mut log = KafkaLog::open(options).unwrap();
    let mut owned = Vec::new();
    while owned.is_empty() {
        for change in log.wait(LIMIT).unwrap() {
            if let AssignmentChange::Assigned(partitions) = change {
                owned = partitions;
            }
        }
    }
    let mut outputs = Outputs::default();
    let mut times = Vec::with_capacity(count);
    let cpu_before = cpu();
    for number in 0..count {
        outputs.clear();
        for partition in 0..PARTITIONS {
            outputs.push(0, Some(partition), None, None, |bytes| {
                bytes.extend_from_slice(b"value");
            });
        }
        let positions: Vec<_> = owned
            .iter()
            .map(|partition| (partition.clone(), (number as i64).into()))
            .collect();
        let began = Instant::now();
        log.commit(&outputs, &positions).unwrap();
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let rate = count as f64 / times.iter().sum::<f64>() * 1e3;
    let cpu = (cpu() - cpu_before) * 1e6 / count as f64;
    println!(
        "{rate:.0} transactions a second, {cpu:.0} µs of CPU each; {}",
        percentiles(&mut times)
    );
}

fn measure_latency(seconds: usize) {
    let options = new_group();
    let records = 200 * seconds;
    let mut worker = start_worker(&options, records);
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("group.id", "measure")
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&options.outputs[0], partition, Offset::Beginning)
            .unwrap();
    }
    reader.assign(&list).unwrap();
    let input = options.inputs[0].clone();
    let writer = std::thread::spawn(move || {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers())
            .set("linger.ms", "0")
            .set("enable.idempotence", "true")
            .create()
            .unwrap();
        let began = Instant::now();
        for number in 0..records {
            let due = began + Duration::from_millis(5) * number as u32;
            producer.poll(due.saturating_duration_since(Instant::now()));
            let sent = [number as u64, now()].map(u64::to_be_bytes).concat();
            let record = BaseRecord::<[u8], [u8]>::to(&input)
                .partition(number as i32 % PARTITIONS)
                .payload(&sent);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(LIMIT).unwrap();
    });
    let mut times = Vec::with_capacity(records);
    let mut seen = HashMap::new();
    while seen.len() < records {
        let Some(record) = reader.poll(LIMIT) else { continue };
        let Ok(record) = record else { continue };
        let (number, sent) = record.payload().unwrap().split_at(8);
        let sent = u64::from_be_bytes(sent.try_into().unwrap());
        times.push((now() - sent) as f64 / 1e3);
        let place = (record.partition(), record.offset());
        if let Some(before) = seen.insert(number.to_vec(), place) {
            eprintln!("a record was written twice: at {before:?} and {place:?}");
        }
    }
    writer.join().unwrap();
    worker.wait().unwrap();
    // The first second is a warm-up: metadata is fetched and the group is formed.
    let mut times = times.split_off(200);
    println!("produce to read_committed: {}", percentiles(&mut times));
}

fn percentiles(milliseconds: &mut [f64]) -> String {
    milliseconds.sort_by(f64::total_cmp);
    let at = |share: f64| milliseconds[((milliseconds.len() - 1) as f64 * share) as usize];
    format!("p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms", at(0.5), at(0.9), at(0.99))
}

/// CPU seconds of this process so far.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat[stat.rfind(')').unwrap()..].split(' ').collect();
    let ticks: f64 = fields[12..14].iter().map(|field| field.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}
