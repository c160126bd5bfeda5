//! An event as it is published: published pseudonyms in place of the state's.

use crate::event::Event;
use crate::plan::{EVENT_ID, Plan, SlotInfo};
use riskstream_events::{Slot, Value};
use std::borrow::Cow;

impl Plan {
    /// The event with published pseudonyms. It is the event itself if those of the state are published. `slots`: of its row.
    pub fn published<'e>(&self, slots: &[SlotInfo], event: &'e Event) -> Cow<'e, Event> {
        let Some(published) = &self.published else {
            return Cow::Borrowed(event);
        };
        let mut shown = event.clone();
        for (value, info) in shown.row.iter_mut().zip(slots) {
            if info.holds_pseudonyms {
                *value = published.publish_value(value);
            }
        }
        shown.row[EVENT_ID] = Value::Text(self.published_id(event).into());
        Cow::Owned(shown)
    }

    /// A value of a row, as it is published.
    pub fn published_value<'v>(&self, slot: Slot, value: &'v Value) -> Cow<'v, Value> {
        match &self.published {
            Some(published) if self.slots[slot].holds_pseudonyms => Cow::Owned(published.publish_value(value)),
            _ => Cow::Borrowed(value),
        }
    }

    /// An event's id, as it is published.
    pub fn published_id<'e>(&self, event: &'e Event) -> Cow<'e, str> {
        let id = self.inputs[usize::from(event.input)].id;
        match &self.published {
            Some(published) if self.slots[id].holds_pseudonyms => Cow::Owned(published.publish(event.id()).into()),
            _ => Cow::Borrowed(event.id()),
        }
    }
}
