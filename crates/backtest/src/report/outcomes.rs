//! Outcomes in numbers and money: in all, by day, by segment.

use super::Facts;
use super::period::{date, day};
use crate::labels::Truth;
use crate::ledger::{Decisions, Ledger};
use riskstream_offline::evaluation::{auc_roc, average_precision};
use riskstream_policy::{Outcome, Outcomes};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// Payments of one outcome, in numbers and money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Judged {
    /// How many.
    pub payments: usize,
    /// Their money.
    pub amount: f64,
    /// Those whose label counts.
    pub judged: usize,
    /// Frauds among these.
    pub frauds: usize,
    /// Their money.
    pub fraud_amount: f64,
}

impl Judged {
    pub(super) fn add(&mut self, amount: f64, truth: Truth) {
        self.payments += 1;
        self.amount += amount;
        self.judged += usize::from(truth.fraud().is_some());
        if truth == Truth::Fraud {
            self.frauds += 1;
            self.fraud_amount += amount;
        }
    }

    /// The share of frauds among the judged payments.
    pub fn precision(&self) -> Option<f64> {
        (self.judged > 0).then(|| self.frauds as f64 / self.judged as f64)
    }
}

/// Payments by outcome, the mildest first. JSON: an object with the outcomes' words.
#[derive(Clone, Debug, PartialEq)]
pub struct ByOutcome(Vec<(String, Judged)>);

impl ByOutcome {
    /// No payments yet.
    pub(super) fn new(outcomes: &Outcomes) -> ByOutcome {
        ByOutcome(
            outcomes
                .words()
                .map(|word| (word.to_owned(), Judged::default()))
                .collect(),
        )
    }

    fn add(&mut self, outcome: Outcome, amount: f64, truth: Truth) {
        self.0[outcome.severity()].1.add(amount, truth);
    }

    /// The outcomes' words with their payments.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Judged)> + ExactSizeIterator {
        self.0.iter().map(|(word, judged)| (word.as_str(), judged))
    }

    /// The payments of an outcome; none if the pipeline has no such outcome.
    pub fn of(&self, word: &str) -> Option<&Judged> {
        self.iter().find(|(known, _)| *known == word).map(|(_, judged)| judged)
    }

    /// All payments.
    pub fn all(&self) -> Judged {
        sum(&self.0)
    }

    /// Payments of the mildest outcome, which nobody reviewed.
    pub fn passed(&self) -> Judged {
        sum(&self.0[..1])
    }

    /// Payments of the other outcomes.
    pub fn alerts(&self) -> Judged {
        sum(&self.0[1..])
    }

    /// The share of frauds that were alerts.
    pub fn recall(&self) -> Option<f64> {
        let all = self.all().frauds;
        (all > 0).then(|| self.alerts().frauds as f64 / all as f64)
    }

    /// The share of the frauds' money in alerts.
    pub fn money_recall(&self) -> Option<f64> {
        let all = self.all().fraud_amount;
        (all > 0.0).then(|| self.alerts().fraud_amount / all)
    }
}

fn sum(parts: &[(String, Judged)]) -> Judged {
    let mut sum = Judged::default();
    for (_, part) in parts {
        sum.payments += part.payments;
        sum.amount += part.amount;
        sum.judged += part.judged;
        sum.frauds += part.frauds;
        sum.fraud_amount += part.fraud_amount;
    }
    sum
}

impl Serialize for ByOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// A day's outcomes.
#[derive(Clone, Debug, Serialize)]
pub struct Day {
    /// The date, UTC.
    pub day: String,
    /// Its outcomes.
    #[serde(flatten)]
    pub outcomes: ByOutcome,
}

/// A segmentation.
#[derive(Clone, Debug, Serialize)]
pub struct Segments {
    /// The names of its fields.
    pub by: String,
    /// The segments with the most payments, the largest first.
    pub rows: Vec<SegmentRow>,
    /// How many smaller segments are left out.
    pub further: usize,
}

/// A segment.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentRow {
    /// The values of the fields.
    pub segment: String,
    /// Its outcomes.
    #[serde(flatten)]
    pub outcomes: ByOutcome,
    /// The area under the ROC of its scores, if it is defined.
    pub auc: Option<f64>,
    /// Their average precision.
    pub average_precision: Option<f64>,
}

/// Segments that are listed.
const LISTED: usize = 50;

/// The outcomes of all payments.
pub(super) fn outcomes(ledger: &Ledger, truths: &[Truth], words: &Outcomes, decisions: &Decisions) -> ByOutcome {
    let mut outcomes = ByOutcome::new(words);
    for (number, payment) in ledger.payments.iter().enumerate() {
        if let Some(logged) = decisions.get(number) {
            outcomes.add(logged.outcome, payment.amount, truths[number]);
        }
    }
    outcomes
}

pub(super) fn days(facts: Facts<'_>, words: &Outcomes, decisions: &Decisions) -> Vec<Day> {
    let mut days: BTreeMap<i64, ByOutcome> = BTreeMap::new();
    for (number, payment) in facts.ledger.payments.iter().enumerate() {
        if let Some(logged) = decisions.get(number) {
            let outcomes = days.entry(day(payment.time)).or_insert_with(|| ByOutcome::new(words));
            outcomes.add(logged.outcome, payment.amount, facts.truths[number]);
        }
    }
    let day = |(day, outcomes)| Day {
        day: date(day),
        outcomes,
    };
    days.into_iter().map(day).collect()
}

pub(super) fn segments(facts: Facts<'_>, words: &Outcomes, decisions: &Decisions) -> Vec<Segments> {
    let names = &facts.options.segmentations;
    let segmentations = facts.ledger.segments.iter().zip(names);
    let segments = segmentations.map(|((texts, numbers), name)| {
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); texts.len()];
        for (payment, segment) in numbers.iter().enumerate() {
            members[*segment as usize].push(payment);
        }
        let mut largest: Vec<usize> = (0..members.len()).collect();
        largest.sort_by(|a, b| {
            members[*b]
                .len()
                .cmp(&members[*a].len())
                .then(texts.text(*a as u32).cmp(texts.text(*b as u32)))
        });
        let rows = largest.iter().take(LISTED);
        Segments {
            by: name.clone(),
            rows: rows
                .map(|segment| row(facts, words, decisions, texts.text(*segment as u32), &members[*segment]))
                .collect(),
            further: largest.len().saturating_sub(LISTED),
        }
    });
    segments.collect()
}

fn row(facts: Facts<'_>, words: &Outcomes, decisions: &Decisions, segment: &str, payments: &[usize]) -> SegmentRow {
    let mut outcomes = ByOutcome::new(words);
    let (mut scores, mut labels) = (Vec::new(), Vec::new());
    for &payment in payments {
        let Some(logged) = decisions.get(payment) else { continue };
        let truth = facts.truths[payment];
        outcomes.add(logged.outcome, facts.ledger.payments[payment].amount, truth);
        if let (Some(score), Some(fraud)) = (logged.score(), truth.fraud()) {
            scores.push(score);
            labels.push(fraud);
        }
    }
    SegmentRow {
        segment: segment.to_owned(),
        outcomes,
        auc: auc_roc(&scores, &labels).ok(),
        average_precision: average_precision(&scores, &labels).ok(),
    }
}
