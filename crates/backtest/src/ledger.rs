//! Decided payments in columns, and the decisions of each variant on them.

use compact_str::CompactString;
use riskstream_engine::Event;
use riskstream_events::{Slot, Value, display, write_key};
use riskstream_policy::Outcome;
use riskstream_scoring::Decision;
use std::collections::HashMap;

/// The fields of a payment that are kept besides its decisions.
#[derive(Clone, Debug, Default)]
pub struct PaymentFields {
    /// The slot of the amount, if there is one.
    pub amount: Option<Slot>,
    /// The slot of the card's key, if there is one.
    pub card: Option<Slot>,
    /// The slots of each segmentation.
    pub segments: Vec<Vec<Slot>>,
    /// Payments from this time on are kept, in microseconds.
    pub from: Option<i64>,
    /// Payments before this time are kept.
    pub until: Option<i64>,
}

/// Texts, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.numbers.insert(text.to_owned(), number);
        self.texts.push(text.to_owned());
        number
    }

    pub(crate) fn text(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }
}

/// A payment.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub id: CompactString,
    pub time: i64,
    /// Its amount; 0 if it has none.
    pub amount: f64,
    pub card: u32,
}

/// The decision of a variant on a payment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logged {
    /// NaN: there is no score.
    score: f64,
    pub outcome: Outcome,
    first: usize,
    fired: usize,
    shadows: usize,
}

impl Logged {
    pub fn score(&self) -> Option<f64> {
        Some(self.score).filter(|score| !score.is_nan())
    }
}

/// The decisions of a variant, by payment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decisions {
    /// None: the variant did not decide on it.
    by_payment: Vec<Option<Logged>>,
    /// The rules of all decisions, one after the other.
    rules: Vec<u32>,
}

/// A decision to be noted. Rules and thresholds by their numbers in the policy.
pub(crate) struct DecisionEntry<'a> {
    pub score: Option<f64>,
    pub outcome: Outcome,
    pub fired: &'a [usize],
    pub shadows: &'a [usize],
}

impl<'a> DecisionEntry<'a> {
    pub fn of(decision: &'a Decision) -> DecisionEntry<'a> {
        DecisionEntry {
            score: decision.answer.score,
            outcome: decision.policy.outcome,
            fired: &decision.policy.fired,
            shadows: &decision.policy.shadows,
        }
    }
}

impl Decisions {
    pub fn note(&mut self, payment: usize, noted: DecisionEntry<'_>) {
        if self.by_payment.len() <= payment {
            self.by_payment.resize(payment + 1, None);
        }
        let logged = Logged {
            score: noted.score.unwrap_or(f64::NAN),
            outcome: noted.outcome,
            first: self.rules.len(),
            fired: noted.fired.len(),
            shadows: noted.shadows.len(),
        };
        self.rules
            .extend(noted.fired.iter().chain(noted.shadows).map(|rule| *rule as u32));
        self.by_payment[payment] = Some(logged);
    }

    pub fn get(&self, payment: usize) -> Option<&Logged> {
        self.by_payment.get(payment)?.as_ref()
    }

    /// The rules and thresholds that fired.
    pub fn fired(&self, logged: &Logged) -> &[u32] {
        &self.rules[logged.first..][..logged.fired]
    }

    /// The shadow rules that would have fired.
    pub fn shadows(&self, logged: &Logged) -> &[u32] {
        &self.rules[logged.first + logged.fired..][..logged.shadows]
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    observed: PaymentFields,
    pub(crate) payments: Vec<Payment>,
    pub(crate) decisions: Vec<Decisions>,
    cards: Texts,
    /// By segmentation: the values, and for each payment the number of its value.
    pub(crate) segments: Vec<(Texts, Vec<u32>)>,
    /// The ids of payments before or after the period.
    pub(crate) outside: Vec<CompactString>,
    key: String,
}

impl Ledger {
    /// An empty one for so many variants.
    pub fn new(observed: PaymentFields, variants: usize) -> Ledger {
        Ledger {
            decisions: vec![Decisions::default(); variants],
            segments: vec![Default::default(); observed.segments.len()],
            observed,
            ..Ledger::default()
        }
    }

    /// Adds a payment; its number, or none if it lies outside the period.
    pub(crate) fn add(&mut self, event: &Event) -> Option<usize> {
        let time = event.event_time();
        let PaymentFields { from, until, .. } = self.observed;
        if from.is_some_and(|from| time < from) || until.is_some_and(|until| time >= until) {
            self.outside.push(event.id().into());
            return None;
        }
        let card = self
            .observed
            .card
            .and_then(|slot| write_key(&event.row[slot], &mut self.key));
        let card = self.cards.number(card.unwrap_or(event.id()));
        let amount = self.observed.amount.and_then(|slot| event.row[slot].as_number());
        for (slots, (texts, numbers)) in self.observed.segments.iter().zip(&mut self.segments) {
            let values: Vec<String> = slots.iter().map(|slot| segment(&event.row[*slot])).collect();
            numbers.push(texts.number(&values.join(", ")));
        }
        Some(self.push(event.id(), time, amount, card))
    }

    /// Adds a payment of which nothing else is known; its number.
    pub(crate) fn add_bare(&mut self, id: &str, time: i64, amount: Option<f64>) -> usize {
        let card = self.cards.number(id);
        self.push(id, time, amount, card)
    }

    fn push(&mut self, id: &str, time: i64, amount: Option<f64>, card: u32) -> usize {
        self.payments.push(Payment {
            id: id.into(),
            time,
            amount: amount.filter(|amount| amount.is_finite()).unwrap_or(0.0),
            card,
        });
        self.payments.len() - 1
    }

    /// How many payments there are.
    pub fn len(&self) -> usize {
        self.payments.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.payments.is_empty()
    }

    /// Id and time of each payment, in order.
    pub fn payments(&self) -> impl Iterator<Item = (&str, i64)> + Clone {
        self.payments.iter().map(|payment| (payment.id.as_str(), payment.time))
    }

    pub(crate) fn cards(&self) -> usize {
        self.cards.len()
    }
}

fn segment(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        value => display::value(value),
    }
}
