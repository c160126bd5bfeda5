//! Labels by the id of their payment, and the label of a payment as of a time.

use compact_str::CompactString;
use riskstream_events::{Rejection, Row, Slot, Value, write_key};
use riskstream_offline::read::{Next, ReadError, Rows};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// The slots of a label's row.
#[derive(Clone, Copy, Debug)]
pub struct LabelSlots {
    /// The id of its payment.
    pub id: Slot,
    /// Whether that was fraud.
    pub fraud: Slot,
    /// When that became known.
    pub known_at: Option<Slot>,
}

/// When labels count. Times are in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsOf {
    /// Only what was known by then counts; without it, everything.
    pub time: Option<i64>,
    /// How long after its payment a label without a time of its own becomes known.
    pub delay: i64,
    /// A payment without a label is genuine once it is so old.
    pub genuine_after: Option<i64>,
}

/// The truth about a payment, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It was genuine.
    Genuine,
    /// It was fraud.
    Fraud,
    /// Its label was not known yet, or it may still get one.
    TooYoung,
    /// There is no label for it.
    Unlabelled,
    /// A payment before it has the same id.
    Repeated,
}

impl Truth {
    /// Whether it was fraud; none if that is not known.
    pub fn fraud(self) -> Option<bool> {
        match self {
            Truth::Genuine => Some(false),
            Truth::Fraud => Some(true),
            Truth::TooYoung | Truth::Unlabelled | Truth::Repeated => None,
        }
    }
}

/// A number of records, and where the first of them are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Places {
    /// How many.
    pub count: usize,
    /// The first three.
    pub first: Vec<String>,
}

impl Places {
    const NAMED: usize = 3;

    pub(crate) fn add(&mut self, place: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < Places::NAMED {
            self.first.push(place());
        }
    }
}

struct Label {
    fraud: bool,
    known_at: Option<i64>,
    file: u32,
    record: u64,
}

/// The labels of all files.
#[derive(Default)]
pub struct Labels {
    by_id: HashMap<CompactString, Label>,
    files: Vec<String>,
    /// Labels read.
    pub records: u64,
    /// Labels of a payment that has another label: that which became known last counts.
    pub repeated: Places,
    /// Labels whose id or fraud is null.
    pub incomplete: Places,
}

impl Labels {
    /// Reads the labels of a file. Of several labels of a payment that counts which became known last, but not after `as_of`; of
    /// equal ones the later in the files. Records that cannot be used are given to `rejected`.
    ///
    /// # Errors
    /// The file cannot be read on.
    pub fn read(
        &mut self,
        name: &str,
        rows: &mut dyn Rows,
        slots: LabelSlots,
        as_of: AsOf,
        rejected: &mut dyn FnMut(u64, &Rejection),
    ) -> Result<(), ReadError> {
        let file = self.files.len() as u32;
        self.files.push(name.to_owned());
        let (mut row, mut id, mut record) = (Row::new(), String::new(), 0);
        loop {
            record += 1;
            match rows.next(&mut row)? {
                Next::End => return Ok(()),
                Next::Rejected(number, rejection) => rejected(number, &rejection),
                Next::Row => {
                    self.records += 1;
                    let fraud = &row[slots.fraud];
                    let (Some(id), Value::Bool(fraud)) = (write_key(&row[slots.id], &mut id), fraud) else {
                        self.incomplete.add(|| format!("{name} record {record}"));
                        continue;
                    };
                    let known_at = slots.known_at.and_then(|slot| match row[slot] {
                        Value::Timestamp(time) => Some(time),
                        _ => None,
                    });
                    let label = Label {
                        fraud: *fraud,
                        known_at,
                        file,
                        record,
                    };
                    self.add(id, label, as_of);
                }
            }
        }
    }

    fn add(&mut self, id: &str, label: Label, as_of: AsOf) {
        let Some(before) = self.by_id.get_mut(id) else {
            self.by_id.insert(id.into(), label);
            return;
        };
        let place = |label: &Label| format!("{} record {}: `{id}`", self.files[label.file as usize], label.record);
        self.repeated.add(|| place(&label));
        let is_late = |label: &Label| as_of.time.is_some_and(|time| label.known_at > Some(time));
        let replaces = match (is_late(before), is_late(&label)) {
            (true, false) => true,
            (false, true) => false,
            _ => label.known_at >= before.known_at,
        };
        if replaces {
            *before = label;
        }
    }

    /// How many payments have a label.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// What is known of payments, given by id and time in order, and the labels that are neither of one of them nor of one of
    /// the `others`.
    pub fn judge<'p>(
        &self,
        payments: impl Iterator<Item = (&'p str, i64)> + Clone,
        others: impl Iterator<Item = &'p str>,
        as_of: AsOf,
    ) -> (Vec<Truth>, Places) {
        let now = as_of.time.or_else(|| payments.clone().map(|(_, time)| time).max());
        let now = now.unwrap_or_default();
        let mut seen: HashSet<&str> = HashSet::new();
        let truths = payments.map(|(id, time)| match seen.insert(id) {
            true => self.truth(id, time, now, as_of),
            false => Truth::Repeated,
        });
        let truths: Vec<Truth> = truths.collect();
        seen.extend(others);
        let mut missed: Vec<(&CompactString, &Label)> = self
            .by_id
            .iter()
            .filter(|(id, _)| !seen.contains(id.as_str()))
            .collect();
        missed.sort_unstable_by_key(|(_, label)| (label.file, label.record));
        let mut places = Places::default();
        for (id, label) in missed {
            places.add(|| format!("{} record {}: `{id}`", self.files[label.file as usize], label.record));
        }
        (truths, places)
    }

    fn truth(&self, id: &str, time: i64, now: i64, as_of: AsOf) -> Truth {
        let is_old = |age: i64| time.saturating_add(age) <= now;
        match self.by_id.get(id) {
            Some(label) => {
                let known_at = label.known_at.unwrap_or(time.saturating_add(as_of.delay));
                match (as_of.time.is_some_and(|as_of| known_at > as_of), label.fraud) {
                    (true, _) => Truth::TooYoung,
                    (false, true) => Truth::Fraud,
                    (false, false) => Truth::Genuine,
                }
            }
            None => match as_of.genuine_after.map(is_old) {
                Some(true) => Truth::Genuine,
                Some(false) => Truth::TooYoung,
                None => Truth::Unlabelled,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A label's id, time and fraud.
    type Line = (&'static str, Option<i64>, Option<bool>);

    struct Lines<'l>(std::slice::Iter<'l, Line>);

    impl Rows for Lines<'_> {
        fn next(&mut self, row: &mut Row) -> Result<Next, ReadError> {
            let Some(&(id, time, fraud)) = self.0.next() else {
                return Ok(Next::End);
            };
            *row = vec![
                Value::Text(id.into()),
                time.map_or(Value::Null, Value::Timestamp),
                fraud.map_or(Value::Null, Value::Bool),
            ];
            Ok(Next::Row)
        }
    }

    fn labels(lines: &[Line], as_of: AsOf) -> Labels {
        let slots = LabelSlots {
            id: 0,
            fraud: 2,
            known_at: Some(1),
        };
        let mut labels = Labels::default();
        let mut rows = Lines(lines.iter());
        labels.read("f.csv", &mut rows, slots, as_of, &mut |_, _| {}).unwrap();
        labels
    }

    #[test]
    fn what_was_known_by_then_counts() {
        let lines = [
            ("a", Some(10), Some(false)),
            ("a", Some(20), Some(true)),
            ("a", Some(15), Some(false)),
            ("b", Some(30), Some(true)),
            ("c", None, None),
            ("y", Some(1), Some(true)),
            ("z", Some(1), Some(true)),
        ];
        let payments = [("a", 1), ("b", 2), ("c", 3), ("a", 4)];
        use Truth::*;
        #[rustfmt::skip]
        let cases = [
            (None, [Fraud, Fraud, Unlabelled, Repeated]),
            (Some(30), [Fraud, Fraud, Unlabelled, Repeated]),
            (Some(29), [Fraud, TooYoung, Unlabelled, Repeated]),
            (Some(19), [Genuine, TooYoung, Unlabelled, Repeated]),
            (Some(9), [TooYoung, TooYoung, Unlabelled, Repeated]),
        ];
        for (time, expected) in cases {
            let as_of = AsOf {
                time,
                ..AsOf::default()
            };
            let labels = labels(&lines, as_of);
            let (truths, missed) = labels.judge(payments.iter().copied(), ["y"].into_iter(), as_of);
            assert_eq!(truths, expected, "{time:?}");
            assert_eq!(missed.first, ["f.csv record 7: `z`"]);
            assert_eq!((labels.records, labels.repeated.count), (7, 2));
            assert_eq!(labels.incomplete.first, ["f.csv record 5"]);
        }
    }

    #[test]
    fn labels_without_a_time_are_known_after_the_delay_and_payments_without_a_label_become_genuine() {
        let as_of = AsOf {
            time: Some(100),
            delay: 10,
            genuine_after: Some(50),
        };
        let labels = labels(&[("a", None, Some(true)), ("b", None, Some(true))], as_of);
        let payments = [("a", 90), ("b", 91), ("c", 50), ("d", 51)];
        let (truths, _) = labels.judge(payments.iter().copied(), std::iter::empty(), as_of);
        assert_eq!(truths, [Truth::Fraud, Truth::TooYoung, Truth::Genuine, Truth::TooYoung]);
    }
}
