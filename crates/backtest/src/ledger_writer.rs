//! Writes decisions to the ledger as a backfill makes them.

use crate::ledger::{DecisionEntry, Ledger};
use crate::variant::Variant;
use riskstream_engine::Event;
use riskstream_engine::plan::Plan;
use riskstream_events::{Flags, Rejection};
use riskstream_offline::backfill::{BackfillError, Sink};
use riskstream_scoring::Decision;
use std::collections::HashMap;

/// Is told what the first pass did.
pub trait Observer {
    /// A payment was decided under these circumstances.
    fn decided(&mut self, flags: Flags);

    /// A record that cannot be used: the input, its number in the file, why.
    fn rejected(&mut self, input: u8, number: u64, rejection: &Rejection);
}

/// The first pass: notes the payments, what the base decided on them, and what the variants with the same features do.
pub struct LedgerWriter<'r> {
    plan: &'r Plan,
    ledger: &'r mut Ledger,
    /// Each with its place in the ledger.
    variants: Vec<(usize, Variant)>,
    observer: &'r mut dyn Observer,
    numbers: Vec<Option<usize>>,
}

impl<'r> LedgerWriter<'r> {
    /// Records the base, which has this plan, as number 0 and the variants under their numbers.
    pub fn new(
        plan: &'r Plan,
        ledger: &'r mut Ledger,
        variants: Vec<(usize, Variant)>,
        observer: &'r mut dyn Observer,
    ) -> LedgerWriter<'r> {
        LedgerWriter {
            plan,
            ledger,
            variants,
            observer,
            numbers: Vec::new(),
        }
    }
}

impl Sink for LedgerWriter<'_> {
    fn decided(&mut self, events: &[Event], decisions: &[Decision]) -> Result<(), BackfillError> {
        events.iter().for_each(|event| self.observer.decided(event.flags));
        self.numbers.clear();
        let shown = events.iter().map(|event| self.plan.published(&self.plan.slots, event));
        self.numbers.extend(shown.map(|event| self.ledger.add(&event)));
        note(self.ledger, 0, &self.numbers, decisions);
        if self.numbers.iter().any(Option::is_some) {
            for (place, variant) in &mut self.variants {
                note(self.ledger, *place, &self.numbers, variant.decide(events));
            }
        }
        Ok(())
    }

    fn rejected(&mut self, input: u8, number: u64, rejection: &Rejection) {
        self.observer.rejected(input, number, rejection);
    }
}

/// A pass of its own: a variant with other features decides on the payments that the first pass noted.
pub struct FurtherPass<'r> {
    plan: &'r Plan,
    ledger: &'r mut Ledger,
    place: usize,
    by_id: HashMap<String, usize>,
    numbers: Vec<Option<usize>>,
}

impl<'r> FurtherPass<'r> {
    /// Records the variant with this plan under this number.
    pub fn new(plan: &'r Plan, ledger: &'r mut Ledger, place: usize) -> FurtherPass<'r> {
        let mut by_id = HashMap::with_capacity(ledger.len());
        for (number, (id, _)) in ledger.payments().enumerate() {
            // Of payments with the same id the first is judged.
            by_id.entry(id.to_owned()).or_insert(number);
        }
        FurtherPass {
            plan,
            ledger,
            place,
            by_id,
            numbers: Vec::new(),
        }
    }
}

impl Sink for FurtherPass<'_> {
    fn decided(&mut self, events: &[Event], decisions: &[Decision]) -> Result<(), BackfillError> {
        self.numbers.clear();
        let ids = events.iter().map(|event| self.plan.published_id(event));
        self.numbers.extend(ids.map(|id| self.by_id.remove(&*id)));
        note(self.ledger, self.place, &self.numbers, decisions);
        Ok(())
    }

    fn rejected(&mut self, _: u8, _: u64, _: &Rejection) {}
}

fn note(ledger: &mut Ledger, place: usize, numbers: &[Option<usize>], decisions: &[Decision]) {
    for (number, decision) in numbers.iter().zip(decisions) {
        if let Some(number) = number {
            ledger.decisions[place].note(*number, DecisionEntry::of(decision));
        }
    }
}
