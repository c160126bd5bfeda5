//! Which values rows on their way to a stage carry, as a number in front of every hop record. A pipeline file that
//! was changed may carry others: its rows must not be read as if they were the old ones.

use crate::partitioner::murmur2;
use riskstream_engine::plan::Plan;

/// Bytes in front of a frame.
pub const PREFIX: usize = 4;

/// The number of the layout of rows on their way to `stage`: a hash of their names and types in order.
pub fn id(plan: &Plan, stage: usize) -> u32 {
    let name = |&(slot, value_type): &(usize, riskstream_events::ValueType)| {
        format!("{}:{};", plan.slots[slot].name, value_type.name())
    };
    let layout: String = plan.stages[stage].carries.iter().map(name).collect();
    murmur2(layout.as_bytes())
}

/// Splits a hop record's value into the layout's number and the frame; none if it is too short to be one.
pub fn split(value: &[u8]) -> Option<(u32, &[u8])> {
    let (id, frame) = value.split_first_chunk::<PREFIX>()?;
    Some((u32::from_le_bytes(*id), frame))
}
