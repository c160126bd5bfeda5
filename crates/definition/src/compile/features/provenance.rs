//! Which fields and which stages' features the value of a slot depends on.

use riskstream_events::Slot;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The fields and stages that a value depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The fields.
    pub fields: BTreeSet<Slot>,
    /// The latest stage whose features it depends on.
    pub stage: Option<usize>,
    /// A feature of that stage.
    pub feature: Option<Slot>,
    /// A slot of a table, if it depends on one: it is known at the decision.
    pub looked_up: Option<Slot>,
}

/// The provenance of all slots. That of the event time is empty, since all inputs have it.
#[derive(Clone, Debug)]
pub struct Provenances {
    slots: HashMap<Slot, Provenance>,
}

impl Provenances {
    /// Fields by name. Each depends on itself.
    pub fn of_fields(fields: &BTreeMap<String, Slot>) -> Provenances {
        let provenance = |slot: &Slot| Provenance {
            fields: BTreeSet::from([*slot]),
            ..Provenance::default()
        };
        let slots = fields.values().map(|slot| (*slot, provenance(slot)));
        Provenances { slots: slots.collect() }
    }

    /// Adds an aggregation's feature.
    pub fn aggregation(&mut self, slot: Slot, stage: usize) {
        let provenance = Provenance {
            stage: Some(stage),
            feature: Some(slot),
            ..Provenance::default()
        };
        self.slots.insert(slot, provenance);
    }

    /// Adds an expression over other slots.
    pub fn expression(&mut self, slot: Slot, reads: &[Slot]) {
        let mut all = Provenance::default();
        for read in reads {
            let Some(part) = self.slots.get(read) else {
                continue;
            };
            all.fields.extend(&part.fields);
            all.looked_up = all.looked_up.or(part.looked_up);
            if part.stage > all.stage {
                all.stage = part.stage;
                all.feature = part.feature;
            }
        }
        self.slots.insert(slot, all);
    }

    /// Adds what a table says of the value in the slot `key`.
    pub fn looked_up(&mut self, slot: Slot, key: Slot) {
        let provenance = Provenance {
            looked_up: Some(slot),
            ..self.of(key)
        };
        self.slots.insert(slot, provenance);
    }

    /// What a slot's value depends on.
    pub fn of(&self, slot: Slot) -> Provenance {
        self.slots.get(&slot).cloned().unwrap_or_default()
    }
}
