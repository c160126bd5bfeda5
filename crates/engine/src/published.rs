//! An event as it is published: published pseudonyms in place of the state's.

use crate::event::Event;
use crate::plan::{EVENT_ID, Plan};
use riskstream_events::{Slot, Value};
use std::borrow::Cow;

impl Plan {
    /// The event with published pseudonyms. It is the event itself if those of the state are published.
    pub fn published<'e>(&self, event: &'e Event) -> Cow<'e, Event> {
        if self.published.is_none() {
            return Cow::Borrowed(event);
        }
        let mut shown = event.clone();
        for (slot, value) in shown.row.iter_mut().enumerate() {
            if let Cow::Owned(published) = self.published_value(slot, value) {
                *value = published;
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
