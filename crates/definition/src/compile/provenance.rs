//! Where the value of a slot comes from in the end: which fields, and which stages' features.

use riskstream_events::Slot;
use std::collections::{BTreeSet, HashMap};

/// Where a value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The fields that it is computed from.
    pub fields: BTreeSet<Slot>,
    /// The latest stage whose features it is computed from.
    pub stage: Option<usize>,
    /// A feature of that stage.
    pub feature: Option<Slot>,
}

/// The provenance of every slot. The event time comes from everywhere.
#[derive(Clone, Debug, Default)]
pub struct Provenances {
    slots: HashMap<Slot, Provenance>,
}

impl Provenances {
    /// Notes a field.
    pub fn field(&mut self, slot: Slot) {
        self.slots.insert(
            slot,
            Provenance {
                fields: BTreeSet::from([slot]),
                ..Provenance::default()
            },
        );
    }

    /// Notes an aggregation's feature.
    pub fn aggregation(&mut self, slot: Slot, stage: usize) {
        let provenance = Provenance {
            stage: Some(stage),
            feature: Some(slot),
            ..Provenance::default()
        };
        self.slots.insert(slot, provenance);
    }

    /// Notes what is computed from other slots.
    pub fn expression(&mut self, slot: Slot, reads: &[Slot]) {
        let mut all = Provenance::default();
        for read in reads {
            let Some(part) = self.slots.get(read) else {
                continue;
            };
            all.fields.extend(&part.fields);
            if part.stage > all.stage {
                all.stage = part.stage;
                all.feature = part.feature;
            }
        }
        self.slots.insert(slot, all);
    }

    /// Where a slot's value comes from.
    pub fn of(&self, slot: Slot) -> Provenance {
        self.slots.get(&slot).cloned().unwrap_or_default()
    }
}
