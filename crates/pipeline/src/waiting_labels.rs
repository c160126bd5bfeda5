//! Labels that came before their transactions. They wait in the state of the first stage, each until its transaction comes,
//! or until stream time is later than it may wait.
//!
//! ```text
//! wt KEY ID      labels of the transaction ID of the entity KEY, in the order in which they came
//! wh HOUR        how many labels may wait until this hour of stream time
//! wx HOUR KEY ID that a label of this transaction is among them
//! ```
//!
//! All of them are in the store. In memory are the changes since the last write, and the number of labels of each hour.

use crate::label_record::{LabelFormat, damaged, split_label};
use riskstream_engine::Event;
use riskstream_engine::plan::Plan;
use riskstream_events::varint::write_unsigned;
use riskstream_features::state::{StateError, StateStore, StateWrites};
use std::collections::BTreeMap;

const TRANSACTION: &[u8] = b"wt";
const HOUR: &[u8] = b"wh";
const EXPIRY: &[u8] = b"wx";

/// Labels expire together once an hour of stream time, in microseconds.
const MICROS: i64 = 3_600_000_000;

/// See the module.
pub(crate) struct WaitingLabels {
    format: LabelFormat,
    /// By input, how long after its event time a label may wait.
    arrives_within: Vec<i64>,
    /// How many labels may wait until each hour.
    hours: BTreeMap<i64, u64>,
    /// What was changed since the last write: new values, or none for what was removed.
    changed: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl WaitingLabels {
    /// No label waits. What a store has of them is there after [`WaitingLabels::restore`].
    pub(crate) fn new(plan: &Plan, stage: usize) -> WaitingLabels {
        WaitingLabels {
            format: LabelFormat::new(plan, stage),
            arrives_within: plan.inputs.iter().map(|input| input.arrives_within).collect(),
            hours: BTreeMap::new(),
            changed: BTreeMap::new(),
        }
    }

    /// Forgets what was not written.
    pub(crate) fn restore(&mut self, store: &dyn StateStore) -> Result<(), StateError> {
        self.changed.clear();
        self.hours.clear();
        for (key, count) in store.scan(HOUR)? {
            let hour = key.strip_prefix(HOUR).and_then(|hour| hour.try_into().ok());
            let count = count.as_slice().try_into().ok();
            let (Some(hour), Some(count)) = (hour, count) else {
                return Err(damaged("the number of labels of an hour has another form"));
            };
            self.hours.insert(hour_of_bytes(hour), u64::from_le_bytes(count));
        }
        Ok(())
    }

    /// Whether no label waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    /// Number of labels that wait.
    pub(crate) fn len(&self) -> u64 {
        self.hours.values().sum()
    }

    /// The stream time until which a label may wait.
    pub(crate) fn until(&self, label: &Event) -> i64 {
        let within = self.arrives_within[usize::from(label.input)];
        label.event_time().saturating_add(within)
    }

    /// Adds a label of an entity.
    pub(crate) fn add(&mut self, store: &dyn StateStore, key: &str, label: &Event) -> Result<(), StateError> {
        let transaction = transaction_key(key, label.id());
        let hour = self.until(label).div_euclid(MICROS);
        let mut labels = self.get(store, &transaction)?.unwrap_or_default();
        self.append(label, &mut labels);
        self.changed.insert(expiry_key(hour, &transaction), Some(Vec::new()));
        self.changed.insert(transaction, Some(labels));
        let count = self.hours.get(&hour).copied().unwrap_or(0);
        self.count(hour, count + 1);
        Ok(())
    }

    /// Takes out the labels of a transaction, in the order of their event times; of equal ones in that of their arrival.
    pub(crate) fn take(&mut self, store: &dyn StateStore, key: &str, id: &str) -> Result<Vec<Event>, StateError> {
        let transaction = transaction_key(key, id);
        let mut labels = match self.get(store, &transaction)? {
            Some(bytes) => self.read(&bytes)?,
            None => return Ok(Vec::new()),
        };
        self.changed.insert(transaction.clone(), None);
        for label in &labels {
            self.forget(&transaction, label);
        }
        labels.sort_by_key(Event::event_time);
        Ok(labels)
    }

    /// Takes out labels that may not wait until `stream_time`: those of the earliest hour, if that has passed.
    pub(crate) fn expire(&mut self, store: &dyn StateStore, stream_time: i64) -> Result<Vec<Event>, StateError> {
        let hour = self.hours.first_key_value().map(|(hour, _)| *hour);
        let Some(hour) = hour.filter(|hour| (hour + 1).saturating_mul(MICROS) <= stream_time) else {
            return Ok(Vec::new());
        };
        let prefix = expiry_key(hour, &[]);
        let mut expired = Vec::new();
        for transaction in self.keys(store, &prefix)? {
            let bytes = self.get(store, &transaction)?.ok_or(damaged("it is missing"))?;
            let labels = self.read(&bytes)?;
            let ends = |label: &Event| self.until(label).div_euclid(MICROS) == hour;
            let (ended, kept): (Vec<Event>, Vec<Event>) = labels.into_iter().partition(ends);
            let mut rest = Vec::new();
            kept.iter().for_each(|label| self.append(label, &mut rest));
            self.changed
                .insert(transaction.clone(), (!kept.is_empty()).then_some(rest));
            for label in &ended {
                self.forget(&transaction, label);
            }
            expired.extend(ended);
        }
        self.count(hour, 0);
        Ok(expired)
    }

    /// Adds the changes since the last write.
    pub(crate) fn collect(&self, writes: &mut StateWrites) {
        for (key, value) in &self.changed {
            match value {
                Some(value) => writes.put(key, |bytes| bytes.extend_from_slice(value)),
                None => writes.delete(key),
            }
        }
    }

    /// What was collected is durable.
    pub(crate) fn written(&mut self) {
        self.changed.clear();
    }

    /// Removes a label's expiry and its share of the hour's number.
    fn forget(&mut self, transaction: &[u8], label: &Event) {
        let hour = self.until(label).div_euclid(MICROS);
        self.changed.insert(expiry_key(hour, transaction), None);
        let count = self.hours.get(&hour).copied().unwrap_or(0);
        self.count(hour, count.saturating_sub(1));
    }

    fn count(&mut self, hour: i64, count: u64) {
        let key = hour_key(hour);
        if count == 0 {
            self.hours.remove(&hour);
            self.changed.insert(key, None);
        } else {
            self.hours.insert(hour, count);
            self.changed.insert(key, Some(count.to_le_bytes().to_vec()));
        }
    }

    fn get(&self, store: &dyn StateStore, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match self.changed.get(key) {
            Some(value) => Ok(value.clone()),
            None => store.get(key),
        }
    }

    /// The keys with this prefix, without it, in order.
    fn keys(&self, store: &dyn StateStore, prefix: &[u8]) -> Result<Vec<Vec<u8>>, StateError> {
        let stored = store.scan(prefix)?.into_iter().map(|(key, _)| (key, true));
        let mut keys: BTreeMap<Vec<u8>, bool> = stored.collect();
        let changed = self.changed.range(prefix.to_vec()..);
        for (key, value) in changed.take_while(|(key, _)| key.starts_with(prefix)) {
            keys.insert(key.clone(), value.is_some());
        }
        let present = keys.into_iter().filter(|(_, is_present)| *is_present);
        Ok(present.map(|(key, _)| key[prefix.len()..].to_vec()).collect())
    }

    fn read(&self, mut bytes: &[u8]) -> Result<Vec<Event>, StateError> {
        let mut labels = Vec::new();
        while !bytes.is_empty() {
            let label = self.format.read(split_label(&mut bytes)?)?;
            if usize::from(label.input) >= self.arrives_within.len() {
                return Err(damaged("it is of an input that the pipeline does not have"));
            }
            labels.push(label);
        }
        Ok(labels)
    }

    fn append(&self, label: &Event, labels: &mut Vec<u8>) {
        let mut bytes = Vec::new();
        self.format.write(label, &mut bytes);
        write_unsigned(bytes.len() as u64, labels);
        labels.extend_from_slice(&bytes);
    }
}

fn transaction_key(key: &str, id: &str) -> Vec<u8> {
    let mut bytes = TRANSACTION.to_vec();
    write_unsigned(key.len() as u64, &mut bytes);
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(id.as_bytes());
    bytes
}

fn hour_key(hour: i64) -> Vec<u8> {
    [HOUR, &hour_bytes(hour)].concat()
}

fn expiry_key(hour: i64, transaction: &[u8]) -> Vec<u8> {
    [EXPIRY, &hour_bytes(hour), transaction].concat()
}

/// In the order of hours, also of those before 1970.
fn hour_bytes(hour: i64) -> [u8; 8] {
    (hour ^ i64::MIN).to_be_bytes()
}

fn hour_of_bytes(bytes: [u8; 8]) -> i64 {
    i64::from_be_bytes(bytes) ^ i64::MIN
}
